"""VC-mCAS: good conversion labels real speech, conversion that ignores z does not."""

import numpy as np
import pytest

from cmivae.evaluation.conversion import Conversion, vc_mcas
from cmivae.evaluation.probes import logistic_accuracy

SEXES = np.array(["M", "F"])


def spectra(sex: np.ndarray, rng: np.random.Generator, gap: float = 1.0) -> np.ndarray:
    """(N, 201) spectra of which a few bins tell the sex."""
    x = 0.5 + 0.05 * rng.normal(size=(len(sex), 201))
    x[:, 20:40] += 0.1 * gap * (sex == "F")[:, None]
    return x


@pytest.fixture
def task():
    rng = np.random.default_rng(0)
    donor, real_sex = SEXES[np.arange(80) % 2], SEXES[rng.permutation(np.arange(60) % 2)]
    return spectra(donor, rng), donor, spectra(real_sex, rng), real_sex


def test_good_conversion_labels_real_speech(task):
    score = vc_mcas(*task, c=1.0, max_iter=1000)
    assert score.percent == 100.0
    assert score.converged
    assert 0 < score.iterations < 1000


def test_labels_are_those_of_the_donor_of_z(task):
    """Where the decoder takes the voice from s, the labels are the wrong way round and so are the answers."""
    converted, donor, real, real_sex = task
    other = np.where(donor == "M", "F", "M")
    assert vc_mcas(converted, other, real, real_sex, c=1.0, max_iter=1000).percent == 0.0


def test_conversion_without_a_voice_scores_like_chance(task):
    _, donor, real, real_sex = task
    silent = spectra(donor, np.random.default_rng(1), gap=0.0)
    assert 25 < vc_mcas(silent, donor, real, real_sex, c=1.0, max_iter=1000).percent < 75


def test_constant_decodes_score_the_share_of_one_sex(task):
    _, donor, real, real_sex = task
    constant = np.full((80, 201), 0.5)
    assert vc_mcas(constant, donor, real, real_sex, c=1.0, max_iter=1000).percent == 50.0


def test_it_is_the_logistic_probe_in_percent(task):
    converted, donor, real, real_sex = task
    wrong = real_sex.copy()
    wrong[:15] = np.where(wrong[:15] == "M", "F", "M")  # 15 of 60
    assert vc_mcas(converted, donor, real, wrong, c=1.0, max_iter=1000).percent == 75.0
    probe = logistic_accuracy(converted, donor, real, real_sex, c=0.3, max_iter=2)
    assert vc_mcas(converted, donor, real, real_sex, c=0.3, max_iter=2) == Conversion(
        100 * probe.accuracy, probe.converged, probe.iterations
    )
    assert not probe.converged


def test_float32_decodes_and_their_order_do_not_matter(task):
    converted, donor, real, real_sex = task
    order = np.random.default_rng(2).permutation(80)
    shuffled = vc_mcas(converted[order].astype(np.float32), donor[order], real, real_sex, c=1.0, max_iter=1000)
    assert shuffled.percent == vc_mcas(*task, c=1.0, max_iter=1000).percent


@pytest.mark.parametrize("spoiled", ["lengths", "frames", "none", "one sex", "nan"])
def test_what_does_not_fit_is_refused(task, spoiled):
    converted, donor, real, real_sex = task
    match spoiled:
        case "lengths":
            donor = donor[:-1]
        case "frames":
            converted = converted[:, None]
        case "none":
            real, real_sex = real[:0], real_sex[:0]
        case "one sex":
            donor = np.full(80, "M")
        case "nan":
            converted = np.where(np.arange(201) == 7, np.nan, converted)
    with pytest.raises(ValueError, match=r"disagree|class|NaN"):
        vc_mcas(converted, donor, real, real_sex, c=1.0, max_iter=10)
