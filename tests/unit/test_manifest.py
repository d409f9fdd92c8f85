"""Any corpus as a CSV file: what its columns mean and what is refused, by line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from speech_files import put, riff, tone

from cmivae.data.corpus import load_index, save_index
from cmivae.data.manifest import COLUMNS, Manifest
from cmivae.errors import UserError
from cmivae.study.params import SpeechData

ROWS = [
    "a/1.wav,ann,F,train",
    "b/1.wav,bob,male,train",
    "c/1.wav,cid,m,test",
    "c/2.wav,cid,M,test",
    "d/1.wav,dot,Female,valid",
]
HEAD = "path,speaker,gender,split"


@pytest.fixture
def corpus(tmp_path):
    """Write a manifest of these rows and some audio: ``corpus(rows, head) -> path of the CSV file``."""
    for at, name in enumerate(("a/1", "b/1", "c/1", "c/2", "d/1", "e/1")):
        put(tmp_path / f"{name}.wav", riff(tone(500 + at, seed=at)))

    def make(rows=ROWS, head=HEAD):
        return put(tmp_path / "list.csv", "\n".join([head, *rows, ""]).encode())

    return make


def read(path, **splits):
    return Manifest(SpeechData(splits=splits)).index(path)


def test_rows_become_utterances(corpus):
    index = read(corpus())
    assert [(each.name, each.part, each.gender, each.core) for each in index] == [
        ("ann/1", "train", "F", False),
        ("bob/1", "train", "M", False),
        ("dot/1", "valid", "F", False),
        ("cid/1", "test", "M", True),
        ("cid/2", "test", "M", True),
    ]
    assert [(each.path, each.samples) for each in index[:2]] == [("a/1.wav", 500), ("b/1.wav", 501)]


def test_the_index_is_kept_as_it_is(corpus, tmp_path):
    index = read(corpus())
    save_index(index, tmp_path)
    assert load_index(tmp_path) == index


def test_core_rows_are_test_rows_of_their_own(corpus):
    index = read(corpus([*ROWS, "e/1.wav,eve,f,core"]))
    assert [(each.speaker, each.core) for each in index if each.part == "test"] == [
        ("cid", False), ("cid", False), ("eve", True)
    ]  # fmt: skip


def test_split_names_are_mapped_and_skipped(corpus):
    rows = [row.replace(",test", ",clean").replace("valid", "bad") for row in ROWS]
    with pytest.raises(UserError, match="unknown split names") as caught:
        read(corpus(rows))
    assert caught.value.why == "'bad' (1 rows), 'clean' (2 rows); known are core, test, train, valid"
    index = read(corpus(rows), clean="test", bad="skip")
    assert [each.part for each in index] == ["train", "train", "test", "test"]


def test_a_skipped_row_needs_no_file(corpus):
    assert len(read(corpus([*ROWS, "gone.wav,dot,F,no"]), no="skip")) == 5


def test_extra_columns_blanks_and_order(corpus):
    rows = [",".join(reversed(row.split(","))) for row in ROWS]
    text = [f"x, {row} " for row in rows]
    assert read(corpus(text, "note,split,gender,speaker,path")) == read(corpus())


def test_a_byte_order_mark_and_crlf(corpus):
    path = corpus()
    plain = read(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read(path) == plain


def test_a_file_name_in_two_folders(corpus):
    index = read(corpus(["a/1.wav,ann,F,train", "b/1.wav,ann,F,train", "c/1.wav,cid,M,test"]))
    assert [each.name for each in index] == ["ann/a-1", "ann/b-1", "cid/1"]


WRONG = {
    "gender": ("a/1.wav,ann,x,train", "gender 'x'"),
    "absolute": ("/a/1.wav,ann,F,train", "refused"),
    "outside": ("a/../../1.wav,ann,F,train", "refused"),
    "backslash": (r"a\1.wav,ann,F,train", "refused"),
    "missing": ("a/9.wav,ann,F,train", "'a/9.wav' is missing"),
    "a folder": ("a,ann,F,train", "'a' is missing"),
    "empty cell": ("a/1.wav, ,F,train", "row of the manifest is wrong"),
    "short": ("a/1.wav,ann,F", "row of the manifest is wrong"),
    "long": ("a/1.wav,ann,F,train,x", "row of the manifest is wrong"),
    "slash": ("a/1.wav,an/n,F,train", "has a slash"),
}


@pytest.mark.parametrize(("row", "what"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_row_is_named_by_line(corpus, row, what):
    path = corpus([*ROWS[1:], row])
    with pytest.raises(UserError, match=what) as caught:
        read(path)
    assert caught.value.where == f"{path}:6"


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        (["a/1.wav,ann,F,train", "c/1.wav,ann,F,test"], "in the test part and in another"),
        (["a/1.wav,ann,F,valid", "c/1.wav,ann,F,core"], "in the test part and in another"),
        (["a/1.wav,ann,F,train", "c/1.wav,ann,M,train"], "both female and male"),
        (["a/1.wav,ann,F,train", "a/1.wav,ann,F,train"], "is there 2 times"),
        ([], "no utterance"),
    ],
)
def test_rows_that_contradict_each_other(corpus, rows, what):
    with pytest.raises(UserError, match=what):
        read(corpus(rows))


def test_training_and_validation_may_share_speakers(corpus):
    assert len(read(corpus(["a/1.wav,ann,F,train", "b/1.wav,ann,F,valid", "c/1.wav,cid,M,test"]))) == 3


def test_what_is_no_manifest(corpus, tmp_path):
    with pytest.raises(UserError, match="lacks columns") as caught:
        read(corpus(head="path,speaker,sex,split"))
    assert caught.value.why == "no column gender"
    with pytest.raises(UserError, match="cannot be read"):
        read(tmp_path / "gone.csv")
    with pytest.raises(UserError, match="cannot be read"):
        read(tmp_path)
    with pytest.raises(UserError, match="no CSV file"):
        read(put(tmp_path / "x.csv", f"{HEAD}\n".encode() + b"\xff\xfe"))
    with pytest.raises(UserError, match="no CSV file"):
        read(put(tmp_path / "x.csv", f'{HEAD}\n"a/1.wav,ann\n'.encode()))
    with pytest.raises(UserError, match="lacks columns"):
        read(put(tmp_path / "x.csv", b""))


@given(st.binary(max_size=200))
def test_rubbish_is_refused(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp()
    with pytest.raises(UserError):
        read(put(folder / "rubbish.csv", ",".join(COLUMNS).encode() + b"\n" + content))


def test_a_manifest_cannot_be_obtained(tmp_path):
    with pytest.raises(UserError, match="needs a CSV file") as caught:
        Manifest(SpeechData()).obtain(tmp_path)
    assert "path, speaker, gender, split" in caught.value.fix
