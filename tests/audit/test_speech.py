"""The audit of speech: its tables, quoted rows, baselines, pages of voices, and audio that lies elsewhere."""

import json
import shutil

import pytest
import test_commands
from built import SPEECH, artefact_files, copy, overwrite, verified

from cmivae.audit import verdict
from cmivae.audit.book import Book
from cmivae.audit.export import export
from cmivae.cli import main
from cmivae.provenance.specs import Study
from cmivae.results.verdicts import WORDS
from cmivae.stages.runner import build
from cmivae.study.loading import load_params

say = test_commands.say
CELL, RUN = "X1[cmi,0.8].eer_z", "voices-cmi-g080/s0"
CORPUS, PREPARED = "data/raw/voices", "data/prepared/voices"


@pytest.fixture
def space(speech):
    return speech


@pytest.fixture
def other(speech, tmp_path):
    return copy(speech, tmp_path / "other")


def test_every_number_can_be_audited(say, speech):
    for cell in Book(speech).cells():
        found = json.loads(say("audit", cell.address, "--json"))
        assert (found["value"], found["aggregate"]) == (cell.value, cell.aggregate)
        assert len(found["runs"]) == cell.n
        assert found["stale"] == {}
    aggregates = {cell.aggregate for cell in Book(speech).cells()}
    assert aggregates == {"mean", "max", "quoted"}


def test_a_cell_of_speech_says_what_made_it(say):
    text = say("audit", "x1.cmi.g0.8.eer_z")
    assert text.startswith(f"{CELL} = ")
    for word in (
        "paper 3.99",
        "synthetic or reduced",
        "SYNTHETIC speech",
        "train.lr 0.002",
        "files more",
        "objective beta -> cmi",
    ):
        assert word in text
    assert "aggregate  max over 2 of 2 runs" in say("audit", "X2[cmi,0.8].vc_mcas_max")
    found = json.loads(say("audit", CELL, "--json"))
    assert any(name.endswith(".WAV") for each in found["data"] for name in each["files"])


@pytest.mark.parametrize("row", ["X1[quoted]", "X1[trivial]", "X1[trivial_centred]", "X2[real]", "X3[cmi,0.8]"])
def test_rows_of_speech(row, say):
    assert say("audit", row).startswith(f"{row}\n")


def test_a_quoted_number_says_that_it_is_not_ours(say):
    text = say("audit", "x1.quoted.eer_z")
    assert "= not ours " in text
    assert "paper 4.82" in text
    assert "none: this number is not made of runs" in text
    assert "All holds." in say("verify", "X1[quoted].eer_z")
    assert "current" in say("why", "X1[quoted]")


def test_points_are_of_the_table_that_the_figure_names(say):
    assert "drawn      value" in say("audit", "F4[cmi,0.8]")
    assert [each["cell"] for each in json.loads(say("audit", "f4.cmi.g0.8", "--json"))["drawn_from"]] == [
        "X3[cmi,0.8].i_zs", "X3[cmi,0.8].i_zs.se",
    ]  # fmt: skip
    assert "kl_z_se" in say("audit", "X7[cmi,0.8]")
    assert "X2[real].vc_mcas" in say("audit", "x7.real")


def test_voices_name_their_runs(say):
    text = say("audit", "X6[cmi,0.8]")
    assert text.startswith("X6[cmi,0.8]: voices of 2 runs")
    assert "results/figures/run.json" in text
    assert "cmivae verify x6.cmi.g0.8 --level L4" in text
    assert "All holds." in say("verify", "x6.cmi.g0.8")


def test_other_commands(say):
    assert "voices-cmi-g080/s0: current" in say("why", RUN)
    assert "paired t-test over 2 seeds" in say("diff", CELL, "X1[beta,0.8].eer_z")
    assert "no shared seeds" in say("diff", CELL, "X1[quoted].eer_z")
    assert "/core/elbo" in say("diff", RUN, "voices-cmi-g080/s1")
    assert "4 runs, 4 trained" in say("plan")
    assert "are current" in say("status")
    assert "ok       data voices" in say("doctor")


