"""Stage embed for speech: everything that needs the weights of a run, so that its metrics need none."""

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from cmivae.data.speech import Speech, core_of, load
from cmivae.data.trials import draw_voice_pairs
from cmivae.evaluation.speech_embedding import convert, embed_test, swap
from cmivae.models.contract import SpeechVae
from cmivae.provenance.context import Context
from cmivae.provenance.io import write_bytes
from cmivae.stages.device import device_of
from cmivae.stages.estimates import estimates
from cmivae.stages.speech.items import segments
from cmivae.training.build import build_model, load_weights
from cmivae.training.devices import generator
from cmivae.training.items import Segments

NOISE, VOICES = 30, 35  # streams of random numbers


def make(context: Context) -> None:
    """Write ``latents.safetensors`` (test latents, terms, logits, VC-mCAS averages) and ``voices.safetensors``."""
    device, speech = device_of(context), load(context.prepared)
    model = build_model(context.speech, context.run.seed, device)
    load_weights(context.workspace / "runs/train" / context.run.name / "model.safetensors", model)
    train, valid, test = (segments(speech, part, device) for part in ("train", "valid", "test"))
    drawn = generator(device, context.speech.embed.eval_seed, NOISE)
    found = embed_test(model, test, drawn)
    latents = {f"test_{name}": value for name, value in found.items()}
    pairs = (torch.from_numpy(speech.lists[f"vc_{sex}"]) for sex in ("male", "female"))
    latents["vc_male"], latents["vc_female"] = swap(model, train, *pairs)  # (V/2, F) each, by the z that they have
    latents |= estimates(context, model, train, valid, core(speech, test))
    write_bytes(context.folder / "latents.safetensors", save({k: v.contiguous() for k, v in latents.items()}))
    voices = _voices(context, model, speech, test, found["z_mean"].to(device))
    write_bytes(context.folder / "voices.safetensors", save(voices))


def core(speech: Speech, test: Segments) -> Segments:
    """Test segments of the core list."""
    index = np.flatnonzero(np.isin(speech.owners("test"), core_of(speech.of("test"))))
    starts = torch.from_numpy(speech.starts("test")[index])
    return Segments(test.frames, starts, speech.segment, test.device)


def _voices(context: Context, model: SpeechVae, speech: Speech, test: Segments, z_mean: Tensor) -> dict[str, Tensor]:
    """Converted utterances to listen to: normalised frames of each pair, and which utterances they are."""
    params, spans = context.speech.embed, speech.of("test")
    members = core_of(spans).tolist()
    rng = np.random.default_rng([params.eval_seed, VOICES])
    chosen = [spans[number] for number in members]
    drawn = draw_voice_pairs([s.speaker for s in chosen], [s.gender for s in chosen], params.voices, rng)
    pairs = np.array(members, dtype=np.int64)[drawn]  # (P, 2) source and target utterance of the test part
    owners = torch.from_numpy(speech.owners("test"))
    found = {"pairs": torch.from_numpy(pairs)}
    for number, (source, target) in enumerate(pairs):
        of_source = test[torch.nonzero(owners == source)[:, 0]]  # (N, T, F)
        voice = z_mean[torch.nonzero(owners == target)[:, 0].to(z_mean.device)].mean(0)  # (Z,)
        found[f"converted{number}"] = convert(model, of_source, voice)  # (N * T, F)
        found[f"copied{number}"] = convert(model, of_source, None)
    return found
