"""``compute.graph``: replays of a captured step are the steps themselves, shown on a CPU by ``tape.OnTape``."""

import gc
import weakref

import pytest
import torch
from tape import OnTape
from test_meta_step import CASES, KINDS, OBJECTIVES, image, speech
from test_resume import StopAt, make_job, same_bits

from cmivae.errors import Preempted, UserError
from cmivae.evaluation import posthoc
from cmivae.study import params as study
from cmivae.training import loop
from cmivae.training.build import build_critic, build_critics, build_model, build_objective
from cmivae.training.critics import build_contender
from cmivae.training.devices import generator
from cmivae.training.graph import WARM, Graphed, launcher, one_by_one
from cmivae.training.items import Images, Segments
from cmivae.training.loop import Job, Trainer

CPU, NAMES = torch.device("cpu"), ("plain", "graph")


@pytest.fixture
def tapes(monkeypatch):
    """Captured steps of all trainings on a CPU; each has its recorder here."""
    made = []

    def on_tape(generators, device, wanted, what):
        if not wanted:
            return one_by_one
        made.append(OnTape())
        return Graphed(generators, made[-1])

    monkeypatch.setattr(loop, "launcher", on_tape)
    monkeypatch.setattr(posthoc, "launcher", on_tape)
    return made


def job_of(kind, folder, objective, captured, device=CPU, random=False, **settings):
    settings = {"epochs": 2, "valid_every": 1, "lr": 1e-3} | settings
    dataset, _ = KINDS[kind](CPU, **settings)
    gamma, own = OBJECTIVES[objective]
    target = build_objective(study.Config(dataset="x", objective=objective, gamma=gamma, **own))
    model, drawn = build_model(dataset, 0, device), torch.Generator().manual_seed(3)
    if kind == "image":
        items = Images((torch.rand(40, 28, 28, generator=drawn) < 0.15).to(torch.uint8).to(device))
    else:
        frames, spans = torch.rand(10 * 85, 201, generator=drawn), torch.tensor([[85 * u, 85] for u in range(10)])
        starts = torch.cat([first + torch.arange(0, 80, 20) for first in spans[:, 0]])  # 4 segments an utterance
        items = Segments(frames.to(device), starts, 20, device, spans if random else None)
    critics = build_critics(dataset, target, model, 0, device)
    return Job("test", model, target, critics, dataset.train, items, items, 0, device, folder, graph=captured)


