"""TIMIT's reader against fabricated trees of every layout that copies of it have."""

import logging
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from speech_files import put, riff, sphere, tone

from cmivae.data.timit import CORE, KALDI_DEV, Timit
from cmivae.errors import UserError
from cmivae.study.params import SpeechData

SENTENCES = ("sa1", "sa2", "si943", "si1573", "si2203", "sx43", "sx133", "sx223", "sx313", "sx403")
TREE = {"fcjf0": "train/dr1", "mdac0": "train/dr1", "mdab0": "test/dr1", "fvmh0": "test/dr2"}  # mdab0 is core
INFO = ";ID Sex DR Use\nCJF0  F   1  TRN  03/03/86\nDAC0  M   1  TRN\nDAB0  M   1  TST\nVMH0  F  2  TST\n"


def write(root: Path, places: dict[str, str] = TREE, sentences=SENTENCES, suffix=".wav", case=str.upper) -> Path:
    """A tree with the speakers in their places; each file differs."""
    for speaker, place in places.items():
        for at, sentence in enumerate(sentences):
            name = case(f"{place}/{speaker}/{sentence}") + suffix
            put(root / name, sphere(tone(400 + at, seed=sum(speaker.encode()) + at)))
    return root


def names(index) -> list[tuple[str, str, str, bool]]:
    return [(each.name, each.part, each.gender, each.core) for each in index]


def expected(sentences=SENTENCES) -> list[tuple[str, str, str, bool]]:
    found = [
        (f"{speaker}/{sentence}", place.partition("/")[0], speaker[0].upper(), speaker == "mdab0")
        for speaker, place in TREE.items()
        for sentence in sentences
    ]
    return sorted(found, key=lambda each: (each[1] == "test", each[0]))


def read(root: Path, **params) -> list:
    return Timit(SpeechData(**{"use_sa": True} | params)).index(root)


# --- lists ---


def test_core_and_validation_lists():
    assert len(CORE) == 24
    assert sum(name[0] == "f" for name in CORE) == 8
    assert len(KALDI_DEV) == 50
    assert not CORE & KALDI_DEV


# --- layouts ---


def test_as_on_the_disc(tmp_path):
    index = read(write(tmp_path / "TIMIT", suffix=".WAV").parent / "TIMIT")
    assert names(index) == expected()
    first = index[0]
    assert (first.path, first.samples) == ("TRAIN/DR1/FCJF0/SA1.WAV", 400)
    assert len({each.sha256 for each in index}) == 40


cased = st.sampled_from([str.upper, str.lower, str.title, str.swapcase])


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from([".WAV", ".wav", ".Wav", ".WAV.wav", ".sph", ".NIS", ".flac"]),
    cased,
    cased,
    st.sampled_from(["", "TIMIT", "timit/TIMIT", "archive/data", "Data"]),
)
def test_any_case_any_suffix_any_root(suffix, case, other, above):
    """One speaker's part of the tree may be spelled otherwise than the rest."""
    with tempfile.TemporaryDirectory() as folder:
        for speaker, place in TREE.items():
            spelled = other if speaker == "fvmh0" else case
            write(Path(folder) / above, {speaker: place}, ("sa1", "sx43"), suffix, spelled)
        assert names(read(Path(folder))) == expected(("sa1", "sx43"))


def test_riff_under_a_sphere_name(tmp_path):
    put(tmp_path / "TEST/DR1/MDAB0/SX43.WAV", riff(tone()))
    assert names(read(tmp_path)) == [("mdab0/sx43", "test", "M", True)]


@pytest.mark.parametrize("other", ["SA1.WAV.wav", "sa1.wav", "SA1.flac"])
def test_of_two_files_of_one_name_one_is_taken(tmp_path, other):
    folder = tmp_path / "TEST/DR1/MDAB0"
    put(folder / "SA1.WAV", sphere(tone(), sample_coding="pcm,embedded-shorten-v2.00"))
    put(folder / other, riff(tone()))
    assert [each.path for each in read(tmp_path)] == [f"TEST/DR1/MDAB0/{other}"]


def test_other_files_are_ignored(tmp_path, caplog):
    write(tmp_path, sentences=("sx43",))
    for name in ("._SX43.WAV", "SX43.TXT", "SX43.PHN", "SX43.WRD", ".DS_Store"):
        put(tmp_path / "TEST/DR1/MDAB0" / name, b"no audio")
    put(tmp_path / "._TEST/DR1/MDAC0/SX43.WAV", b"no audio")
    put(tmp_path / "TEST/DR1/MDAB0/noise.wav", b"no audio")
    assert names(read(tmp_path)) == expected(("sx43",))
    assert "1 audio files have no place in TIMIT and are left out, e.g. TEST/DR1/MDAB0/noise.wav" in caplog.text


def test_links_are_followed_once(tmp_path):
    write(tmp_path / "disc")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/TRAIN").symlink_to(tmp_path / "disc/TRAIN")
    (tmp_path / "mine/TEST").symlink_to(tmp_path / "disc/TEST")
    (tmp_path / "mine/TEST/loop").symlink_to(tmp_path / "mine")
    assert names(read(tmp_path / "mine")) == expected()


def flat(root: Path) -> Path:
    for speaker, place in TREE.items():
        write(root, {speaker: ""}, case=lambda name, d=place[-3:]: f"{d}-{name.lstrip('/')}")
    return root


