"""Stage embed for images: everything that needs the weights of a run, so that its metrics need none."""

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from cmivae.data.prepare import Prepared, load
from cmivae.evaluation.embedding import decode_images, embed_mean, embed_test
from cmivae.evaluation.packing import pack
from cmivae.evaluation.sampling import make_sampler
from cmivae.models.contract import ImageVae
from cmivae.models.terms import gaussian_sample
from cmivae.progress import log
from cmivae.provenance.context import Context
from cmivae.provenance.io import write_bytes
from cmivae.stages.device import device_of
from cmivae.stages.estimates import estimates
from cmivae.training.build import build_model, load_weights
from cmivae.training.devices import generator
from cmivae.training.items import Images

NOISE, DECODE, MCAS_Z = 30, 32, 33  # streams of random numbers


def make(context: Context) -> None:
    """Write ``latents.safetensors`` (test and probe latents, terms, critic logits) and ``samples.safetensors``."""
    device, prepared = device_of(context), load(context.prepared)
    trained = context.workspace / "runs/train" / context.run.name
    model = build_model(context.image, context.run.seed, device)
    load_weights(trained / "model.safetensors", model)
    latents = _latents(context, model, prepared, device)
    parts = (Images(_on(images, device)) for images in (prepared.train_x, prepared.valid_x, prepared.test_x))
    latents |= estimates(context, model, *parts)
    write_bytes(context.folder / "latents.safetensors", save(latents))
    images = _samples(context, model, prepared, device)
    write_bytes(context.folder / "samples.safetensors", save({"mcas": images}))


def _latents(context: Context, model: ImageVae, prepared: Prepared, device: torch.device) -> dict[str, Tensor]:
    drawn = generator(device, context.image.embed.eval_seed, NOISE)
    found = embed_test(model, _on(prepared.test_x, device), drawn)
    probe, _ = embed_mean(model, _on(prepared.train_x[prepared.subsets["probe"]], device))
    return {f"test_{name}": value for name, value in found.items()} | {"probe_z_mean": probe.cpu()}


def _samples(context: Context, model: ImageVae, prepared: Prepared, device: torch.device) -> Tensor:
    """Decodes of every mCAS subset, packed to bits.  (S, N, D, 98) uint8"""
    params, sampler, packed = context.image.embed, make_sampler(model), []
    for number, index in enumerate(prepared.subsets["mcas"]):
        z, logvar = embed_mean(model, _on(prepared.train_x[index], device))  # (N, Z), (N, Z)
        if params.mcas_z == "sample":
            z = gaussian_sample(z, logvar, generator(device, params.eval_seed, MCAS_Z, number))
        drawn = generator(device, params.eval_seed, DECODE, number)
        packed.append(pack(decode_images(sampler, model.image_size, z, params.decodes, drawn).numpy()))
        log.info("decode %s subset %d of %d", context.run.name, number + 1, len(prepared.subsets["mcas"]))
    return torch.from_numpy(np.stack(packed))


def _on(images: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images)).to(device)