def test_doctor_says_how_speech_comes(say, other):
    shutil.rmtree(other / CORPUS)
    assert "cmivae fetch voices: it is computed" in say("doctor", at=other)


def test_all_of_speech_comes_out_again_to_the_last_bit(speech):
    report = verified(speech, "L5")
    assert report.findings == []
    assert all("exact" in done.tolerance for done in report.done if done.level > "L0")
    assert {done.level: done.count for done in report.done if done.level > "L2"} == {"L3": 6, "L4": 5, "L5": 4}


def test_a_claim_names_the_cells_that_it_rests_on(say, speech):
    text = say("audit", "claim:C1")
    for word in ("test workspace: not the paper's scale", CELL, "X1[beta,0.8].eer_z", "table1[cmi,0.4].eer_z", "4/4",
                 "audit      cmivae audit x1.cmi.g0.8.eer_z", "cmivae verify claim:C1"):  # fmt: skip
        assert word in text
    found = json.loads(say("audit", "claim:c1", "--json"))
    (pair,) = found["ours"]["parts"][0]["pairs"]
    cells = {cell.address: cell.value for cell in Book(speech).cells()}
    assert {side["address"]: side["value"] for side in (pair["ours"], pair["rival"])} == {
        address: cells[address] for address in (CELL, "X1[beta,0.8].eer_z")
    }
    assert found["ours"]["verdict"] == "not resolved"  # one gamma is no evidence
    assert found["caution"]
    assert "All holds." in say("verify", "claim:C1")
    assert "C4 was not run here" in say("verify", "claim:C4", code=2)


