"""The synthetic corpus: the same bytes each time, TIMIT's shape, and speech-like enough to test models on."""

import hashlib
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from cmivae.data.audio import probe, read_audio
from cmivae.data.formants import FREQUENCY, PHONES, make_sentence, make_voice, speak
from cmivae.data.synth import Synthetic, speaker
from cmivae.data.timit import Timit
from cmivae.errors import UserError
from cmivae.study.params import SpeechData, Synth

SMALL = Synth(train_speakers=3, test_speakers=4, core_speakers=2, sentences=6, seconds=0.8)


def reader(synth=SMALL, **params) -> Synthetic:
    return Synthetic(SpeechData(synth=synth, **params))


def content(root) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return reader().obtain(tmp_path_factory.mktemp("synth"))


def test_the_tree_is_timits(tree):
    files = content(tree)
    assert "DOC/SPKRINFO.TXT" in files
    folders = Counter(name.rpartition("/")[0] for name in files if name.endswith(".WAV"))
    assert folders == dict.fromkeys(
        ("TEST/DR1/MSAA0", "TEST/DR1/FSAB0", "TEST/DR2/MSAC0", "TEST/DR2/FSAD0",
         "TRAIN/DR3/MSAE0", "TRAIN/DR3/FSAF0", "TRAIN/DR4/MSAG0"), 8,
    )  # fmt: skip
    kinds = Counter(name.rpartition("/")[2][:2] for name in files if name.startswith("TEST/DR1/MSAA0/"))
    assert kinds == {"SA": 2, "SX": 5, "SI": 1}
    assert all(text.startswith(b"NIST_1A\n   1024\n") for name, text in files.items() if name.endswith(".WAV"))


def test_timits_reader_reads_it(tree, caplog):
    index = reader(use_sa=True).index(tree)
    assert len(index) == 56
    assert {each.speaker for each in index if each.core} == {"msaa0", "fsab0"}
    assert reader().index(tree) == [each for each in index if not each.sentence.startswith("sa")]
    assert not caplog.records
    Timit(SpeechData()).index(tree)
    assert "3 of 462 train speakers" in caplog.text  # nobody can take it for the real one


