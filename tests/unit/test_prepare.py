"""Digits, binarisation, splits and subsets: known answers, stability and round trips."""

import dataclasses
import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cmivae.data import prepare as prep
from cmivae.data.digits import enlarge, read_digits
from cmivae.data.fetch import fetch
from cmivae.data.readers import Grey
from cmivae.errors import UserError
from cmivae.study.params import ImageData


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    fetch("digits", folder)
    return read_digits(folder)


def made_up(n=200, n_test=40, seed=0) -> Grey:
    rng = np.random.default_rng(seed)
    shapes = ((n, 28, 28), (n_test, 28, 28))
    train_x, test_x = (rng.integers(0, 256, shape).astype(np.uint8) for shape in shapes)
    return Grey(train_x, (np.arange(n) % 10).astype(np.uint8), test_x, (np.arange(n_test) % 10).astype(np.uint8))


def small(**changes) -> ImageData:
    return ImageData(**{"probe_per_class": 3, "mcas_per_class": 2, "mcas_subsets": 3} | changes)


# --- digits ---


def test_digits_known_answer(digits):
    images = np.concatenate([digits.train_x, digits.test_x])
    assert images.shape == (1797, 28, 28)
    assert images.dtype == np.uint8
    assert digits.train_y.shape == (1400,)
    on = prep.binarize(images, 0.5)
    assert on.mean() == pytest.approx(0.156911, abs=1e-6)  # MNIST: 0.1323
    assert len(np.unique(on.reshape(1797, -1), axis=0)) == 1797
    assert on[:, 4:24, 4:24].sum() == on.sum()
    assert set(digits.test_y.tolist()) == set(range(10))


def test_digits_bytes_are_pinned(digits):
    digest = hashlib.sha256()
    for field in dataclasses.fields(digits):
        digest.update(getattr(digits, field.name).tobytes())
    assert digest.hexdigest() == "13255ea1d569be244d1af97fc3c168a10791a672737269f2cb969ad72b6f5cbe"


@given(st.integers(0, 2**31))
def test_enlarge_agrees_with_torch(seed):
    images = np.random.default_rng(seed).integers(0, 17, (2, 8, 8))
    batch = torch.from_numpy(images)[:, None].double()  # (B, 1, 8, 8)
    large = torch.nn.functional.interpolate(batch, (20, 20), mode="bilinear", align_corners=False)
    expected = 255 / 16 * large[:, 0].numpy()
    assert np.abs(enlarge(images)[:, 4:24, 4:24] - expected).max() <= 0.5 + 1e-9


def test_enlarge_keeps_flat_grey_and_its_ends():
    flat = np.stack([np.full((8, 8), value) for value in (0, 8, 16)])
    large = enlarge(flat)
    assert [set(image[4:24, 4:24].ravel().tolist()) for image in large] == [{0}, {128}, {255}]
    assert large[2].sum() == 255 * 400


def test_enlarge_is_bilinear_at_a_known_pixel():
    image = np.zeros((1, 8, 8), np.int64)
    image[0, 0, 1] = 16
    # Pixel 2 of the box lies at 0.5 of the source, pixel 0 at -0.3 (clamped to 0).
    assert enlarge(image)[0, 4, 4 + 2] == 128
    assert enlarge(image)[0, 4, 4] == 0


@pytest.mark.parametrize("content", [b"1,2,3\n", b"a,b\n", b"\xff\xfe", b"1,2\n3\n", ((b"99," * 64) + b"1\n") * 1797])
def test_another_table_is_refused(tmp_path, content):
    (tmp_path / "digits.csv").write_bytes(content)
    with pytest.raises(UserError, match="not scikit-learn's table") as caught:
        read_digits(tmp_path)
    assert caught.value.where == str(tmp_path / "digits.csv")
    assert caught.value.why


# --- binarisation and splits ---


def test_binarize_turns_on_at_128():
    grey = np.array([[0, 127, 128, 255]], np.uint8)
    assert prep.binarize(grey, 0.5).tolist() == [[0, 0, 1, 1]]
    assert prep.binarize(grey, 0.5).dtype == np.uint8


def test_binarize_includes_the_threshold_itself():
    assert prep.binarize(np.array([50, 51, 52], np.uint8), 0.2).tolist() == [0, 1, 1]  # 51 = 0.2 * 255


def test_split_sizes_and_known_order():
    train, valid = prep.split(60_000, 0.2, 0)
    assert (len(train), len(valid)) == (48_000, 12_000)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, valid])), np.arange(60_000))
    train, valid = prep.split(10, 0.2, 0)  # pins numpy's stream: another one would be another study
    assert (train.tolist(), valid.tolist()) == ([4, 6, 2, 7, 3, 5, 9, 0], [8, 1])


@given(st.integers(2, 400), st.floats(0.01, 0.99), st.integers(0, 2**31 - 1))
def test_split_parts_are_disjoint_and_complete(n, fraction, seed):
    if not 0 < round(n * fraction) < n:
        with pytest.raises(UserError, match="cannot be split"):
            prep.split(n, fraction, seed)
        return
    train, valid = prep.split(n, fraction, seed)
    assert sorted([*train, *valid]) == list(range(n))


# --- subsets ---