def test_the_ledger_of_claims(say, tmp_path, speech):
    found = json.loads(say("claims", "--json"))
    assert {each["claim"]: each["ours"]["verdict"] for each in found["claims"]} == {
        "C1": "not resolved", "C2": "not resolved", "C3": "not resolved", "C4": "not run", "C5": "not run",
        "C6": "not resolved", "C7": "not run",
    }  # fmt: skip
    text = say("claims")
    assert 'printed against "consistently better": not table4[cmi,0.1].aolr 0.7243 against 0.8161' in text
    assert "not table2[cmi,0.9].vc_mcas 87 against 87.2" in text
    assert "ours       not resolved (test workspace): EER(z) of cmi lower than beta" in text
    assert all(f"  {word:<16}{meaning}" in text for word, meaning in WORDS.items())
    assert max(map(len, text.splitlines())) < 160
    say("report", "--live", str(tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text()
    assert page.count("not resolved</span> <small>test</small>") == 8  # four claims, in the summary and by themselves
    (tmp_path / "params.yaml").write_text(SPEECH)  # nothing was made yet: the paper's evidence is told all the same
    assert "ours       not run" in say("claims", at=tmp_path)
    assert "no cell of this workspace" in say("audit", "claim:C7", at=tmp_path)


def test_objectives_are_compared_beside_the_paper(say, speech):
    text = say("compare")
    for word in (
        "test workspace: not the paper's scale",
        "EER(z), cmi against beta (the paper: lower): voices, table X1",
        "paper      as claimed at 4 of 4 γ (sign test p 0.12); told from chance at 0 after Holm",
        "at the same KL(z) -0.48 over KL(z) 18.0 to 361.0 nats, higher on 0% of it",
        "VC-mCAS (mean)",
        "I(z;s)",
        "within 5%",
        "under 3 seeds nothing is resolved",
    ):
        assert word in text
    assert max(map(len, text.splitlines())) < 160
    found = json.loads(say("compare", "voices", "--column", "eer_z", "--json"))
    (pair,) = found["contrasts"]
    (gamma,) = pair["ours"]["gammas"]
    cells = {cell.address: cell for cell in Book(speech).cells()}
    ours, rival = (cells[address] for address in (CELL, "X1[beta,0.8].eer_z"))
    assert (gamma["ours"], gamma["rival"]) == (ours.value, rival.value)
    known = verdict.paired([run.value for run in ours.runs], [run.value for run in rival.runs])
    assert gamma["difference"]["p"] == known["p"] == gamma["holm"]
    assert gamma["word"] == "not resolvable at this n"
    assert pair["ours"]["matched_problem"] == "a curve has fewer than two points"
    assert "no claim is on a column 'aolr' here" in say("compare", "--column", "aolr", code=2)
    assert "known: voices" in say("compare", "timit", code=2)


@pytest.mark.parametrize("name", ["pair1-converted.wav", "index.html", "sheet.png", "sheet.csv"])
def test_damage_to_voices_is_found_and_named(name, other):
    (path,) = (p for p in artefact_files(other) if p.name == name and p.parent.name == "voices-cmi-g080-s1")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    overwrite(path, bytes(content))
    (finding,) = verified(other).findings
    assert (finding.level, finding.path) == ("L1", str(path.relative_to(other)))
    assert finding.poisons == ("X6",)


def test_an_archive_of_speech(speech, tmp_path):
    export(Book(speech), str(tmp_path / "there"), with_embeddings=True)
    assert not list((tmp_path / "there").rglob("*.WAV"))
    assert list((tmp_path / "there").rglob("*.wav"))
    report = verified(tmp_path / "there", "L3")
    assert report.findings == []
    assert main(["-C", str(tmp_path / "there"), "audit", CELL]) == 0


# --- audio outside of the workspace -----------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(speech, tmp_path):
    """A workspace whose TIMIT lies in the user's own folder: its data are fetched and prepared, no more."""
    corpus, folder = tmp_path / "corpus", tmp_path / "space"
    shutil.copytree(speech / CORPUS / "TIMIT", corpus)
    synth = next(line for line in SPEECH.splitlines() if line.strip().startswith("synth:"))
    text = SPEECH.replace("reader: synth", "reader: timit").replace(synth.strip(), f"source: {corpus}")
    folder.mkdir()
    (folder / "params.yaml").write_text(text)
    study = Study(load_params(folder / "params.yaml"))
    for name in (CORPUS, PREPARED):
        build(folder, study, study[name])
    return folder, corpus


def data_only(space, level="L1"):
    report = verified(space, level)
    return [f for f in report.findings if "there is no record" not in f.what], report


def test_audio_elsewhere_is_hashed_too(elsewhere):
    space, corpus = elsewhere
    assert data_only(space)[0] == []
    path = sorted(corpus.rglob("S*.WAV"))[3]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    overwrite(path, bytes(content))
    (finding,), _ = data_only(space)
    assert (finding.level, finding.path) == ("L1", str(path))
    assert "your copy of the corpus" in finding.fix
    path.unlink()
    (finding,), _ = data_only(space)
    assert finding.what == "an audio file of the corpus is missing"


def test_audio_that_is_not_on_this_machine_is_told(elsewhere, capsys):
    space, corpus = elsewhere
    shutil.rmtree(corpus)
    found, report = data_only(space)
    assert found == []
    assert any("does not lie on this machine" in note for done in report.done for note in done.notes)
    shutil.rmtree(space / "data/raw")
    assert main(["-C", str(space), "doctor"]) == 2
    assert "MISSING  data voices" in capsys.readouterr().out


def test_what_needs_audio_that_is_not_here_is_one_finding(elsewhere, capsys):
    space, corpus = elsewhere
    assert [f for f in verified(space, "L4").findings if f.level == "L4"] == []
    corpus.rename(corpus.with_name("moved"))
    (finding,) = [f for f in verified(space, "L4").findings if f.level == "L4"]
    assert (finding.path, finding.poisons) == (str(corpus), ())
    assert finding.what == f"{PREPARED} cannot be made again: its audio does not lie on this machine"
    assert "params.yaml:datasets.voices.data.source" in finding.fix
    assert main(["-C", str(space), "verify", "--level", "L4"]) == 2
    assert f"FAILED at L4: {corpus}" in capsys.readouterr().out
    params = space / "params.yaml"
    params.write_text(params.read_text().replace(str(corpus), str(corpus.with_name("moved"))))
    assert [f for f in verified(space, "L4").findings if f.level == "L4"] == []
