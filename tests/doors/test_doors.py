"""The two doors agree, and both know what is stale: in a real repository with real, very small runs.

The tests of the class go on from each other, as a user's work does; each says what must have been made by then.
"""

import json
import os
import random
import shutil

import pytest
from workspace import Workspace

RUNS = ["digits-cmi-g030/s0", "digits-vanilla/s0", "voices-cmi-g080/s0"]  # of images and of speech
STAGES = ("embed", "evaluate", "train")
RESULTS = ["results/figures", "results/report", "results/tables"]
SHOWN = sorted(
    [f"figures/{name}.{suffix}" for name in ("X3", "X5") for suffix in ("csv", "pdf", "png")]
    + [f"figures/X6/voices-cmi-g080-s0/sheet.{suffix}" for suffix in ("csv", "pdf", "png")]
    + [f"figures/X6/voices-cmi-g080-s0/pair1-{voice}.wav"
       for voice in ("source", "target", "converted", "reconstruction")]
    + ["figures/X6/index.html", "figures/X6/voices-cmi-g080-s0/index.html", "report/report.html", "tables/cells.jsonl"]
    + [f"tables/{name}.{suffix}" for name in ("X1", "X4") for suffix in ("csv", "md", "tex")]
)  # fmt: skip


def everything(runs):
    of_runs = [f"runs/{stage}/{run}" for stage in STAGES for run in runs]
    of_data = [f"{stage}/{name}" for stage in ("data/prepared", "data/raw", "runs/baseline")
               for name in ("digits", "voices")]  # fmt: skip
    return sorted([*of_data, *RESULTS, *of_runs])


@pytest.fixture(scope="module")
def space(tmp_path_factory) -> Workspace:
    return Workspace.create(tmp_path_factory.mktemp("a folder with spaces") / "work space")


def dvc_did_nothing(space):
    output = space.run("dvc", "repro").stdout
    return "Running stage" not in output and "up to date" in output


