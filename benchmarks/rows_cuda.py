"""Rows of a GPU, made of those of the CPU: wall time up to the end of the device's work."""

from dataclasses import replace

import rows_image
import rows_speech
import torch
from measure import Case, Row
from sizes import Sizes

NONE = "CUDA: no device at hand, so nothing of it was measured here."


def available() -> bool:
    """Whether there is a CUDA device."""
    return torch.cuda.is_available()


def with_train(sizes: Sizes, **changes: object) -> Sizes:
    """Sizes with another setting of our training step; the peer stays eager float32, for it reads none of these."""
    return replace(
        sizes,
        train=sizes.train.model_copy(update=changes),
        speech_train=sizes.speech_train.model_copy(update=changes),
    )


def _beta(**changes: object):
    def make(sizes: Sizes) -> Case:
        return replace(rows_image.beta_step(with_train(sizes, **changes)), calls=10)

    return make


def _cmi(**changes: object):
    def make(sizes: Sizes) -> Case:
        return replace(rows_image.cmi_step(with_train(sizes, **changes)), calls=10)

    return make


def _dsae(**changes: object):
    def make(sizes: Sizes) -> Case:
        return replace(rows_speech.dsae_step(with_train(sizes, **changes)), calls=10)

    return make


EAGER, FLOAT64 = "eager float32, He-style masks", rows_image.FLOAT64
ROWS = [
    Row("cuda_beta_float32", "β-VAE step, float32", EAGER, _beta(), FLOAT64, 1e-9, bar=3),
    Row("cuda_beta_bf16", "β-VAE step, bf16", EAGER, _beta(precision="bf16"), FLOAT64, 1e-9, stretch=6),
    Row("cuda_cmi_float32", "CMI-VAE step, float32", "eager float32, plain transcription", _cmi(), FLOAT64, 1e-9),
    Row("cuda_cmi_bf16", "CMI-VAE step, bf16", "eager float32, plain transcription", _cmi(precision="bf16"),
        FLOAT64, 1e-9),
    Row("cuda_sampling", "100 images, cached sampler", "naive: 784 full forwards, extrapolated from one",
        rows_image.sampling, "logits of all pixels, float32", 1e-4, bar=30, stretch=100),
    Row("cuda_dsae", "DSAE step, float32", "LSTMCell and RNNCell in a Python loop over time", _dsae(),
        "loss and gradients of one batch, in float64", 1e-9),
]  # fmt: skip
