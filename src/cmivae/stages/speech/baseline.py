"""Stage baseline for speech: what a model has to beat. Trivial speaker verification, and VC-mCAS on real segments."""

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cmivae.data.features import restore
from cmivae.data.speech import PARTS, Speech, load
from cmivae.evaluation.conversion import vc_mcas
from cmivae.evaluation.verification import centred, eer_of
from cmivae.provenance.context import Context
from cmivae.provenance.io import write_json
from cmivae.stages.speech.averages import real_averages, sexes


def make(context: Context) -> None:
    """Write ``metrics.json``: EER of mean log spectra by cosine, as they are and centred; the classifier of VC-mCAS."""
    speech, params = load(context.prepared), context.speech.evaluate
    with threadpool_limits(1):
        spectra = _mean_spectra(speech)  # (U, F)
        found: dict[str, object] = {name: _trivial(speech, spectra, name) for name in ("core", "full")}
        index = np.concatenate([speech.lists["vc_male"], speech.lists["vc_female"]])
        learnt = real_averages(speech, "train", index), sexes(speech, "train", index)
        tested = real_averages(speech, "test", speech.lists["vc_test"]), sexes(speech, "test", speech.lists["vc_test"])
        real = vc_mcas(*learnt, *tested, c=params.c, max_iter=params.max_iter)
    found["corpus"] = _corpus(speech)
    found["vc"] = {"percent": real.percent, "converged": real.converged, "iterations": real.iterations}
    write_json(context.folder / "metrics.json", found)


def _corpus(speech: Speech) -> dict[str, int]:
    """How many speakers, utterances and core trials there are: a table on part of TIMIT has to say so.

    Utterances are those that have a segment, by part and on the core list.
    """
    core = [span for span in speech.of("test") if span.core]
    return {
        "speakers": len({span.speaker for span in speech.spans}),
        "core_speakers": len({span.speaker for span in core}),
        **{part: len(speech.of(part)) for part in PARTS},
        "core": len(core),
        "core_trials": len(speech.lists["core_pairs"]),
    }


def _mean_spectra(speech: Speech) -> NDArray[np.float64]:
    """Mean log magnitude of each test utterance, every frame of it, in log units.  -> (U, F)"""
    frames = speech.frames("test")
    means = [frames[span.first : span.first + span.frames].double().mean(0) for span in speech.of("test")]
    return restore(torch.stack(means), speech.scale).numpy()


def _trivial(speech: Speech, spectra: NDArray[np.float64], name: str) -> dict[str, float]:
    pairs, is_target = speech.lists[f"{name}_pairs"], speech.lists[f"{name}_target"].astype(bool)
    members, own = np.unique(pairs, return_inverse=True)  # of this list alone
    pairs, spectra = own.reshape(pairs.shape), spectra[members]
    return {"eer_raw": eer_of(spectra, pairs, is_target), "eer_centred": eer_of(centred(spectra), pairs, is_target)}
