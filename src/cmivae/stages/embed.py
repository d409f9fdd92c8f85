"""Stage embed: everything that needs the weights of a run, so that its metrics can be computed without them."""

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from cmivae.data.prepare import Prepared, load
from cmivae.evaluation.embedding import decode_images, embed_mean, embed_test
from cmivae.evaluation.packing import pack
from cmivae.evaluation.posthoc import TEST, pair_logits, train_posthoc
from cmivae.models.terms import gaussian_sample
from cmivae.progress import log
from cmivae.provenance.context import Context
from cmivae.provenance.io import write_bytes
from cmivae.training.build import build_critic, build_model, load_weights
from cmivae.training.critics import build_contender
from cmivae.training.devices import generator, resolve_device, set_up

NOISE, ONLINE, DECODE, MCAS_Z, POSTHOC = 30, 31, 32, 33, 34  # streams of random numbers


def make(context: Context) -> None:
    """Write ``latents.safetensors`` (test and probe latents, terms, critic logits) and ``samples.safetensors``."""
    compute = context.params.compute
    device = resolve_device(compute.device)
    set_up(device, compute.threads)
    prepared = load(context.prepared)
    trained = context.workspace / "runs/train" / context.run.name
    model = build_model(context.dataset, context.run.seed, device)
    load_weights(trained / "model.safetensors", model)
    latents = _latents(context, model, prepared, device)
    online = trained / "critic_estimator.safetensors"
    if online.is_file():
        latents |= _online(context, model, online, prepared, device)
    if context.dataset.embed.posthoc.inits:
        latents |= _posthoc(context, model, prepared, device)
    write_bytes(context.folder / "latents.safetensors", save(latents))
    images = _samples(context, model, prepared, device)
    write_bytes(context.folder / "samples.safetensors", save({"mcas": images}))


def _latents(context: Context, model: nn.Module, prepared: Prepared, device: torch.device) -> dict[str, Tensor]:
    drawn = generator(device, context.dataset.embed.eval_seed, NOISE)
    found = embed_test(model, _on(prepared.test_x, device), drawn)
    probe, _ = embed_mean(model, _on(prepared.train_x[prepared.subsets["probe"]], device))
    return {f"test_{name}": value for name, value in found.items()} | {"probe_z_mean": probe.cpu()}


def _online(
    context: Context, model: nn.Module, path: object, prepared: Prepared, device: torch.device
) -> dict[str, Tensor]:
    critic = build_critic("estimator", context.dataset.critic, model, device, context.run.seed)
    load_weights(path, critic)
    drawn = generator(device, context.dataset.embed.eval_seed, ONLINE)
    joint, shuffled = pair_logits(model, critic, _on(prepared.test_x, device), drawn)
    return {"online_joint": joint, "online_shuffled": shuffled}  # (N,), (N,)


def _posthoc(context: Context, model: nn.Module, prepared: Prepared, device: torch.device) -> dict[str, Tensor]:
    dataset, seed = context.dataset, context.dataset.embed.eval_seed
    contenders = []
    for init in range(dataset.embed.posthoc.inits):
        critic = build_critic("estimator", dataset.critic, model, device, seed, POSTHOC, init)
        noise = generator(device, seed, POSTHOC, init)
        contenders.append(build_contender("estimator", critic, dataset.train, noise))
    best = train_posthoc(
        model,
        contenders,
        dataset.embed.posthoc,
        train_x=_on(prepared.train_x, device),
        valid_x=_on(prepared.valid_x, device),
        batch_size=dataset.train.batch_size,
        seed=seed,
        name=context.run.name,
    )
    log.info("posthoc %s stopped at epochs %s", context.run.name, [each.epoch for each in best])
    test = _on(prepared.test_x, device)
    pairs = [pair_logits(model, each.module, test, generator(device, seed, TEST)) for each in contenders]
    joint, shuffled = zip(*pairs, strict=True)
    return {"posthoc_joint": torch.stack(joint), "posthoc_shuffled": torch.stack(shuffled)}  # (I, N), (I, N)


def _samples(context: Context, model: nn.Module, prepared: Prepared, device: torch.device) -> Tensor:
    """Decodes of every mCAS subset, packed to bits.  (S, N, D, 98) uint8"""
    params, packed = context.dataset.embed, []
    for number, index in enumerate(prepared.subsets["mcas"]):
        z, logvar = embed_mean(model, _on(prepared.train_x[index], device))  # (N, Z), (N, Z)
        if params.mcas_z == "sample":
            z = gaussian_sample(z, logvar, generator(device, params.eval_seed, MCAS_Z, number))
        drawn = generator(device, params.eval_seed, DECODE, number)
        packed.append(pack(decode_images(model, z, params.decodes, drawn).numpy()))
        log.info("decode %s subset %d of %d", context.run.name, number + 1, len(prepared.subsets["mcas"]))
    return torch.from_numpy(np.stack(packed))


def _on(images: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images)).to(device)
