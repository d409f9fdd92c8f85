"""A training step waits for no value and moves nothing between host and device: shown on ``meta``, without a GPU.

A tensor on ``meta`` has no values: ``item``, ``bool``, ``tolist``, ``nonzero`` and copies to the host raise. What would
pass (a CPU tensor as an index or a factor, which CUDA copies over behind the scenes) ``OneDevice`` finds.
"""

import pytest
import torch
from tape import WAITS
from torch.optim import optimizer
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cmivae.study import params as study
from cmivae.training import loop
from cmivae.training.build import build_critics, build_model, build_objective
from cmivae.training.items import Images, Segments
from cmivae.training.loop import CUDA_CHECK, Job, Trainer

META = torch.device("meta")
OBJECTIVES = {
    "vanilla": (0.0, {}), "beta": (0.3, {}), "mi": (0.3, {}), "cmi": (0.3, {}), "cmi-alpha": (0.3, {"alpha": 2.0}),
    "cmi-split": (0.3, {"weight_zs": 0.5}), "mi-mmd": (0.3, {"mmd_weight": 1.0}), "cmi-mmd": (0.3, {"mmd_weight": 1.0}),
}  # fmt: skip


class MetaGenerator(torch.Generator):
    """Kernels of ``meta`` draw nothing; this says of itself that it is there, as one of CUDA says ``cuda``."""

    device = META


class OneDevice(TorchDispatchMode):
    """Refuses operations that touch a tensor which is not on ``meta``, and those that would wait for a value."""

    def __init__(self):
        super().__init__()
        self.seen = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen += 1
        assert func.overloadpacket.__name__ not in WAITS, f"{func} waits for the device"
        found = func(*args, **kwargs or {})
        away = [t for t in tree_leaves((args, kwargs, found)) if isinstance(t, torch.Tensor) and t.device != META]
        assert not away, f"{func} works on a tensor of {tuple(away[0].shape)} that lies on {away[0].device}"
        return found


@pytest.fixture
def on_meta(monkeypatch):
    """Generators and the fused Adam of a GPU, stood in for."""
    monkeypatch.setattr(
        loop, "generator", lambda device, *key: MetaGenerator() if device == META else torch.Generator()
    )
    fused = optimizer._get_fused_kernels_supported_devices
    monkeypatch.setattr(optimizer, "_get_fused_kernels_supported_devices", lambda: [*fused(), "meta"])


def image(device=META, **train):
    model = study.PixelCnnVae(
        name="pixelcnn_vae", channels=8, encoder_channels=4, encoder_out=8, kernels=(5, 3, 3), cut=1
    )
    dataset = study.ImageDataset(
        reader="digits", data=study.ImageData(), model=model, critic=study.Critic(channels=8, hidden=8),
        train=study.Train(batch_size=4, **train), embed=study.Embed(), evaluate=study.Evaluate(),
    )  # fmt: skip
    return dataset, Images(torch.zeros(200, 28, 28, dtype=torch.uint8, device=device))


def speech(device=META, q_s="rnn", **train):
    dataset = study.SpeechDataset(
        reader="synth", data=study.SpeechData(), model=study.Dsae(name="dsae", z_dim=4, s_dim=4, hidden=8, q_s=q_s),
        critic=study.SpeechCritic(channels=8, hidden=8), train=study.SpeechTrain(batch_size=4, **train),
        embed=study.SpeechEmbed(), evaluate=study.SpeechEvaluate(),
    )  # fmt: skip
    frames = torch.rand(200 * 20, 201, device=device)
    return dataset, Segments(frames, torch.arange(0, len(frames), 20), 20, device)


def trainer_of(made, folder, objective="cmi", device=META) -> Trainer:
    (dataset, items), (gamma, own) = made, OBJECTIVES[objective]
    target = build_objective(study.Config(dataset="x", objective=objective, gamma=gamma, **own))
    model = build_model(dataset, 0, device)
    critics = build_critics(dataset, target, model, 0, device)
    trainer = Trainer(Job("meta", model, target, critics, dataset.train, items, items, 0, device, folder))
    trainer._order(0)  # once an epoch, on the host
    return trainer


class Quiet:
    """No progress bar."""

    bar = None

    def step(self):
        pass


KINDS = {"image": image, "speech": speech}
CASES = [(objective, {}) for objective in OBJECTIVES] + [
    ("cmi", {"d_batch": "fresh"}), ("mi", {"d_batch": "fresh"}), ("beta", {"online_estimator": False, "clip": 0.0}),
]  # fmt: skip


@pytest.mark.usefixtures("on_meta")
@pytest.mark.parametrize(("objective", "settings"), CASES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_stays_on_the_device(tmp_path, kind, objective, settings):
    trainer = trainer_of(KINDS[kind](epochs=3000, **settings), tmp_path, objective)
    with OneDevice() as ops:
        for _ in range(2):  # the second has the optimisers' state
            trainer._advance(Quiet())
    assert ops.seen > 500


@pytest.mark.usefixtures("on_meta")
def test_feedback_of_s_stays_on_the_device_too(tmp_path):
    trainer = trainer_of(speech(q_s="ar", epochs=3000), tmp_path)
    with OneDevice():
        trainer._advance(Quiet())


@pytest.mark.usefixtures("on_meta")
@pytest.mark.parametrize("kind", KINDS)
def test_the_loop_looks_at_the_device_each_25_steps_and_not_before(tmp_path, kind, monkeypatch):
    assert CUDA_CHECK == 25
    monkeypatch.setattr(loop, "CUDA_CHECK", 5)  # the same in less time
    trainer = trainer_of(KINDS[kind](epochs=3000), tmp_path)  # so many that an epoch writes one line, at its end
    with OneDevice():
        for _ in range(4):
            trainer._advance(Quiet())
        with pytest.raises((RuntimeError, AssertionError), match=r"meta|waits"):
            trainer._advance(Quiet())


@pytest.mark.usefixtures("on_meta")
def test_a_value_that_is_asked_for_is_found(tmp_path, monkeypatch):
    trainer, clip = trainer_of(image(epochs=3000), tmp_path), torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *a, **k: clip(*a, **k, error_if_nonfinite=True))
    with OneDevice(), pytest.raises((RuntimeError, AssertionError), match=r"meta|waits"):
        trainer._advance(Quiet())


@pytest.mark.usefixtures("on_meta")
def test_a_tensor_left_on_the_host_is_found(tmp_path):
    trainer = trainer_of(image(epochs=3000), tmp_path)
    trainer._indices = torch.arange(200)  # indexing with it works, and would copy it over in each step
    with OneDevice(), pytest.raises(AssertionError, match="lies on cpu"):
        trainer._advance(Quiet())


@pytest.mark.usefixtures("kernels")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: waits inside of kernels are not looked for")
@pytest.mark.parametrize(("objective", "settings"), [*CASES, ("cmi", {"precision": "bf16"})], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_on_a_gpu_no_step_waits(tmp_path, kind, objective, settings):
    """The same of the kernels themselves, with the flags of a training; ``meta`` cannot see a wait inside of one."""
    device = torch.device("cuda")
    trainer = trainer_of(KINDS[kind](device, epochs=3000, **settings), tmp_path, objective, device)
    for _ in range(2):  # libraries set themselves up
        trainer._advance(Quiet())
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(5):
            trainer._advance(Quiet())
    finally:
        torch.cuda.set_sync_debug_mode("default")
    trainer._check()