@pytest.mark.timeout(900)
class TestDoors:
    def test_dvc_builds_everything_and_then_both_doors_rest(self, space):
        assert sorted(space.made(lambda: space.run("dvc", "repro"))) == everything(RUNS)
        assert space.planned() == {}
        assert "up to date" in space.run("dvc", "status").stdout
        assert dvc_did_nothing(space)
        assert sorted(name for name in space.tables() if "/dvc/" not in f"/{name}") == SHOWN
        records = [json.loads((space.folder / name / "run.json").read_text()) for name in everything(RUNS)]
        assert [each["folder"] for each in records if each["imported_beyond_spec"]] == []
        space.run("dvc", "remote", "add", "--quiet", "--default", "store", str(space.folder.parent / "store"))
        space.run("dvc", "push")
        space.commit("built")

    def test_a_fresh_clone_after_pull_plans_nothing_and_sees_a_changed_param(self, space, tmp_path):
        clone = space.clone(tmp_path / "clone")
        clone.run("dvc", "pull")
        times = random.Random(0)
        for path in (clone.folder / "runs").rglob("*"):
            if path.is_file():
                os.utime(path, (when := times.randrange(10**9, 2 * 10**9), when))  # some of them in the future
        assert clone.planned() == {}
        assert "up to date" in clone.run("dvc", "status").stdout
        clone.edit("params.yaml", "lr: 0.003", "lr: 0.004")
        assert clone.planned() == {"train": 2, "embed": 2, "evaluate": 2, "tables": 1, "figures": 1, "report": 1}
        clone.edit("params.yaml", "lr: 0.004", "lr: 0.003")
        assert clone.planned() == {}
        clone.edit("params.yaml", "cmi-g030", "cmi-g040")
        clone.edit("params.yaml", "gamma: 0.3", "gamma: 0.4")
        assert clone.planned() == {"train": 1, "embed": 1, "evaluate": 1, "tables": 1, "figures": 1, "report": 1}
        clone.edit("params.yaml", "seconds: 0.6", "seconds: 0.7")  # of speech alone
        assert clone.planned() == {
            "fetch": 1, "prepare": 1, "baseline": 1, "train": 2, "embed": 2, "evaluate": 2,
            "tables": 1, "figures": 1, "report": 1,
        }  # fmt: skip

    def test_audit_and_verify_work_in_a_fresh_clone(self, space, tmp_path):
        clone = space.clone(tmp_path / "clone")
        clone.run("dvc", "pull")
        facts = json.loads(clone.run("cmivae", "audit", "x4.cmi.g0.3.aolr", "--json").stdout)
        assert facts["stale"] == {}
        assert facts["code"]["changed_since"] == []
        head = space.git("log", "-1", "--format=%h", "--", "dvc.lock").strip()
        assert {(each["agrees"], each["commit"]) for each in facts["dvc"]} == {(True, head)}
        assert "All holds." in clone.run("cmivae", "verify").stdout
        metrics = clone.folder / "runs/evaluate/digits-cmi-g030/s0/metrics.json"
        metrics.write_bytes(metrics.read_bytes().replace(b"0.", b"1.", 1))
        facts = json.loads(clone.run("cmivae", "audit", "x4.cmi.g0.3.aolr", "--json").stdout)
        assert [each["stage"] for each in facts["dvc"] if not each["agrees"]] == ["evaluate"]
        refused = clone.run("cmivae", "verify", ok=False)
        assert refused.returncode == 2
        assert "FAILED at L1: runs/evaluate/digits-cmi-g030/s0/metrics.json" in refused.stdout

    def test_dvc_shows_params_metrics_and_plots(self, space):
        shown = json.loads(space.run("dvc", "metrics", "show", "--json").stdout)[""]["data"]
        row = shown["results/tables/dvc/metrics/X4/cmi-0.3.json"]["data"]
        cells = (space.folder / "results/tables/cells.jsonl").read_text().splitlines()
        values = {cell["address"]: cell["value"] for cell in map(json.loads, cells)}
        assert row == {key.rpartition("].")[2]: value for key, value in values.items()
                       if key.startswith("X4[cmi,0.3]") and value is not None}  # fmt: skip
        assert not any("run.json" in name for name in shown)
        plots = space.run("dvc", "plots", "show", "--json").stdout
        assert "results/tables/dvc/plots/X4/aolr.csv" in plots
        assert space.run("dvc", "params", "diff").stdout == ""
        space.edit("params.yaml", "lr: 0.003", "lr: 0.004")
        changed = json.loads(space.run("dvc", "params", "diff", "--json").stdout)
        space.edit("params.yaml", "lr: 0.004", "lr: 0.003")
        assert set(changed["params.yaml"]) == {"datasets.digits.train.lr"}
        assert changed["params.yaml"]["datasets.digits.train.lr"]["new"] == 0.004

    def test_snakemake_gives_the_same_bytes_and_record_lets_dvc_rest(self, space):
        before, lock = space.tables(), (space.folder / "dvc.lock").read_text()
        for name in ("runs", "results", ".snakemake", ".cmivae"):
            shutil.rmtree(space.folder / name)
        (space.folder / "dvc.lock").unlink()
        made = space.made(lambda: space.snakemake())
        assert sorted(made) == [name for name in everything(RUNS) if not name.startswith("data/")]
        after = space.tables()
        page, old = after.pop("report/report.html"), before.pop("report/report.html")
        assert after == before
        assert page != old  # it tells when the runs were made, and how long they took
        shutil.rmtree(space.folder / "results/report")
        assert space.made(lambda: space.run("dvc", "repro", "--force", "--single-item", "report")) == ["results/report"]
        assert space.tables()["report/report.html"] == page  # the other door, the same records: the same bytes
        assert "recorded" in space.run("cmivae", "record").stderr
        assert (space.folder / "dvc.lock").read_text().count("cmd:") == lock.count("cmd:")
        assert dvc_did_nothing(space)
        assert space.planned() == {}
        space.commit("built by the other door")

    def test_snakemake_reports_tables_figures_and_the_page(self, space):
        target = space.folder.parent / "report.html"
        shown = space.snakemake("--report", str(target)).stderr
        for name in ("X1.csv", "X4.csv", "X3.png", "X5.png", "report.html"):
            assert f"Adding {name}" in shown
        text = target.read_text()
        for category in ("Tables", "Figures", "Report"):
            assert f'"{category}"' in text
        assert "two small runs for the tests of the doors" in text  # the note is in every caption

    def test_a_plot_param_remakes_figures_only(self, space):
        space.edit("params.yaml", "dpi: 60", "dpi: 70")
        assert space.made(lambda: space.run("dvc", "repro")) == ["results/figures", "results/report"]

    def test_a_seed_more_trains_only_the_new_runs(self, space):
        space.edit("params.yaml", "seeds: [0]", "seeds: [0, 1]")
        new = [run.replace("/s0", "/s1") for run in RUNS]
        made = space.made(lambda: space.run("dvc", "repro"))
        assert sorted(made) == sorted([*RESULTS, *(f"runs/{stage}/{run}" for stage in STAGES for run in new)])
        assert dvc_did_nothing(space)
        space.edit("params.yaml", "seeds: [0, 1]", "seeds: [0]")
        assert space.planned() == {"tables": 1, "figures": 1, "report": 1}
        space.snakemake()
        refused = space.run("cmivae", "record", ok=False)
        assert "belongs to no run of the study" in refused.stderr
        for stage in STAGES:
            for run in new:
                shutil.rmtree(space.folder / "runs" / stage / run)
        space.run("cmivae", "record")

    def test_a_missing_intermediate_alone_is_made_again(self, space):
        shutil.rmtree(space.folder / "runs/embed/digits-vanilla/s0")
        assert space.made(lambda: space.snakemake()) == ["runs/embed/digits-vanilla/s0"]
        space.run("cmivae", "record")

    @pytest.mark.parametrize(
        ("lost", "made"),
        [
            (["runs/train/digits-vanilla/s0/model.safetensors"], ["runs/train/digits-vanilla/s0"]),
            (["data/prepared/digits", "data/raw/voices/TIMIT"], ["data/prepared/digits", "data/raw/voices"]),
        ],
        ids=["weights", "data"],
    )
    def test_what_is_lost_is_made_again_and_nothing_that_it_finds_unchanged(self, space, lost, made):
        for path in (space.folder / name for name in lost):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        assert space.made(lambda: space.snakemake()) == made  # the same bytes as before: what is below is current
        assert space.planned() == {}
        space.run("cmivae", "record")

    def test_a_comment_changes_nothing_and_code_does(self, space):
        model = "src/cmivae/models/pixelcnn_vae.py"
        space.edit(model, "import torch\n", "import torch  # the same\n\n\n# and a remark\n")
        assert space.planned() == {}
        assert space.made(lambda: space.run("dvc", "repro")) == []
        space.edit(model, "SKIP = 3", "SKIP = 3 + 0")
        assert space.planned() == {"train": 2, "embed": 2, "evaluate": 2, "tables": 1, "figures": 1, "report": 1}
        refused = space.run("cmivae", "embed", "digits-vanilla", "0", ok=False)
        assert refused.returncode == 2
        assert "STALE runs/train/digits-vanilla/s0: made with other code: cmivae.models.pixelcnn_vae" in refused.stderr
        assert "Traceback" not in refused.stderr
        space.edit(model, "SKIP = 3 + 0", "SKIP = 3")

    @pytest.mark.parametrize(
        ("harm", "says"),
        [
            ("stale", "made with train.lr 0.003, params say 0.005"),
            ("half-written", "recorded"),
            ("edited", "is not what its run recorded"),
            ("no record", "no complete run.json"),
            ("stray file", "did not make"),
            ("edited record", "run.json was edited after it was written"),
            ("edited table", "results/tables/X4.md"),
            ("half-written weights", "model.safetensors has"),
            ("lost embedding", "latents.safetensors is missing"),
        ],
    )
    def test_record_refuses(self, space, harm, says):
        lock = (space.folder / "dvc.lock").read_bytes()
        metrics = space.folder / "runs/evaluate/digits-vanilla/s0/metrics.json"
        record = metrics.with_name("run.json")
        table, weights, latents = (
            space.folder / name
            for name in (
                "results/tables/X4.md",
                "runs/train/digits-vanilla/s0/model.safetensors",
                "runs/embed/digits-vanilla/s0/latents.safetensors",
            )
        )
        files = (metrics, record, table, weights, latents, space.folder / "params.yaml")
        kept = {path: path.read_bytes() for path in files}
        if harm == "stale":
            space.edit("params.yaml", "lr: 0.003", "lr: 0.005")
        elif harm == "half-written":
            metrics.write_bytes(kept[metrics][: len(kept[metrics]) // 2])
        elif harm == "edited":
            digit = kept[metrics].index(b'"kl_z": ') + len(b'"kl_z": ')
            edited = bytearray(kept[metrics])
            edited[digit] = ord("9") if edited[digit] != ord("9") else ord("8")  # as long as before
            metrics.write_bytes(edited)
        elif harm == "no record":
            record.write_bytes(kept[record][:100])
        elif harm == "edited record":
            record.write_bytes(kept[record].replace(b'"c": 1.0', b'"c": 2.0'))
        elif harm == "edited table":
            table.write_bytes(kept[table].replace(b"0.", b"1.", 1))
        elif harm == "half-written weights":
            weights.write_bytes(kept[weights][: len(kept[weights]) // 2])
        elif harm == "lost embedding":
            latents.unlink()
        else:
            metrics.with_name("notes.txt").write_text("mine")
        refused = space.run("cmivae", "record", ok=False)
        assert refused.returncode == 2
        assert says in refused.stderr
        assert "Traceback" not in refused.stderr
        assert (space.folder / "dvc.lock").read_bytes() == lock
        for path, content in kept.items():
            path.write_bytes(content)
        metrics.with_name("notes.txt").unlink(missing_ok=True)

    def test_a_params_mistake_stops_snakemake_before_any_job(self, space):
        space.edit("params.yaml", "epochs: 1, batch_size", "epoch: 1, batch_size")
        done = space.snakemake(ok=False)
        assert done.returncode == 2
        assert "params.yaml:datasets.digits.train.epoch" in done.stderr
        assert "did you mean 'epochs'?" in done.stderr
        assert "Traceback" not in done.stderr
        space.edit("params.yaml", "epoch: 1, batch_size", "epochs: 1, batch_size")

    def test_at_the_end_nothing_is_left_to_do(self, space):
        space.run("cmivae", "record")
        assert space.planned() == {}
        assert dvc_did_nothing(space)
