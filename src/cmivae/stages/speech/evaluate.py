"""Stage evaluate for speech: metrics of a run, from its embeddings and lists alone (docs/protocol-speech.md)."""

import numpy as np
from safetensors.numpy import load_file
from threadpoolctl import threadpool_limits

from cmivae.data.speech import Speech, core_of, load
from cmivae.data.tensors import read_tensors
from cmivae.evaluation.conversion import vc_mcas
from cmivae.evaluation.information import active_units, aggregate_mi, estimates
from cmivae.evaluation.verification import eer_of, utterance_means
from cmivae.provenance.context import Context
from cmivae.provenance.io import write_json
from cmivae.stages.finite import not_finite
from cmivae.stages.speech.averages import real_averages, sexes

Arrays = dict[str, np.ndarray]
TERMS = ("recon", "kl_z", "kl_s")


def make(context: Context) -> str:
    """Write ``metrics.json``: nats a segment, EER and VC-mCAS in percent; ``elbo`` is signed, higher is better.

    Returns:
        ``complete``, or ``failed`` where an embedding is not finite: such a run must not become a number.
    """
    latents = read_tensors(context.workspace / "runs/embed" / context.run.name / "latents.safetensors", load_file)
    if not_finite(context, latents):
        return "failed"
    speech = load(context.prepared)
    with threadpool_limits(1):
        core = np.isin(speech.owners("test"), core_of(speech.of("test")))  # (N,) segments
        metrics: dict[str, object] = {
            "core": _likelihood(latents, core) | _verification(speech, latents, "core"),
            "full": _likelihood(latents, np.ones_like(core)) | _verification(speech, latents, "full"),
            "i_zs": estimates(latents),
            "vc_mcas": _conversion(context, speech, latents),
            "active_units": active_units(latents["test_z_mean"][core]),
            "mi_xz": aggregate_mi(*(latents[f"test_{name}"][core] for name in ("z_mean", "z_logvar", "z"))),
        }
    write_json(context.folder / "metrics.json", metrics)
    return "complete"


def _likelihood(latents: Arrays, of: np.ndarray) -> dict[str, float]:
    recon, kl_z, kl_s = (float(np.mean(latents[f"test_{name}"][of], dtype=np.float64)) for name in TERMS)
    return {"elbo": -(recon + kl_z + kl_s), "kl_z": kl_z, "kl_s": kl_s, "recon": recon}


def _verification(speech: Speech, latents: Arrays, name: str) -> dict[str, float]:
    """EER(z) and EER(s) of a trial list, on utterance means by cosine (section 5.2)."""
    pairs, is_target = speech.lists[f"{name}_pairs"], speech.lists[f"{name}_target"].astype(bool)
    owners, count = speech.owners("test"), len(speech.of("test"))
    means = {latent: utterance_means(latents[f"test_{latent}_mean"], owners, count) for latent in ("z", "s")}
    return {f"eer_{latent}": eer_of(values, pairs, is_target) for latent, values in means.items()} | {
        "trials": len(pairs),
        "targets": int(is_target.sum()),
    }


def _conversion(context: Context, speech: Speech, latents: Arrays) -> dict[str, object]:
    """VC-mCAS (appendix J): learn the sex of the z donor from conversions, test on real segments."""
    params = context.speech.evaluate
    male, female = latents["vc_male"], latents["vc_female"]  # (V/2, F) by the z that they have
    labels = np.array(["M"] * len(male) + ["F"] * len(female))
    test = speech.lists["vc_test"]
    real = real_averages(speech, "test", test), sexes(speech, "test", test)
    found = vc_mcas(np.concatenate([male, female]), labels, *real, c=params.c, max_iter=params.max_iter)
    return {"percent": found.percent, "converged": found.converged, "iterations": found.iterations}
