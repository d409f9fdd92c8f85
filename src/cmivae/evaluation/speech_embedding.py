"""All that needs the weights of a speech model: posterior means, likelihood terms, converted speech (appendix J)."""

import torch
from torch import Tensor

from cmivae.models.contract import SpeechVae
from cmivae.training.items import Items, chunks

CHUNK = 512  # segments a forward in eval mode


@torch.no_grad()
def embed_test(model: SpeechVae, items: Items, drawn: torch.Generator) -> dict[str, Tensor]:
    """Posterior means and terms with one latent sample (docs/protocol-speech.md).

    Returns:
        z_mean, z_logvar, z (N, Z); s_mean (N, S), the mean over time of posterior means at the mean of z; recon, kl_z,
        kl_s (N,) in nats a segment; float32 on the CPU.
    """
    found: dict[str, list[Tensor]] = {}
    for part in chunks(len(items), CHUNK):
        x = items[part]
        terms = model(x, drawn)
        values = {name: getattr(terms, name) for name in ("z_mean", "z_logvar", "z", "recon", "kl_z", "kl_s")}
        values["s_mean"] = model.means(x)[1].mean(1)
        for name, value in values.items():
            found.setdefault(name, []).append(value.float().cpu())
    return {name: torch.cat(parts) for name, parts in found.items()}


@torch.no_grad()
def swap(model: SpeechVae, items: Items, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Convert both ways: decoder means with the z of one segment and the s of the other, averaged over time.

    Args:
        first, second: (P,) segments that are paired.

    Returns:
        (P, F) with the z of ``first``, and (P, F) with the z of ``second``; on the CPU.
    """
    ours, theirs = [], []
    for part in chunks(len(first), CHUNK):
        z_first, s_first = model.means(items[first[part]])
        z_second, s_second = model.means(items[second[part]])
        ours.append(model.decode(s_second, z_first)[0].mean(1).float().cpu())
        theirs.append(model.decode(s_first, z_second)[0].mean(1).float().cpu())
    return torch.cat(ours), torch.cat(theirs)


@torch.no_grad()
def convert(model: SpeechVae, source: Tensor, z: Tensor | None) -> Tensor:
    """An utterance with another voice: s of each of its segments, one z for all; without z each segment's own.

    Args:
        source: (N, T, F) segments of one utterance.
        z: (Z,)

    Returns:
        (N * T, F) decoder means, on the CPU.
    """
    own, s = model.means(source)
    voice = own if z is None else z.expand(len(source), -1)
    return model.decode(s, voice)[0].flatten(0, 1).float().cpu()
