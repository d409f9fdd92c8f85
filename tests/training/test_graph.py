"""``compute.graph``: replays of a captured step are the steps themselves, shown on a CPU by ``tape.OnTape``."""

import json

import pytest
import torch
from tape import OnTape
from test_meta_step import CASES, KINDS, OBJECTIVES, image, speech
from test_resume import StopAt, make_job, same_bits

from cmivae.errors import Preempted, UserError
from cmivae.evaluation import posthoc
from cmivae.study import params as study
from cmivae.training import graph, loop
from cmivae.training.build import build_critic, build_critics, build_model, build_objective
from cmivae.training.critics import build_contender
from cmivae.training.devices import generator
from cmivae.training.graph import WARM, GraphedStep, stepper
from cmivae.training.items import Images, Segments
from cmivae.training.loop import Job, Trainer

CPU = torch.device("cpu")


@pytest.fixture
def tapes(monkeypatch):
    """Captured steps of all trainings on a CPU; each has its recorder here."""
    made = []

    def on_tape(step, generators, device, wanted, what):
        if not wanted:
            return step
        made.append(OnTape())
        return GraphedStep(step, generators, made[-1])

    monkeypatch.setattr(loop, "stepper", on_tape)
    monkeypatch.setattr(posthoc, "stepper", on_tape)
    return made


def job_of(kind, folder, objective, captured, **settings):
    settings = {"epochs": 2, "valid_every": 1, "lr": 1e-3} | settings
    dataset, _ = KINDS[kind](CPU, **settings)
    gamma, own = OBJECTIVES[objective]
    target = build_objective(study.Config(dataset="x", objective=objective, gamma=gamma, **own))
    model, drawn = build_model(dataset, 0, CPU), torch.Generator().manual_seed(3)
    if kind == "image":
        items = Images((torch.rand(40, 28, 28, generator=drawn) < 0.15).to(torch.uint8))
    else:
        items = Segments(torch.rand(40 * 20, 201, generator=drawn), torch.arange(0, 800, 20), 20, CPU)
    critics = build_critics(dataset, target, model, 0, CPU)
    return Job("test", model, target, critics, dataset.train, items, items, 0, CPU, folder, graph=captured)


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


def test_feedback_of_s_is_captured_too(tmp_path, tapes, monkeypatch):
    monkeypatch.setitem(KINDS, "ar", lambda *args, **settings: speech(*args, q_s="ar", **settings))
    plain = Trainer(job_of("ar", tmp_path / "plain", "cmi", False)).run()
    same_bits(plain.weights, Trainer(job_of("ar", tmp_path / "graph", "cmi", True)).run().weights)


@pytest.mark.parametrize("settings", [{"spectral_norm": True}, {"precision": "bf16"}], ids=str)
def test_other_networks_and_precisions_too(tmp_path, tapes, settings):
    jobs = [make_job(tmp_path / name, **settings) for name in ("plain", "graph")]
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
        trainer.launch(job.train[slice(0, 4)])
        if step == 6:
            with torch.no_grad():
                next(job.model.parameters()).fill_(float("nan"))
    assert tapes[0].tapes[0].replays == 8 - WARM
    with pytest.raises(loop.Diverged, match="at step 7"):
        trainer._check()


def test_posthoc_critics_are_the_same_over_epochs(tapes):
    found = []
    for captured in (False, True):
        dataset, _ = image(CPU, epochs=1)
        drawn = torch.Generator().manual_seed(3)
        items = Images((torch.rand(60, 28, 28, generator=drawn) < 0.15).to(torch.uint8))
        model = build_model(dataset, 0, CPU).eval()
        contenders = [
            build_contender("estimator", build_critic("estimator", dataset.critic, model, CPU, init),
                            study.Train(epochs=1), generator(CPU, init))
            for init in range(2)
        ]  # fmt: skip
        best = posthoc.train_posthoc(
            model, contenders, study.Posthoc(epochs=3), train=items, valid=items, batch_size=10, seed=1, name="t",
            graph=captured,
        )  # fmt: skip
        found.append({str(number): each.weights for number, each in enumerate(best)})
        assert len({each.loss for each in best}) == 2
    same_bits(*found)
    assert tapes[0].tapes[0].replays == 18 - WARM


def test_what_hangs_on_python_is_found(tmp_path, tapes):
    """The tape is no use if it does not tell: a count that Python keeps stands still in replays."""
    job = job_of("image", tmp_path, "beta", True, epochs=3000)
    trainer = Trainer(job)
    counted, plain = torch.zeros(()), trainer.launch.step

    def step(x):
        trainer.step += 1
        counted.fill_(trainer.step)
        plain(x)

    trainer.launch.step = step
    for _ in range(8):
        trainer.launch(job.train[slice(0, 4)])
    assert counted == trainer.step == WARM + 1
    assert trainer.clock == 8


class Unknown(GraphedStep):
    """Forgets to tell the graph of its generators."""

    def __init__(self, step, generators, recorder):
        super().__init__(step, [], recorder)


def test_a_step_that_cannot_be_captured_says_so_and_what_to_do(tmp_path):
    trainer = Trainer(job_of("image", tmp_path, "beta", False, epochs=3000))
    launch = Unknown(trainer.update, [trainer.noise], OnTape())
    for _ in range(WARM):
        launch(trainer.job.train[slice(0, 4)])
    with pytest.raises(UserError, match="cannot be captured") as caught:
        launch(trainer.job.train[slice(0, 4)])
    assert "Offset increment" in caught.value.why
    assert "compute.graph to false" in caught.value.fix


def test_a_batch_of_another_size_is_refused(tmp_path):
    trainer = Trainer(job_of("image", tmp_path, "beta", False, epochs=3000))
    launch = GraphedStep(trainer.update, [trainer.noise, trainer.contenders["estimator"].generator], OnTape())
    for _ in range(WARM + 1):
        launch(trainer.job.train[slice(0, 4)])
    with pytest.raises(RuntimeError, match="size"):
        launch(trainer.job.train[slice(0, 3)])


def test_on_a_cpu_it_says_that_it_does_nothing(caplog):
    caplog.set_level("INFO", logger="cmivae")
    act = print
    assert stepper(act, [], CPU, False) is act
    assert not caplog.messages
    assert stepper(act, [], CPU, True, "train x") is act
    assert caplog.messages == ["train x: compute.graph is for CUDA devices; on this cpu steps run as ever"]


def lines(folder):
    return [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]


@pytest.mark.usefixtures("kernels")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("settings", [{}, {"d_batch": "fresh"}, {"precision": "bf16"}], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_on_a_gpu_graphs_train_as_single_launches_do(tmp_path, kind, settings, compiled):
    cuda, curves = torch.device("cuda"), []
    for captured in (False, True):
        job = job_of(kind, tmp_path / str(captured), "cmi", captured, compile=compiled, **settings)
        job.device = cuda
        job.model.to(cuda)
        for critic in job.critics.values():
            critic.to(cuda)
        _, items = KINDS[kind](cuda, epochs=1)
        job.train = job.valid = items
        trainer = Trainer(job)
        assert isinstance(trainer.launch, GraphedStep) == captured
        trainer.run()
        curves.append(lines(tmp_path / str(captured)))
    assert isinstance(trainer.launch.recorder, graph.Cuda)
    for plain, other in zip(*curves, strict=True):
        assert other.pop("kind") == plain.pop("kind")
        assert other == pytest.approx(plain, rel=1e-3, abs=1e-2)