def test_the_same_bytes_each_time(tree, tmp_path):
    """In another process, with other hash seeds and threads, and over what was there."""
    code = (
        "import sys, pathlib; from cmivae.data.synth import Synthetic; from cmivae.study.params import *; "
        "Synthetic(SpeechData(synth=Synth.model_validate_json(sys.argv[1]))).obtain(pathlib.Path(sys.argv[2]))"
    )
    call = [sys.executable, "-c", code, SMALL.model_dump_json(), str(tmp_path)]
    (tmp_path / "TIMIT/DOC").mkdir(parents=True)
    (tmp_path / "TIMIT/DOC/SYNTHETIC.TXT").touch()
    (tmp_path / "TIMIT/old.wav").touch()
    subprocess.run(call, check=True, env={"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "2"})
    assert content(tmp_path / "TIMIT") == content(tree)
    assert [path.name for path in tmp_path.iterdir()] == ["TIMIT"]


def test_pinned():
    """A change of numpy, of the machine or of the recipe that changes the sound must be seen and said."""
    rng = np.random.default_rng(0)
    sound = speak(rng, make_voice(rng, "F", 1.6), ["pau", *sorted(PHONES)])
    assert hashlib.sha256(sound.astype("<i2").tobytes()).hexdigest()[:16] == "0a3308cb4281806c"


@pytest.mark.parametrize("change", [{"seed": 1}, {"spread": 1.0}, {"seconds": 1.2}])
def test_parameters_count(tree, tmp_path, change):
    one = SMALL.model_copy(update=change | {"train_speakers": 1, "test_speakers": 1, "core_speakers": 1})
    made = content(reader(one).obtain(tmp_path))
    name = "TEST/DR1/MSAA0/SA1.WAV"
    assert made[name] != content(tree)[name]


def test_another_corpus_is_not_deleted(tmp_path):
    mine = tmp_path / "TIMIT/TRAIN/precious.wav"
    mine.parent.mkdir(parents=True)
    mine.touch()
    with pytest.raises(UserError, match="another corpus lies in the way"):
        reader().obtain(tmp_path)
    assert mine.is_file()


def test_speaker_names_are_distinct_and_of_timits_form():
    names = [speaker(number) for number in range(6000)]
    assert len(set(names)) == 6000
    assert Counter(name[0] for name in names) == {"F": 3000, "M": 3000}
    assert all(len(name) == 5 and name[1:4].isalpha() and name[4].isdigit() for name in names)


# --- the sound ---


@pytest.mark.parametrize("seconds", [0.5, 2.0, 6.0])
def test_sentences_are_about_as_long_as_asked(seconds):
    rng = np.random.default_rng(0)
    voice = make_voice(rng, "M", 1.0)
    made = [len(speak(rng, voice, make_sentence(rng, seconds))) / 16000 for _ in range(20)]
    assert np.mean(made) == pytest.approx(seconds, abs=0.25)  # words are whole


@pytest.mark.parametrize("gender", ["F", "M"])
def test_extreme_voices_are_finite_and_not_clipped(gender):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        sound = speak(rng, make_voice(rng, gender, 4.0), make_sentence(rng, 0.5))
        assert 500 < np.abs(sound.astype(int)).max() < 0.99 * 32767


def spectra(sound: np.ndarray) -> np.ndarray:
    """Log-magnitude frames, (T, 201)."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, 400)[::160] * np.hanning(401)[:-1]
    return np.log(np.abs(np.fft.rfft(frames, axis=1)) + 1e-5)


def test_vowels_have_their_formants():
    """A long vowel has more power around its first two formants than between and above them."""
    rng = np.random.default_rng(0)
    voice = make_voice(rng, "M", 1e-6)
    bins = np.arange(201) * 40.0
    for vowel, first, second, gap in (("iy", 280, 2280, 1200), ("aa", 730, 1090, 1800)):
        level = spectra(speak(rng, voice, [vowel] * 12) / 32768).mean(axis=0)
        peak = {f: level[np.abs(bins - f) < 160].max() for f in (first, second, gap)}
        assert min(peak[first], peak[second]) > peak[gap] + 0.7, vowel
    assert FREQUENCY[-1] == 8000


def test_women_are_higher():
    for seed in range(10):
        woman, man = (make_voice(np.random.default_rng(seed), gender, 1.0) for gender in "FM")
        assert woman.f0 > man.f0
        assert np.mean(woman.formants) > np.mean(man.formants)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Test utterances of the default corpus with a mean spectrum each: index, (N, 201)."""
    maker = reader(Synth(train_speakers=1))
    root = maker.obtain(tmp_path_factory.mktemp("default"))
    index = [each for each in maker.index(root) if each.part == "test"]
    frames = [spectra(read_audio(root / each.path, each.sha256)) for each in index]
    return index, frames


def test_trivial_baseline_is_that_of_real_speech(corpus):
    """Cosine of mean spectra tells speakers apart as well as on real TIMIT: neither solved nor hopeless."""
    index, frames = corpus
    mean = np.array([each.mean(axis=0) for each in frames])
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    one, two = np.triu_indices(len(mean), k=1)
    scores, speakers = (mean[one] * mean[two]).sum(axis=1), np.array([each.speaker for each in index])
    same = speakers[one] == speakers[two]
    thresholds = np.quantile(scores, np.linspace(0, 1, 500))
    rates = [((scores[same] < t).mean(), (scores[~same] >= t).mean()) for t in thresholds]
    eer = min(max(pair) for pair in rates)
    assert 0.15 < eer < 0.25


def test_structure_is_local_and_global(corpus):
    """Within an utterance frames change at the rate of phones; between speakers the mean differs."""
    index, frames = corpus
    centred = [each - each.mean(axis=0) for each in frames]

    def correlation(lag: int) -> float:
        pairs = [((c[lag:] * c[:-lag]).mean(), (c * c).mean()) for c in centred]
        return sum(a for a, _ in pairs) / sum(b for _, b in pairs)

    assert correlation(1) > 0.7  # 10 ms
    assert correlation(15) < 0.3  # 150 ms
    means = {}
    for each, frame in zip(index, frames, strict=True):
        means.setdefault(each.speaker, []).append(frame.mean(axis=0))
    groups = np.array([np.mean(each, axis=0) for each in means.values()])
    within = np.mean([np.var(each, axis=0) for each in means.values()])
    assert groups.var(axis=0).mean() > within


def test_headers_say_what_is_there(tree):
    for path in list(tree.rglob("*.WAV"))[:5]:
        info = probe(path)
        assert (info.rate, info.channels, info.format) == (16000, 1, "NIST")
        assert info.samples * 2 + 1024 == path.stat().st_size
