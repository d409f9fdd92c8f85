"""Extensions on the page: configurations that differ in a key of their own alone are called and heard apart."""

import base64

import made_up
import pytest

from cmivae.audit.book import Book
from cmivae.report.pictures import voices
from cmivae.report.training import trainings

CONFIGS = """
  timit-cmi-alpha-a2-g040: {dataset: timit, objective: cmi-alpha, gamma: 0.4, alpha: 2.0}
  timit-cmi-alpha-a3-g040: {dataset: timit, objective: cmi-alpha, gamma: 0.4, alpha: 3.0}
tables:"""
KEYS = "timit-cmi-alpha-a2-g040", "timit-cmi-alpha-a3-g040"
TITLES = "CMI-VAE, α 2, γ 0.4", "CMI-VAE, α 3, γ 0.4"


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    folder = tmp_path_factory.mktemp("variants") / "space"
    text = made_up.TEXT.replace("label: paper", "label: other").replace("\ntables:", CONFIGS)
    made_up.build(folder, text.replace("configs: [timit-beta-g040,", f"configs: [{', '.join(KEYS)},"))
    return Book(folder)


def test_two_alphas_at_one_gamma_are_heard_apart(book):
    folder = book.workspace / "results/figures/F6"
    for key in KEYS:
        for path in (folder / f"{key}-s0").glob("*.wav"):
            path.write_bytes(f"{key} {path.name}".encode())
    (found,) = voices(book, drawn=True)
    for pair in found.pairs:
        heard = {sound.heading: base64.b64decode(sound.uri.partition(",")[2]).decode(errors="replace")
                 for sound in pair.sounds}  # fmt: skip
        for key, title in zip(KEYS, TITLES, strict=True):
            assert heard[f"Converted: {title}"].startswith(key)
            assert heard[f"Reconstruction: {title}"].startswith(key)
    assert [sheet.title for sheet in found.sheets][:2] == list(TITLES)


def test_their_curves_are_called_apart(book):
    titles = {each.key: each.title for each in trainings(book, {})["timit"]}
    assert tuple(titles[key] for key in KEYS) == TITLES
    assert titles["timit-vanilla"] == "DSAE (γ 0)"
    assert titles["timit-cmi-g040"] == "CMI-VAE, γ 0.4"
