"""Ratios of our fast paths against plain peers, interleaved in one process: ``make bench``.

CPU seconds of one thread, so that other work on the machine moves the ratios little; medians of interleaved repeats.
Writes benchmarks/result.json and prints a table. ``--smoke`` only shows that it runs.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from peers import one_full_forward, roc_equal_error_rate, with_dense_masks

from cmivae.data.trials import draw_trials
from cmivae.evaluation.sampling import FastSampler
from cmivae.evaluation.verification import cosine_scores, equal_error_rate
from cmivae.models.pixelcnn_vae import PixelCnnVae
from cmivae.provenance.environment import environment
from cmivae.study import params as study

SIZE = 784  # pixels, each a forward of the naive sampler
SMALL = {"channels": 8, "encoder_channels": 8, "encoder_out": 16, "kernels": (5, 3, 3), "cut": 1}


def cpu_seconds(act: Callable[[], object]) -> float:
    """CPU time of one call."""
    start = time.process_time()
    act()
    return time.process_time() - start


def interleaved(ours: Callable, peer: Callable, repeats: int) -> dict[str, float]:
    """Medians of both and of their ratio, pair by pair, after one call of each that does not count."""
    ours(), peer()
    pairs = [(cpu_seconds(ours), cpu_seconds(peer)) for _ in range(repeats)]
    ratios = sorted(b / a for a, b in pairs)
    return {
        "ours_s": statistics.median(a for a, _ in pairs),
        "peer_s": statistics.median(b for _, b in pairs),
        "ratio": statistics.median(ratios),
        "ratio_min": ratios[0],
        "ratio_max": ratios[-1],
        "repeats": repeats,
    }


def training_step(params: study.PixelCnnVae, batch: int, repeats: int) -> dict[str, float]:
    """Forward and backward of the VAE: live weights in channels-last layout against dense masked convolutions."""
    ours, peer = PixelCnnVae(params).to(memory_format=torch.channels_last), with_dense_masks(PixelCnnVae(params))
    x = (torch.rand(batch, 1, 28, 28, generator=torch.Generator().manual_seed(0)) < 0.13).float()

    def step(model: PixelCnnVae) -> None:
        model.zero_grad(set_to_none=True)
        model(x, torch.Generator().manual_seed(1)).elbo.mean().neg().backward()

    return interleaved(lambda: step(ours), lambda: step(peer), repeats)


def sampling(params: study.PixelCnnVae, batch: int, repeats: int) -> dict[str, float]:
    """Whole images: the cached sampler against 784 full forwards, of which one is timed and multiplied."""
    model = PixelCnnVae(params).eval()
    drawn = torch.Generator().manual_seed(0)
    z, u = torch.randn(batch, params.z_dim, generator=drawn), torch.rand(batch, SIZE, generator=drawn)
    images, sampler = torch.zeros(batch, 1, 28, 28), FastSampler(model)
    found = interleaved(lambda: sampler(z, u), lambda: one_full_forward(model, images, z), repeats)
    scaled = {name: value * SIZE for name, value in found.items() if name.startswith(("ratio", "peer"))}
    return found | scaled


def verification(speakers: int, repeats: int) -> dict[str, float]:
    """EER of all trials of 8 utterances a speaker: bisection on the targets against scikit-learn's ROC."""
    rng = np.random.default_rng(0)
    names = np.repeat(np.arange(speakers), 8).astype(str).tolist()
    z = np.repeat(rng.normal(size=(speakers, 64)), 8, axis=0) + rng.normal(size=(8 * speakers, 64))
    pairs, is_target = draw_trials(names, None, 0)
    scores = cosine_scores(z, pairs)

    def ours() -> float:
        return equal_error_rate(scores[is_target], scores[~is_target])

    return interleaved(ours, lambda: roc_equal_error_rate(is_target, scores), repeats)


def main() -> None:
    """Run all benchmarks and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a small network once: shows that it runs")
    smoke = parser.parse_args().smoke
    torch.set_num_threads(1)
    params = study.PixelCnnVae(name="pixelcnn_vae", **(SMALL if smoke else {}))
    repeats = 1 if smoke else 7
    results = {
        "VAE step, batch 50, against dense masks": training_step(params, 4 if smoke else 50, repeats),
        "sampling, batch 100, against 784 forwards": sampling(params, 4 if smoke else 100, repeats),
        "EER, 902,496 trials, against scikit-learn's ROC": verification(8 if smoke else 168, repeats),
    }
    about = {"processor": environment()["processor"], "torch": torch.__version__, "smoke": smoke}
    Path(__file__).with_name("result.json").write_text(
        json.dumps({"about": about, "results": results}, indent=1) + "\n"
    )
    print("| what | ours, CPU s | peer, CPU s | ratio (min to max) |\n|:--|--:|--:|--:|")
    for name, found in results.items():
        spread = f"{found['ratio']:.3g}x ({found['ratio_min']:.3g} to {found['ratio_max']:.3g})"
        print(f"| {name} | {found['ours_s']:.3g} | {found['peer_s']:.3g} | {spread} |")
    where = "a small network, once: not a measurement" if smoke else "medians of 7 interleaved repeats, one CPU thread"
    cuda = "not measured here" if torch.cuda.is_available() else "no device at hand"
    print(f"\n{about['processor']}; {where}. CUDA: {cuda}.")


if __name__ == "__main__":
    main()
