"""Where the time of evaluating one image run goes, at paper size: parts of the stages embed and evaluate.

Paper-size network with random weights on random images, one thread, CPU seconds. Each part is timed on a piece of its
work and multiplied; the table says by what.
"""

import time
from collections.abc import Callable

import numpy as np
import torch
from ours import binary_images, image_items
from sizes import PAPER, Sizes

from cmivae.evaluation.embedding import decode_images, embed_mean, embed_test
from cmivae.evaluation.mcas import mcas, pixel_entropy
from cmivae.evaluation.posthoc import pair_logits
from cmivae.evaluation.probes import logistic_accuracy, svm_accuracy
from cmivae.evaluation.sampling import make_sampler
from cmivae.models.pixelcnn_vae import PixelCnnVae
from cmivae.training.critics import build_contender

TEST, TRAIN, VALID, PROBE, SUBSETS, Z, DECODES = 10_000, 48_000, 12_000, 1000, 10, 100, 10
BATCH, INITS = 50, 3


def cpu_seconds(act: Callable[[], object]) -> float:
    """CPU seconds of the second call: the first one allocates."""
    act()
    start = time.process_time()
    act()
    return time.process_time() - start


def parts(sizes: Sizes, count: int = 500) -> dict[str, tuple[float, float]]:
    """Name of a part to seconds of the piece, of ``count`` images, that was timed and how many times that is."""
    model = PixelCnnVae(sizes.image).to(memory_format=torch.channels_last).eval()
    drawn, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
    images, items = binary_images(count, "cpu"), image_items(count, "cpu")
    critic, sampler = model.make_critic("zs", sizes.critic, drawn), make_sampler(model)
    contender = build_contender("estimator", critic, sizes.train, drawn)
    z = torch.randn(Z, model.z_dim, generator=drawn)
    labels, test_y = np.arange(Z) % 10, np.arange(TEST) % 10
    decoded = decode_images(sampler, model.image_size, z, DECODES, drawn).numpy()[None]  # (1, 100, 10, 28, 28)
    test_x = (rng.random((TEST, 28, 28)) < 0.13).astype(np.uint8)
    codes, probe_y = rng.normal(size=(TEST, 32)), np.arange(PROBE) % 10

    def decode() -> None:
        decode_images(sampler, model.image_size, z, DECODES, drawn)

    def teach() -> None:
        x = items[slice(BATCH)]
        with torch.no_grad():
            latents = model.latents(x, drawn)
        for _ in range(INITS):
            contender.step(x, *latents)

    def classify() -> None:
        mcas(decoded, labels[None], test_x, test_y, c=1.0, max_iter=1000)

    def read() -> None:
        logistic_accuracy(codes[:PROBE], probe_y, codes, test_y, c=1.0, max_iter=1000)
        svm_accuracy(codes[:PROBE], probe_y, codes, test_y, c=1.0)

    with torch.no_grad():
        found = {
            "terms of the test images": (cpu_seconds(lambda: embed_test(model, images, drawn)), TEST / len(images)),
            "z of probe and mCAS images": (
                cpu_seconds(lambda: embed_mean(model, images)),
                (PROBE + SUBSETS * Z) / len(images),
            ),
            "online estimator on the test images": (
                cpu_seconds(lambda: pair_logits(model, [critic], items, drawn)),
                TEST / len(images),
            ),
            "sampling for mCAS": (cpu_seconds(decode), SUBSETS),
            "classifiers of mCAS": (cpu_seconds(classify), SUBSETS),
            "AoLR, AoSVM": (cpu_seconds(read), 1),
            "diversity of decodes": (cpu_seconds(lambda: pixel_entropy(decoded)), SUBSETS),
            "post-hoc estimator, validation of one epoch": (
                cpu_seconds(lambda: pair_logits(model, [critic] * INITS, items, drawn)),
                VALID / len(images),
            ),
        }
    return found | {"post-hoc estimator, one epoch of at most 50": (cpu_seconds(teach), TRAIN / BATCH)}


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print("| part | timed, CPU s | times | CPU s of a run |\n|:--|--:|--:|--:|")
    for name, (taken, times) in parts(PAPER).items():
        print(f"| {name} | {taken:.3g} | {times:g} | {taken * times:.3g} |")


if __name__ == "__main__":
    main()