@pytest.mark.parametrize(("objective", "settings"), CASES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_replays_are_the_steps_bit_for_bit(tmp_path, tapes, kind, objective, settings):
    plain = Trainer(job_of(kind, tmp_path / "plain", objective, False, **settings)).run()
    trainer = Trainer(job_of(kind, tmp_path / "graph", objective, True, **settings))
    found = trainer.run()
    (recorder,) = tapes
    assert (recorder.warmed, recorder.tapes[0].replays, len(recorder.tapes)) == (WARM, 20 - WARM, 1)
    same_bits(plain.weights, found.weights)
    assert (plain.epoch, plain.value, plain.failure) == (found.epoch, found.value, None)
    assert int(trainer.clock) == 20 == trainer.step
    assert (tmp_path / "plain/curve.jsonl").read_bytes() == (tmp_path / "graph/curve.jsonl").read_bytes()


@pytest.mark.parametrize("d_batch", ["same", "fresh"])
def test_random_segments_of_an_epoch_reach_the_replays(tmp_path, tapes, d_batch):
    """What an epoch draws anew lies where the graph reads it."""
    runs = [
        Trainer(job_of("speech", tmp_path / name, "cmi", name == "graph", random=True, d_batch=d_batch, epochs=3)).run()
        for name in NAMES
    ]
    same_bits(*(run.weights for run in runs))
    fixed = Trainer(job_of("speech", tmp_path / "fixed", "cmi", False, d_batch=d_batch, epochs=3)).run()
    assert not torch.equal(fixed.weights["vae"]["z_out.weight"], runs[0].weights["vae"]["z_out.weight"])


def test_feedback_of_s_is_captured_too(tmp_path, tapes, monkeypatch):
    monkeypatch.setitem(KINDS, "ar", lambda *args, **settings: speech(*args, q_s="ar", **settings))
    plain = Trainer(job_of("ar", tmp_path / "plain", "cmi", False)).run()
    same_bits(plain.weights, Trainer(job_of("ar", tmp_path / "graph", "cmi", True)).run().weights)


@pytest.mark.parametrize("kind", KINDS)
def test_bf16_too(tmp_path, tapes, kind):
    jobs = [job_of(kind, tmp_path / name, "cmi", name == "graph", precision="bf16") for name in NAMES]
    same_bits(*(Trainer(job).run().weights for job in jobs))
    assert tapes[0].tapes[0].replays > 0


def test_spectral_normalisation_too(tmp_path, tapes):
    jobs = [make_job(tmp_path / name, spectral_norm=True) for name in NAMES]
    jobs[1].graph = True
    same_bits(*(Trainer(job).run().weights for job in jobs))
    assert tapes[0].tapes[0].replays > 0


def test_a_stopped_run_goes_on_with_a_new_graph_or_without_one(tmp_path, tapes):
    whole = Trainer(make_job(tmp_path / "whole")).run()
    for stop, captured in ((4, True), (1, False)):
        job = make_job(tmp_path / "cut", stop=StopAt(stop))
        job.graph = captured
        with pytest.raises(Preempted):
            Trainer(job).run()
    last = make_job(tmp_path / "cut")
    last.graph = True
    same_bits(whole.weights, Trainer(last).run().weights)
    assert len(tapes) == 2
    assert (tmp_path / "whole/curve.jsonl").read_bytes() == (tmp_path / "cut/curve.jsonl").read_bytes()


def test_the_step_that_went_wrong_is_named_from_within_a_replay(tmp_path, tapes):
    job = job_of("image", tmp_path, "cmi", True, epochs=3000)
    trainer = Trainer(job)
    for step in range(1, 9):
        trainer.launch(trainer.update, job.train[slice(0, 4)])
        if step == 6:
            with torch.no_grad():
                next(job.model.parameters()).fill_(float("nan"))
    assert tapes[0].tapes[0].replays == 8 - WARM
    with pytest.raises(loop.Diverged, match="at step 7"):
        trainer._check()


def posthoc_of(device, captured):
    """Weights of two critics after three epochs."""
    dataset, _ = image(CPU, epochs=1)
    drawn = torch.Generator().manual_seed(3)
    items = Images((torch.rand(60, 28, 28, generator=drawn) < 0.15).to(torch.uint8).to(device))
    model = build_model(dataset, 0, device).eval()
    contenders = [
        build_contender("estimator", build_critic("estimator", dataset.critic, model, device, init),
                        study.Train(epochs=1), generator(device, init))
        for init in range(2)
    ]  # fmt: skip
    best = posthoc.train_posthoc(
        model, contenders, study.Posthoc(epochs=3), train=items, valid=items, batch_size=10, seed=1, name="t",
        graph=captured,
    )  # fmt: skip
    assert len({each.loss for each in best}) == 2
    return {str(number): each.weights for number, each in enumerate(best)}


def test_posthoc_critics_are_the_same_over_epochs(tapes):
    same_bits(posthoc_of(CPU, False), posthoc_of(CPU, True))
    assert tapes[0].tapes[0].replays == 18 - WARM


def test_what_hangs_on_python_is_found(tmp_path, tapes):
    """The tape is no use if it does not tell: a count that Python keeps stands still in replays."""
    job = job_of("image", tmp_path, "beta", True, epochs=3000)
    trainer, counted = Trainer(job), torch.zeros(())

    def step(x):
        trainer.step += 1
        counted.fill_(trainer.step)
        trainer.update(x)

    for _ in range(8):
        trainer.launch(step, job.train[slice(0, 4)])
    assert counted == trainer.step == WARM + 1
    assert trainer.clock == 8


def test_a_trainer_is_gone_when_nobody_holds_it(tmp_path, tapes):
    """So that a graph with the memory of all activations goes with it, and not in the capture of another."""
    job = job_of("image", tmp_path, "beta", True, epochs=3000)
    trainer = Trainer(job)
    for _ in range(WARM + 1):
        trainer.launch(trainer.update, job.train[slice(0, 4)])
    tapes.clear()
    gone = weakref.ref(trainer)
    gc.disable()
    try:
        del trainer
        assert gone() is None
    finally:
        gc.enable()


def by_hand(folder, generators=None):
    """A trainer, and what captures its steps."""
    trainer = Trainer(job_of("image", folder, "beta", False, epochs=3000))
    known = [trainer.noise, trainer.contenders["estimator"].generator] if generators is None else generators
    launch = Graphed(known, OnTape())
    for _ in range(WARM):
        launch(trainer.update, trainer.job.train[slice(0, 4)])
    return trainer, launch


def test_a_step_that_cannot_be_captured_says_so_and_what_to_do(tmp_path):
    trainer, launch = by_hand(tmp_path, generators=[])
    with pytest.raises(UserError, match="cannot be captured") as caught:
        launch(trainer.update, trainer.job.train[slice(0, 4)])
    assert "generator" in caught.value.why
    assert "compute.graph to false" in caught.value.fix


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("no room"), UserError("another mistake"), ValueError("a fault")]
)
def test_other_errors_of_a_step_stay_what_they_are(tmp_path, error):
    """Also when the capture then ends with an error of its own, as that of CUDA does."""
    _, launch = by_hand(tmp_path)
    capture = launch.recorder.capture

    def ends_badly(act, generators):
        try:
            return capture(act, generators)
        except Exception:
            raise RuntimeError("capture ended in a bad state") from None

    def step(x):
        raise error

    launch.recorder.capture = ends_badly
    with pytest.raises(type(error)) as caught:
        launch(step, torch.zeros(4, 1, 28, 28))
    assert caught.value is error