def test_the_flat_form_takes_parts_from_spkrinfo(tmp_path):
    flat(tmp_path)
    assert (tmp_path / "dr1-mdab0/sa1.wav").is_file()
    with pytest.raises(UserError, match=r"4 speakers .* in neither TRAIN nor TEST") as caught:
        read(tmp_path)
    assert "SPKRINFO" in caught.value.fix
    put(tmp_path / "spkrinfo.txt", INFO.encode())
    assert names(read(tmp_path)) == expected()


def test_without_sa(tmp_path):
    assert names(read(write(tmp_path), use_sa=False)) == expected(SENTENCES[2:])


# --- checks ---


def test_spkrinfo_is_a_cross_check(tmp_path, caplog):
    write(tmp_path)
    put(tmp_path / "DOC/SPKRINFO.TXT", INFO.encode())
    assert names(read(tmp_path)) == expected()
    assert "does not know" not in caplog.text


@pytest.mark.parametrize(("true", "false"), [("DAC0  M   1  TRN", "DAC0 F 1 TRN"), ("VMH0  F  2  TST", "VMH0 F 2 TRN")])
def test_a_tree_against_its_spkrinfo_is_an_error(tmp_path, true, false):
    write(tmp_path)
    put(tmp_path / "DOC/SPKRINFO.TXT", INFO.replace(true, false).encode())
    speaker = "mdac0" if "DAC0" in true else "fvmh0"
    with pytest.raises(UserError, match=rf"1 speaker \({speaker}\) of another sex or part"):
        read(tmp_path)


def test_initials_may_be_of_a_woman_and_of_a_man(tmp_path):
    write(tmp_path, TREE | {"mvmh0": "train/dr3"}, ("sx43",))
    put(tmp_path / "DOC/SPKRINFO.TXT", f"{INFO}VMH0 M 3 TRN\n".encode())
    assert len(read(tmp_path)) == 5


def test_speakers_that_spkrinfo_does_not_know_are_warned_about(tmp_path, caplog):
    write(tmp_path)
    put(tmp_path / "spkrinfo.txt", INFO.replace("VMH0", "XYZ0").encode())
    assert names(read(tmp_path)) == expected()
    assert "SPKRINFO.TXT does not know 1 speaker (fvmh0)" in caplog.text


def test_counts_are_warned_about(tmp_path, caplog):
    write(tmp_path)
    (tmp_path / "TEST/DR2/FVMH0/SX43.wav").unlink()
    read(tmp_path)
    said = " ".join(record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert "2 of 462 train speakers, 2 of 168 test speakers, 1 of 24 core ones" in said
    assert "not 10 sentences of 1 speaker (fvmh0)" in said


def test_the_whole_corpus_is_not_warned_about(tmp_path, caplog, monkeypatch):
    """Counts of the real one; the files are not read, since 6,300 would take long."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    made = [f"f{a}{b}z0" for a in letters for b in letters][: 462 + 168 - 24]
    places = {speaker: "train/dr1" if at < 462 else "test/dr1" for at, speaker in enumerate(made)}
    for speaker in places | dict.fromkeys(CORE, ""):
        folder = tmp_path / (places.get(speaker) or "test/dr2") / speaker
        folder.mkdir(parents=True)
        for sentence in SENTENCES:
            (folder / f"{sentence}.wav").touch()
    monkeypatch.setattr("cmivae.data.indexing.index_file", lambda path: (16000, "0" * 64))
    index = read(tmp_path)
    assert (len(index), sum(each.part == "train" for each in index)) == (6300, 4620)
    assert sum(each.core for each in index) == 240
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert sum(each.core for each in read(tmp_path, use_sa=False)) == 192


def test_a_speaker_in_both_parts(tmp_path):
    write(tmp_path, sentences=("sa1", "sx43"))
    write(tmp_path, {"mdab0": "train/dr1"}, ("sx43",))
    with pytest.raises(UserError, match="speaker mdab0 is in both parts"):
        read(tmp_path)
    (tmp_path / "TRAIN/DR1/MDAB0/SX43.wav").rename(tmp_path / "TRAIN/DR1/MDAB0/SX44.wav")
    with pytest.raises(UserError, match=r"1 speaker \(mdab0\) in the test part and in another"):
        read(tmp_path)


def test_two_copies(tmp_path):
    write(tmp_path / "TIMIT")
    write(tmp_path / "TIMIT-wav")
    with pytest.raises(UserError, match="is in two folders") as caught:
        read(tmp_path)
    assert "name one of them" in caught.value.fix


def test_a_damaged_file_is_named(tmp_path):
    write(tmp_path)
    path = put(tmp_path / "TEST/DR1/MDAB0/SX43.wav", sphere(tone())[:-100])
    with pytest.raises(UserError, match="cut short") as caught:
        read(tmp_path)
    assert caught.value.where == str(path)


def test_nothing_is_there(tmp_path):
    with pytest.raises(UserError, match="no TIMIT was found"):
        read(tmp_path)
    with pytest.raises(UserError, match="not a folder"):
        read(tmp_path / "gone")


def test_timit_is_not_downloaded(tmp_path):
    with pytest.raises(UserError, match="LDC93S1") as caught:
        Timit(SpeechData()).obtain(tmp_path)
    assert "`source`" in caught.value.fix
    for words in ("--from FOLDER", "manifest", "synth", "labelled 'paper' refuses"):
        assert words in caught.value.fix
