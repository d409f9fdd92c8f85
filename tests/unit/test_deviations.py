"""docs/deviations.md: every key is in the documentation, every link leads somewhere, tables are what was measured."""

import importlib.util
import re

import pytest
import tiny

from cmivae.study import params as study
from cmivae.study.params import BLOCKS, Strict

DOCS = tiny.REPOSITORY / "docs"
TEXT = (DOCS / "deviations.md").read_text()
ANCHORS = re.findall(r'<a id="([^"]+)"></a>', TEXT)


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_deviations", DOCS / "make_deviations.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def keys(block, prefix=""):
    """Dotted keys of a block and of the blocks in it."""
    for name, field in block.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Strict):
            yield from keys(inner, f"{prefix}{name}.")
        else:
            yield prefix + name


def test_every_key_that_changes_a_number_is_in_the_documentation():
    text = "\n".join(path.read_text() for path in DOCS.glob("*.md"))
    text = re.sub(r"(?ms)^```.*?^```", "", text)
    named = set(re.findall(r"`([^`\n]+)`", text))
    words = {word for each in named for word in re.split(r"[^\w.]+", each)}
    found = {key for block in BLOCKS.values() for key in keys(block)}
    assert len(found) > 60
    missing = sorted(key for key in found if key not in words and key.rpartition(".")[2] not in words)
    assert missing == []


def test_links_and_contents_are_whole():
    assert len(set(ANCHORS)) == len(ANCHORS)
    linked = set(re.findall(r"\]\(#([^)]+)\)", TEXT))
    assert linked <= set(ANCHORS)
    contents = re.findall(r"^\| \[([DO]\d+)\]\(#\1\) \|", TEXT.partition("\n## Errata")[0], flags=re.MULTILINE)
    assert sorted(contents) == sorted(a for a in ANCHORS if re.fullmatch(r"[DO]\d+", a))
    numbers = sorted(int(name[1:]) for name in contents if name[0] == "D")
    assert numbers == list(range(1, len(numbers) + 1))
    for path in re.findall(r"\]\(([\w-]+\.(?:md|csv))", TEXT):
        assert (DOCS / path).is_file()


def test_effects_are_those_that_were_measured(script):
    shown = TEXT.partition("<!-- effects -->\n")[2].partition("\n<!-- /effects -->")[0]
    assert shown == script.tables(), "python docs/make_deviations.py, between the two marks"
    rows = script.read()
    assert len(rows) > 40
    for row in rows:
        difference = float(row["theirs"]) - float(row["ours"])
        assert float(row["difference"]) == pytest.approx(difference, abs=2e-3 * max(1, abs(difference)))
    flagged = set(re.findall(r"^\| \[([DO]\d+)\]\(#\1\) .*\| (?:.*, )?demo \|$", TEXT, flags=re.MULTILINE))
    assert {row["entry"] for row in rows} <= flagged


def test_every_alternative_is_one_that_the_demo_can_have(script):
    demo = tiny.REPOSITORY / "demo"
    for entry, dataset, key, value in script.ALTERNATIVES:
        params, default = script.changed(demo, dataset, script.CONFIGS[dataset], key, value)
        block = study.Params.model_validate(params, strict=False).datasets[dataset]
        assert getattr(getattr(block, key.split(".")[0]), key.split(".")[1]) == value != default
        assert entry in ANCHORS
