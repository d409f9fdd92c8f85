"""The user's own TIMIT (LDC93S1), wherever and however laid out; its core test list and Kaldi's dev list."""

import logging
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from cmivae.data.corpus import Utterance
from cmivae.data.indexing import Listed, index_listed, some
from cmivae.errors import UserError
from cmivae.study.params import SpeechData

log = logging.getLogger(__name__)

_CORE = """
mdab0 mwbt0 felc0 mtas1 mwew0 fpas0 mjmp0 mlnt0 fpkt0 mlll0 mtls0 fjlm0 mbpm0 mklt0 fnlp0 mcmj0 mjdh0 fmgd0 mgrt0
mnjm0 fdhc0 mjln0 mpam0 fmld0
"""
_KALDI_DEV = """
faks0 fdac1 fjem0 mgwt0 mjar0 mmdb1 mmdm2 mpdf0 fcmh0 fkms0 mbdg0 mbwm0 mcsh0 fadg0 fdms0 fedw0 mgjf0 mglb0 mrtk0
mtaa0 mtdt0 mthc0 mwjg0 fnmr0 frew0 fsem0 mbns0 mmjr0 mdls0 mdlf0 mdvc0 mers0 fmah0 fdrw0 mrcs0 mrjm4 fcal1 mmwh0
fjsj0 majc0 mjsw0 mreb0 fgjd0 fjmg0 mroa0 mteb0 mjfc0 mrjr0 fmml0 mrws1
"""
CORE = frozenset(_CORE.split())  # testset.doc
KALDI_DEV = frozenset(_KALDI_DEV.split())  # egs/timit/s5/conf/dev_spk.list; speakers of the test part
SPEAKERS = {"train": 462, "test": 168}
SENTENCES = 10  # a speaker
SUFFIXES = (".wav", ".sph", ".nis", ".flac")
INFO = "spkrinfo.txt"
DEPTH = 7  # folders below the root, e.g. timit/TIMIT/TRAIN/DR1/FCJF0 and two more
PLACE = re.compile(r"(?:(?:^|.*/)(train|test)/|(?:^|.*/))dr[1-8][/-]([mf][a-z]{3}\d)/(sa[12]|s[ix]\d{1,4})")
USES = {"TRN": "train", "TST": "test"}


class Timit:
    """Reader ``timit``: ``source`` is the corpus's folder or one above it (docs/speech-data.md).

    Args:
        params: ``use_sa`` keeps the two sentences that all speakers read.
        core: speakers of the core test list, in small letters.
        partial: whether fewer speakers than TIMIT has are nothing to warn about.
    """

    def __init__(self, params: SpeechData, core: frozenset[str] = CORE, partial: bool = False):
        self.use_sa, self.core, self.partial = params.use_sa, core, partial

    def obtain(self, folder: Path) -> Path:
        """Refuse: TIMIT is licensed.

        Raises:
            UserError: always.
        """
        what = "TIMIT cannot be downloaded: it is licensed by the Linguistic Data Consortium (LDC93S1)"
        fix = (
            "name the folder of your copy as `source` in params.yaml, or run `cmivae fetch NAME --from FOLDER`; other "
            "speech has readers of its own (manifest for a list of yours, librispeech, synth), which a workspace "
            "labelled 'paper' refuses"
        )
        raise UserError(what, where="params.yaml:datasets.*.data.source", fix=fix)

    def index(self, root: Path) -> list[Utterance]:
        """All utterances below ``root``, with a warning where counts are not TIMIT's.

        Raises:
            UserError: no TIMIT is there, or two; a speaker is in both parts; the tree contradicts its SPKRINFO.TXT;
                or a file cannot be used.
        """
        root = Path(root)
        if not root.is_dir():
            fix = "name the folder of TIMIT as `source` in params.yaml"
            raise UserError("the source of the corpus is not a folder", where=str(root), fix=fix)
        files = sorted(_walk(root))
        info = _info(root, [file for file in files if file.rpartition("/")[2].lower() == INFO])
        listed = self._listed(root, _one_each(root, files), info)
        if not listed:
            why = "no TRAIN|TEST/DR1…8/SPEAKER/SENTENCE.WAV (any case; or dr1-SPEAKER/SENTENCE.wav) is below it"
            fix = "name the folder that holds TRAIN and TEST, or one above it"
            raise UserError("no TIMIT was found", where=str(root), why=why, fix=fix)
        _check_info(root, listed, info)
        if not self.partial:
            self._count(root, listed)
        return index_listed([each for each in listed if self.use_sa or not each.sentence.startswith("sa")], root)

    def _listed(self, root: Path, files: dict[str, re.Match], info: dict[str, dict[str, str]]) -> list[Listed]:
        listed: list[Listed] = []
        lost: set[str] = set()
        for file, match in files.items():
            part, speaker, sentence = match.groups()
            part = part or info.get(speaker[1:], {}).get(speaker[0].upper())
            if part is None:
                lost.add(speaker)
                continue
            core = part == "test" and speaker in self.core
            listed.append(Listed(file, speaker, speaker[0].upper(), part, core, sentence))
        if lost:
            what = f"{some(lost, 'speaker', 'speakers')} in neither TRAIN nor TEST"
            fix = "name the folder that holds TRAIN and TEST, or bring SPKRINFO.TXT"
            raise UserError(what, where=str(root), why="no SPKRINFO.TXT says which", fix=fix)
        return listed

    def _count(self, root: Path, listed: list[Listed]) -> None:
        parts = {part: {each.speaker for each in listed if each.part == part} for part in SPEAKERS}
        core = {each.speaker for each in listed if each.core}
        log.info("%s: %s speakers to train, %s to test", root, *map(len, parts.values()))
        said = [f"{len(parts[part])} of {count} {part} speakers" for part, count in SPEAKERS.items()]
        if any(len(parts[part]) != count for part, count in SPEAKERS.items()) or len(core) != len(self.core):
            said.append(f"{len(core)} of {len(self.core)} core ones")
            log.warning("%s is not the whole of TIMIT: %s; say so beside the results", root, ", ".join(said))
        counts = Counter(each.speaker for each in listed)
        odd = [speaker for speaker, count in counts.items() if count != SENTENCES]
        if odd:
            log.warning("%s: not %d sentences of %s", root, SENTENCES, some(odd, "speaker", "speakers"))