@pytest.mark.parametrize("size", [1, 3])
def test_a_batch_of_another_size_is_refused(tmp_path, size):
    trainer, launch = by_hand(tmp_path)
    launch(trainer.update, trainer.job.train[slice(0, 4)])
    with pytest.raises(ValueError, match=r"batches \(4, 1, 28, 28\)"):
        launch(trainer.update, trainer.job.train[slice(0, size)])


def test_data_that_do_not_fit_on_the_device_and_fresh_batches_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Images, "place", torch.device("cuda"))  # elsewhere than the CPU's trainer
    Trainer(job_of("image", tmp_path, "cmi", True))
    Trainer(job_of("image", tmp_path, "cmi", False, d_batch="fresh"))
    with pytest.raises(UserError, match="do not fit on the device"):
        Trainer(job_of("image", tmp_path, "cmi", True, d_batch="fresh"))


def test_on_a_cpu_it_says_that_it_does_nothing(caplog):
    caplog.set_level("INFO", logger="cmivae")
    assert launcher([], CPU, False, "train x") is one_by_one
    assert not caplog.messages
    assert launcher([], CPU, True, "train x") is one_by_one
    assert caplog.messages == ["train x: compute.graph is for CUDA devices; on this cpu steps run as ever"]


on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
ON_GPU = [(kind, settings) for kind in KINDS for settings in ({}, {"d_batch": "fresh"}, {"precision": "bf16"})]
ON_GPU.append(("speech", {"d_batch": "fresh", "random": True}))


@on_a_gpu
@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize(("kind", "settings"), ON_GPU, ids=str)
def test_on_a_gpu_graphs_give_the_bits_of_single_launches(tmp_path, kind, settings):
    cuda = torch.device("cuda")
    trainers = [Trainer(job_of(kind, tmp_path / name, "cmi", name == "graph", cuda, **settings)) for name in NAMES]
    assert [isinstance(trainer.launch, Graphed) for trainer in trainers] == [False, True]
    same_bits(*(trainer.run().weights for trainer in trainers))
    assert (tmp_path / "plain/curve.jsonl").read_bytes() == (tmp_path / "graph/curve.jsonl").read_bytes()


@on_a_gpu
@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("kind", KINDS)
def test_on_a_gpu_a_stopped_run_goes_on_with_the_same_bits(tmp_path, kind):
    cuda = torch.device("cuda")
    whole = Trainer(job_of(kind, tmp_path / "whole", "cmi", True, cuda)).run()
    job = job_of(kind, tmp_path / "cut", "cmi", True, cuda)
    job.stop = StopAt(8)
    with pytest.raises(Preempted):
        Trainer(job).run()
    same_bits(whole.weights, Trainer(job_of(kind, tmp_path / "cut", "cmi", True, cuda)).run().weights)


@on_a_gpu
@pytest.mark.usefixtures("kernels")
def test_on_a_gpu_posthoc_critics_are_the_same():
    cuda = torch.device("cuda")
    same_bits(posthoc_of(cuda, False), posthoc_of(cuda, True))


@on_a_gpu
@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the compiler warns of itself
@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("kind", KINDS)
def test_on_a_gpu_compiled_steps_can_be_captured(tmp_path, kind):
    cuda, curves = torch.device("cuda"), []
    for name in NAMES:
        torch._dynamo.reset()
        Trainer(job_of(kind, tmp_path / name, "cmi", name == "graph", cuda, compile=True)).run()
        curves.append((tmp_path / name / "curve.jsonl").read_text())
    assert curves[0] == curves[1]
