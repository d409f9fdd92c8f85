"""A synthetic corpus in TIMIT's shape: NIST SPHERE files of speech-like sound, read by TIMIT's own reader."""

import logging
import shutil
from pathlib import Path

import numpy as np
import soundfile

from cmivae.data.corpus import Utterance
from cmivae.data.formants import RATE, make_sentence, make_voice, speak
from cmivae.data.timit import Timit
from cmivae.errors import UserError
from cmivae.progress import Progress
from cmivae.provenance.io import disk_error
from cmivae.study.params import SpeechData, Synth

log = logging.getLogger(__name__)

TREE, NOTE = "TIMIT", "DOC/SYNTHETIC.TXT"
REGIONS = 8
SX, SX_POOL, SI_FIRST = 5, 40, 500  # SX sentences a speaker, of how many; SI numbers are from here on
TEXTS, SPEAKERS = 0, 1  # streams of random numbers
WORDS = """This is not TIMIT and nobody's speech: it was computed (cmivae, src/cmivae/data/formants.py).
Whatever is measured on it is synthetic.
"""


class Synthetic:
    """Reader ``synth``: ``data.synth`` says how large the corpus is and how it sounds (docs/speech-data.md)."""

    def __init__(self, params: SpeechData):
        self.params = params

    def obtain(self, folder: Path) -> Path:
        """Synthesise the tree anew below ``folder``, the same bytes each time; it appears when it is whole.

        Raises:
            UserError: something else lies there, or the disk is full.
        """
        root, part = Path(folder) / TREE, Path(folder) / f".{TREE}.part"
        if root.exists() and not (root / NOTE).is_file():
            why = f"it has no {NOTE}, so it was not synthesised and is not deleted"
            raise UserError("another corpus lies in the way", where=str(root), why=why, fix="move it away")
        try:
            shutil.rmtree(part, ignore_errors=True)
            _write_tree(self.params.synth, part)
            if root.exists():
                shutil.rmtree(root)
            part.replace(root)
        except OSError as error:
            raise disk_error(root, error) from error
        return root

    def index(self, root: Path) -> list[Utterance]:
        """What TIMIT's reader finds below ``root``; the first test speakers are the core ones.

        Raises:
            UserError: as ``Timit.index``.
        """
        core = [speaker(each) for each in range(self.params.synth.core_speakers)]
        return Timit(self.params, core=frozenset(each.lower() for each in core), partial=True).index(root)


def speaker(number: int) -> str:
    """Name of a speaker, e.g. ``FSAB0``; the test speakers come first, men and women take turns."""
    hundreds, rest = divmod(number, 26 * 26)
    return f"{'MF'[number % 2]}S{chr(65 + rest // 26)}{chr(65 + rest % 26)}{hundreds}"


def _write_tree(synth: Synth, root: Path) -> None:
    count = synth.test_speakers + synth.train_speakers
    (root / NOTE).parent.mkdir(parents=True)
    (root / NOTE).write_text(WORDS, encoding="ascii")
    lines, progress = [";ID  Sex DR Use"], Progress("synth", count, unit="speaker")
    for number in range(count):
        name, region, train = speaker(number), number // 2 % REGIONS + 1, number >= synth.test_speakers
        lines.append(f"{name[1:]} {name[0]}   {region}  {'TRN' if train else 'TST'}")
        folder = root / ("TRAIN" if train else "TEST") / f"DR{region}" / name
        folder.mkdir(parents=True)
        for sentence, samples in _utterances(synth, number, name[0]):
            soundfile.write(folder / f"{sentence}.WAV", samples, RATE, format="NIST", subtype="PCM_16")
        progress.step()
    progress.close()
    (root / "DOC/SPKRINFO.TXT").write_text("\n".join(lines) + "\n", encoding="ascii")


def _utterances(synth: Synth, number: int, gender: str) -> list[tuple[str, np.ndarray]]:
    """All sentences of a speaker: both SA, then SX shared with others, then SI of its own."""
    rng = np.random.default_rng([synth.seed, SPEAKERS, number])
    voice = make_voice(rng, gender, synth.spread)
    shared = [f"SX{each + 1}" for each in sorted(rng.permutation(SX_POOL)[: min(SX, synth.sentences)])]
    own = [f"SI{SI_FIRST + 3 * number + each}" for each in range(synth.sentences - len(shared))]
    found = []
    for name in ["SA1", "SA2", *shared, *own]:
        text = [synth.seed, TEXTS, ["SA", "SX", "SI"].index(name[:2]), int(name[2:])]
        phones = make_sentence(np.random.default_rng(text), synth.seconds)
        found.append((name, speak(rng, voice, phones)))
    return found
