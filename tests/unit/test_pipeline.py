"""The picture of the pipeline is what its script draws, and it names what the study has."""

import importlib.util
import xml.etree.ElementTree as ElementTree

import tiny

from cmivae.provenance.specs import STAGES

DOCS = tiny.REPOSITORY / "docs"


def drawn() -> str:
    spec = importlib.util.spec_from_file_location("make_pipeline", DOCS / "make_pipeline.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main()


def test_the_picture_is_what_the_script_draws():
    kept = (DOCS / "pipeline.svg").read_text(encoding="utf-8")
    assert drawn() == kept, "python docs/make_pipeline.py > docs/pipeline.svg"


def test_it_names_every_stage_and_needs_nothing_from_elsewhere():
    text = (DOCS / "pipeline.svg").read_text(encoding="utf-8")
    words = " ".join(ElementTree.fromstring(text).itertext())
    assert all(stage in words for stage in STAGES)
    assert "63 configurations × 3 seeds = 189 runs" in words
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "prefers-color-scheme: dark" in text
