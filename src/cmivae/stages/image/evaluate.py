"""Stage evaluate for images: the metrics of a run, from its embeddings and the labels alone (docs/protocol.md)."""

import numpy as np
from safetensors.numpy import load_file
from threadpoolctl import threadpool_limits

from cmivae.data.prepare import load
from cmivae.data.tensors import read_tensors
from cmivae.evaluation.information import active_units, aggregate_mi, estimates
from cmivae.evaluation.mcas import mcas, pixel_entropy
from cmivae.evaluation.probes import logistic_accuracy, svm_accuracy
from cmivae.provenance.context import Context
from cmivae.provenance.io import write_json
from cmivae.stages.finite import not_finite

Arrays = dict[str, np.ndarray]


def make(context: Context) -> str:
    """Write ``metrics.json``; ``elbo`` is signed, higher is better, always with beta = 1.

    Returns:
        ``complete``, or ``failed`` where an embedding is not finite: such a run must not become a number.
    """
    folder = context.workspace / "runs/embed" / context.run.name
    latents, samples = (read_tensors(folder / f"{name}.safetensors", load_file) for name in ("latents", "samples"))
    if not_finite(context, latents):
        return "failed"
    with threadpool_limits(1):  # more threads than jobs made BLAS slower here
        metrics = _likelihood(latents) | {"i_zs": estimates(latents)} | _classifiers(context, latents, samples)
    write_json(context.folder / "metrics.json", metrics)
    return "complete"


def _likelihood(latents: Arrays) -> dict[str, object]:
    recon, kl_z = _mean(latents["test_recon"]), _mean(latents["test_kl_z"])
    mean, logvar, z = (latents[f"test_{name}"] for name in ("z_mean", "z_logvar", "z"))
    return {
        "elbo": -(recon + kl_z),
        "kl_z": kl_z,
        "recon": recon,
        "active_units": active_units(mean),
        "mi_xz": aggregate_mi(mean, logvar, z),
    }


def _classifiers(context: Context, latents: Arrays, samples: Arrays) -> dict[str, object]:
    params, prepared = context.image.evaluate, load(context.prepared)
    probe = latents["probe_z_mean"], prepared.train_y[prepared.subsets["probe"]]
    test = latents["test_z_mean"], prepared.test_y
    linear = logistic_accuracy(*probe, *test, c=params.c, max_iter=params.max_iter)
    labels = prepared.train_y[np.array(prepared.subsets["mcas"])]  # (S, N)
    decoded = mcas(
        samples["mcas"], labels, prepared.test_x, prepared.test_y,
        c=params.c, max_iter=params.max_iter, gamma=params.svm_gamma,
    )  # fmt: skip
    return {
        "aolr": {"accuracy": linear.accuracy, "converged": linear.converged, "iterations": linear.iterations},
        "aosvm": {"accuracy": svm_accuracy(*probe, *test, c=params.c, gamma=params.svm_gamma)},
        "mcas": {"mean": _mean(decoded.lr), "per_subset": decoded.lr, "converged": all(decoded.converged)},
        "mcas_svm": {"mean": _mean(decoded.svm), "per_subset": decoded.svm},
        "pixel_entropy": pixel_entropy(samples["mcas"]),
    }


def _mean(values: object) -> float:
    return float(np.mean(np.asarray(values, dtype=np.float64)))
