"""Rows of a GPU, made of those of the CPU: wall time up to the end of the device's work."""

from collections.abc import Callable
from dataclasses import replace

import rows_image
import rows_speech
import torch
from measure import Case, Row
from sizes import Sizes

CALLS = 10  # of steps in one timing, and before the first: more than a step has before it is captured
NONE = "CUDA: no device at hand, so nothing of it was measured here."


def available() -> bool:
    """Whether there is a CUDA device."""
    return torch.cuda.is_available()


def with_train(sizes: Sizes, graph: bool, **changes: object) -> Sizes:
    """Sizes with another setting of our training step; the peer stays eager float32, for it reads none of these."""
    return replace(
        sizes,
        graph=graph,
        train=sizes.train.model_copy(update=changes),
        speech_train=sizes.speech_train.model_copy(update=changes),
    )


def _step(make: Callable[[Sizes], Case], graph: bool = True, **changes: object) -> Callable[[Sizes], Case]:
    return lambda sizes: replace(make(with_train(sizes, graph, **changes)), calls=CALLS)


FLOAT64, TOLERANCE = rows_image.FLOAT64, 1e-9
MASKS, PLAIN = "eager float32, He-style masks", "eager float32, plain transcription"
LOOP = "LSTMCell and RNNCell in a Python loop over time"
BF16: dict[str, object] = {"precision": "bf16", "compile": True}
BETA, CMI, DSAE = rows_image.beta_step, rows_image.cmi_step, rows_speech.dsae_step
ROWS = [
    Row("cuda_beta_single", "β-VAE step, float32, launch by launch", MASKS, _step(BETA, False), FLOAT64, TOLERANCE),
    Row("cuda_beta_graph", "β-VAE step, float32, one graph", MASKS, _step(BETA), FLOAT64, TOLERANCE, bar=3),
    Row("cuda_beta_bf16", "β-VAE step, bf16, compiled, one graph", MASKS, _step(BETA, **BF16), FLOAT64, TOLERANCE,
        stretch=6),
    Row("cuda_cmi_single", "CMI-VAE step, float32, launch by launch", PLAIN, _step(CMI, False), FLOAT64, TOLERANCE),
    Row("cuda_cmi_graph", "CMI-VAE step, float32, one graph", PLAIN, _step(CMI), FLOAT64, TOLERANCE),
    Row("cuda_cmi_bf16", "CMI-VAE step, bf16, compiled, one graph", PLAIN, _step(CMI, **BF16), FLOAT64, TOLERANCE),
    Row("cuda_sampling", "100 images, cached sampler", "naive: 784 full forwards, extrapolated from one",
        rows_image.sampling, "logits of all pixels, float32", 1e-4, bar=30, stretch=100),
    Row("cuda_dsae_single", "DSAE step, float32, launch by launch", LOOP, _step(DSAE, False),
        "loss and gradients of one batch, in float64", TOLERANCE),
    Row("cuda_dsae_graph", "DSAE step, float32, one graph", LOOP, _step(DSAE),
        "loss and gradients of one batch, in float64", TOLERANCE),
]  # fmt: skip
