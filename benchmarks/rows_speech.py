"""Rows of speech: the step of DSAE, and spectrograms."""

import numpy as np
import torch
from batches import Batches
from measure import Case, Row, number
from ours import OurTraining
from peers_speech import StepByStepDsae, per_file, per_segment
from sizes import Sizes
from torch import Tensor

from cmivae.data.features import Features
from cmivae.models.dsae import Dsae
from cmivae.study import params as study
from cmivae.training.items import Segments

FRAMES, BINS = 20, 201
UTTERANCES = 64  # of which segments are taken


def dsae_step(sizes: Sizes) -> Case:
    """Our step with whole recurrent nets against a loop over time, on weights of their own that start alike."""
    length = FRAMES * 16
    frames = torch.rand(UTTERANCES * length, BINS, generator=torch.Generator().manual_seed(0)).to(sizes.device)
    items = Segments(frames, torch.arange(0, len(frames), FRAMES), FRAMES, torch.device(sizes.device))
    train = sizes.speech_train
    ours = OurTraining(Dsae(sizes.dsae).to(sizes.device), train, items, graph=sizes.graph)
    model = Dsae(sizes.dsae).to(sizes.device)
    peer, noise = StepByStepDsae(model), torch.Generator(sizes.device).manual_seed(1)
    optimiser = torch.optim.Adam(model.parameters(), lr=train.lr, betas=train.adam_betas)
    batches = Batches(len(items), train.batch_size, sizes.device)

    def peer_step() -> None:
        x = items[batches.next()]
        optimiser.zero_grad()
        peer.loss(x, noise).backward()
        optimiser.step()

    return Case(ours.step, peer_step, lambda: dsae_difference(sizes.dsae, sizes.device), check=ours.check)


def dsae_difference(params: study.Dsae, device: str = "cpu") -> float:
    """The largest relative difference in float64 of the negative ELBO and of its gradients, on one batch."""
    model, twin = (Dsae(params).to(device).double() for _ in range(2))
    x = torch.rand(3, FRAMES, BINS, generator=torch.Generator().manual_seed(0), dtype=torch.double).to(device)
    ours = -model(x, torch.Generator(device).manual_seed(1)).elbo.mean()
    theirs = StepByStepDsae(twin).loss(x, torch.Generator(device).manual_seed(1))
    ours.backward(), theirs.backward()
    pairs = zip(model.parameters(), twin.parameters(), strict=True)
    return max(_relative(ours, theirs), *(_relative(a.grad, b.grad) for a, b in pairs))


def features_by_segment(sizes: Sizes) -> Case:
    """``framing: center_drop``, all segments of a file at once, against a loop over segments."""
    features, waves = Features(study.SpeechData(framing="center_drop")), speech(sizes)
    floor = features.data.floor

    def difference() -> float:
        ours = np.concatenate([features(wave).numpy() for wave in waves])
        return float(np.abs(np.exp(ours) - np.exp(np.concatenate(per_segment(waves, floor)))).max())

    return Case(lambda: [features(wave) for wave in waves], lambda: per_segment(waves, floor), difference, sizes.calls)


def features_by_file(sizes: Sizes) -> Case:
    """``framing: utterance`` against a loop over files."""
    features, waves = Features(study.SpeechData()), speech(sizes)
    floor = features.data.floor

    def difference() -> float:
        pairs = zip((features(wave).numpy() for wave in waves), per_file(waves, floor), strict=True)
        return max(number(float(np.abs(np.exp(a) - np.exp(b)).max())) for a, b in pairs)

    return Case(lambda: [features(wave) for wave in waves], lambda: per_file(waves, floor), difference, sizes.calls)


def speech(sizes: Sizes) -> list[np.ndarray]:
    """Noise in [-1, 1] as files of 3 s at 16 kHz."""
    rng = np.random.default_rng(0)
    return [(0.1 * rng.normal(size=sizes.file_samples)).astype(np.float32) for _ in range(sizes.files)]


def _relative(a: Tensor, b: Tensor) -> float:
    return number(((a - b).abs().max() / b.abs().max()).item())


ROWS = [
    Row("dsae_step", "DSAE step, batch 256", "LSTMCell and RNNCell in a Python loop over time",
        dsae_step, "loss and gradients of one batch, in float64", 1e-9, bar=0.9),
    Row("features_segment", "log spectra of 3 min, segments of 200 ms", "librosa-style STFT, segment after segment",
        features_by_segment, "magnitudes, float32", 1e-4, bar=6, stretch=12),
    Row("features_file", "log spectra of 3 min, whole files", "librosa-style STFT, file after file",
        features_by_file, "magnitudes, float32", 1e-4, bar=1.5, stretch=3),
]  # fmt: skip