def _walk(root: Path) -> Iterator[str]:
    """All files to a certain depth, each folder once, relative to ``root`` with slashes."""
    seen = set()
    for folder, inner, names in os.walk(root, followlinks=True):
        place, here = os.path.realpath(folder), Path(folder).relative_to(root)
        if place in seen or len(here.parts) > DEPTH:
            inner.clear()
            continue
        seen.add(place)
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        yield from ((here / name).as_posix() for name in names if not name.startswith("."))  # ._x is macOS's


def _one_each(root: Path, files: list[str]) -> dict[str, re.Match]:
    """Audio files and what their paths say; of SA1.WAV and SA1.WAV.wav the converted one."""
    found: dict[tuple[str, str], list[tuple[str, re.Match]]] = defaultdict(list)
    strange: list[str] = []
    for file in files:
        stem = file.lower()
        while stem.endswith(SUFFIXES):
            stem = stem.rpartition(".")[0]
        if len(stem) < len(file):
            match = PLACE.fullmatch(stem)
            strange += [] if match else [file]
            if match:
                found[match[2], match[3]].append((file, match))
    if strange:
        log.warning(
            "%s: %d audio files have no place in TIMIT and are left out, e.g. %s", root, len(strange), strange[0]
        )
    return dict(_choose(root, name, each) for name, each in found.items())


def _choose(root: Path, name: tuple[str, str], there: list[tuple[str, re.Match]]) -> tuple[str, re.Match]:
    folders = sorted({file.rpartition("/")[0] for file, _ in there})
    if len(folders) > 1:
        parts = {match.group(1) for _, match in there}
        what = f"speaker {name[0]} is in both parts" if len(parts) > 1 else f"'{'/'.join(name)}' is in two folders"
        fix = "if two copies of TIMIT lie there, name one of them as `source`; else leave one of the folders"
        raise UserError(what, where=str(root), why=", ".join(folders), fix=fix)
    chosen = max(there, key=lambda each: (each[0].count("."), each[0]))
    for file, _ in there:
        if file != chosen[0]:
            log.info("%s: %s is taken, %s is not", root, chosen[0], file)
    return chosen


def _info(root: Path, files: list[str]) -> dict[str, dict[str, str]]:
    """Of SPKRINFO.TXT: name without the letter of the sex -> sex -> part."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for file in files[:1]:
        for line in (root / file).read_text(encoding="latin-1").splitlines():
            cells = line.split()
            if len(cells) >= 4 and not line.startswith(";") and cells[3].upper() in USES:
                found[cells[0].lower()][cells[1].upper()] = USES[cells[3].upper()]
    return found


def _check_info(root: Path, listed: list[Listed], info: dict[str, dict[str, str]]) -> None:
    speakers = {each.speaker: each for each in listed}
    known = {name: info[name[1:]] for name in speakers if name[1:] in info}
    wrong = [name for name, sexes in known.items() if sexes.get(speakers[name].gender) != speakers[name].part]
    if wrong:
        what = f"{some(wrong, 'speaker', 'speakers')} of another sex or part than SPKRINFO.TXT says"
        fix = "correct the tree; if its SPKRINFO.TXT is of another corpus, take that away"
        raise UserError(what, where=str(root), why="the first letter is the sex, TRN is TRAIN and TST is TEST", fix=fix)
    if info and len(known) < len(speakers):
        unknown = speakers.keys() - known.keys()
        log.warning("%s: SPKRINFO.TXT does not know %s", root, some(unknown, "speaker", "speakers"))