def test_draw_subset_is_balanced_and_ordered_by_class():
    labels = np.random.default_rng(0).integers(0, 10, 500)
    drawn = prep.draw_subset(labels, 4, np.random.default_rng(1))
    assert labels[drawn].tolist() == [label for label in range(10) for _ in range(4)]
    assert len(set(drawn)) == 40
    more = prep.draw_subset(labels, 5, np.random.default_rng(1))
    assert [more[i] for i in range(50) if i % 5 < 4] == drawn


def test_too_few_images_of_a_class_name_the_key_and_the_counts():
    grey = made_up()
    with pytest.raises(UserError) as caught:
        prep.prepare(grey, small(probe_per_class=17, n_train=160))
    assert caught.value.where == "params.yaml:datasets.*.data.probe_per_class"
    assert "17 are wanted" in caught.value.why
    with pytest.raises(UserError, match="class 9 has 0 training images"):
        prep.draw_subset(np.arange(9), 1, np.random.default_rng(0), np.arange(10))


def test_more_subsets_keep_the_first_ones_and_the_probe():
    few, many = (prep.prepare(made_up(), small(mcas_subsets=count)).subsets for count in (2, 5))
    assert many["mcas"][:2] == few["mcas"]
    assert many["probe"] == few["probe"]
    assert len({tuple(part) for part in many["mcas"]}) == 5


# --- the whole ---


def test_prepare_follows_the_split_and_indexes_the_training_part():
    grey = made_up()
    prepared = prep.prepare(grey, small())
    train, valid = prep.split(200, 0.2, 0)
    np.testing.assert_array_equal(prepared.train_x, grey.train_x[train] >= 128)
    np.testing.assert_array_equal(prepared.valid_y, grey.train_y[valid])
    np.testing.assert_array_equal(prepared.test_x, grey.test_x >= 128)
    np.testing.assert_array_equal(prepared.test_y, grey.test_y)
    assert prepared.train_y[prepared.subsets["probe"]].tolist() == [c for c in range(10) for _ in range(3)]


def test_cuts_come_after_the_split_and_are_nested():
    grey, whole = made_up(), prep.prepare(made_up(), small())
    cut = prep.prepare(grey, small(n_train=120, n_valid=7, n_test=20))
    np.testing.assert_array_equal(cut.train_x, whole.train_x[:120])
    np.testing.assert_array_equal(cut.valid_x, whole.valid_x[:7])
    assert len(cut.test_x) == 20
    rows = {image.tobytes() for image in prep.prepare(grey, small(n_test=21)).test_x}
    assert {image.tobytes() for image in cut.test_x} < rows
    assert not np.array_equal(cut.test_y, grey.test_y[:20])  # a random part, not the easier first half


@pytest.mark.parametrize(("key", "most"), [("n_train", 160), ("n_valid", 40), ("n_test", 40)])
def test_asking_for_more_images_than_there_are(key, most):
    prep.prepare(made_up(), small(**{key: most}))
    with pytest.raises(UserError) as caught:
        prep.prepare(made_up(), small(**{key: most + 1}))
    assert caught.value.where == f"params.yaml:datasets.*.data.{key}"
    assert str(most) in caught.value.why


@pytest.mark.parametrize("key", ["split_seed", "subset_seed"])
def test_seeds_matter(key):
    first, other = (prep.prepare(made_up(), small(**{key: seed})) for seed in (0, 1))
    assert np.array_equal(first.train_x, other.train_x) == (key == "subset_seed")
    assert first.subsets != other.subsets


def test_save_and_load_round_trip_with_equal_bytes(tmp_path):
    prepared = prep.prepare(made_up(), small())
    for name in ("a", "b"):
        prep.save(prep.prepare(made_up(), small()), tmp_path / name)
    for file in (prep.IMAGES, prep.SUBSETS):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [prep.IMAGES, prep.SUBSETS]
    loaded = prep.load(tmp_path / "a")
    assert loaded.subsets == prepared.subsets
    for name in prep.ARRAYS:
        np.testing.assert_array_equal(getattr(loaded, name), getattr(prepared, name), strict=True)


def test_load_names_a_missing_or_damaged_file(tmp_path):
    with pytest.raises(UserError, match="missing"):
        prep.load(tmp_path)
    prep.save(prep.prepare(made_up(), small()), tmp_path)
    images, subsets = tmp_path / prep.IMAGES, tmp_path / prep.SUBSETS
    whole = images.read_bytes()
    images.write_bytes(whole[:-1])
    with pytest.raises(UserError, match="damaged"):
        prep.load(tmp_path)
    images.write_bytes(prep.to_bytes({"train_x": np.zeros(3, np.uint8)}))
    with pytest.raises(UserError, match="not a file of prepared images"):
        prep.load(tmp_path)
    images.write_bytes(whole)
    subsets.write_text('{"probe": [0]}')
    with pytest.raises(UserError, match="not a file of subsets"):
        prep.load(tmp_path)


def test_load_refuses_subsets_of_other_images(tmp_path):
    prepared = prep.prepare(made_up(), small())
    wrong = prepared.subsets | {"probe": [len(prepared.train_x)]}
    prep.save(dataclasses.replace(prepared, subsets=wrong), tmp_path)
    with pytest.raises(UserError, match="do not fit"):
        prep.load(tmp_path)
