"""mCAS: labels follow their decodes, the baseline is the same code; pixel entropy by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmivae.evaluation.mcas import mcas, pixel_entropy
from cmivae.evaluation.packing import pack, unpack
from cmivae.evaluation.probes import logistic_accuracy, svm_accuracy


def bars(labels: np.ndarray, rng: np.random.Generator, noise: float = 0.02) -> np.ndarray:
    """(..., 28, 28) images whose class is the place of a thick bar."""
    images = rng.random((*labels.shape, 28, 28)) < noise
    for index in np.ndindex(labels.shape):
        images[index][:, 7 * labels[index] : 7 * labels[index] + 5] = True
    return images.astype(np.uint8)


@pytest.fixture
def task():
    rng = np.random.default_rng(0)
    labels = np.stack([rng.permutation(np.repeat(np.arange(4), 3)) for _ in range(2)])  # (2, 12)
    decodes = bars(np.repeat(labels[..., None], 5, axis=-1), rng)  # (2, 12, 5, 28, 28)
    test_y = np.arange(40) % 4
    return decodes, labels, bars(test_y, rng), test_y


def test_good_decodes_label_real_images(task):
    score = mcas(*task, c=1.0, max_iter=1000)
    assert score.lr == (1.0, 1.0)
    assert score.svm == (1.0, 1.0)
    assert score.converged == (True, True)


def test_decodes_that_forget_their_z_score_like_chance(task):
    decodes, labels, test_x, test_y = task
    rng = np.random.default_rng(1)
    forgotten = bars(rng.integers(0, 4, decodes.shape[:3]), rng)
    score = mcas(forgotten, labels, test_x, test_y, c=1.0, max_iter=1000)
    assert max(score.lr + score.svm) < 0.7


def test_packed_images_give_the_same(task):
    decodes, labels, test_x, test_y = task
    assert mcas(pack(decodes), labels, pack(test_x), test_y, c=1.0, max_iter=1000) == mcas(*task, c=1.0, max_iter=1000)


def test_one_decode_of_real_images_is_the_plain_classifier():
    rng = np.random.default_rng(2)
    labels = np.arange(12)[None] % 4  # (1, 12)
    real, test_y = bars(labels, rng, noise=0.4), np.arange(40) % 4
    test_x = bars(test_y, rng, noise=0.4)
    score = mcas(real[:, :, None], labels, test_x, test_y, c=1.0, max_iter=1000)
    flat = real.reshape(12, 784), labels[0], test_x.reshape(40, 784), test_y
    assert score.lr == (logistic_accuracy(*flat, c=1.0, max_iter=1000).accuracy,)
    assert score.svm == (svm_accuracy(*flat, c=1.0),)


def test_shapes_that_do_not_fit_are_refused(task):
    decodes, labels, test_x, test_y = task
    with pytest.raises(ValueError, match="disagree"):
        mcas(decodes, labels[:, :5], test_x, test_y, c=1.0, max_iter=10)
    with pytest.raises(ValueError, match="28, 28"):
        unpack(np.zeros((3, 97), np.uint8))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_unpack_undoes_pack(seed):
    images = np.random.default_rng(seed).integers(0, 2, (2, 3, 28, 28), dtype=np.uint8)
    assert pack(images).shape == (2, 3, 98)
    np.testing.assert_array_equal(unpack(pack(images)), images)


def test_pixel_entropy_by_hand():
    images = np.zeros((2, 4, 28, 28), np.uint8)
    assert pixel_entropy(images) == 0.0
    images[0, :2] = 1  # every pixel of the first z is on in half of its decodes
    assert pixel_entropy(images) == pytest.approx(math.log(2) / 2)
    images[1, :1] = 1
    quarter = -0.25 * math.log(0.25) - 0.75 * math.log(0.75)
    assert pixel_entropy(images) == pytest.approx((math.log(2) + quarter) / 2)
    assert pixel_entropy(pack(images)) == pixel_entropy(images)
