"""Links in the documentation: every file and every heading that a page names is there."""

import re
from pathlib import Path

import pytest
import tiny

SKIPPED = {".venv", ".pytest_cache", ".snakemake", ".git", "node_modules", "results", "runs"}
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^()\s<>]+(?:\([^()\s]*\))?)>?(?:\s+\"[^\"]*\")?\s*\)")
TAG = re.compile(r"<(?:img|source|a)\b[^>]*?(?:src|srcset|href)=\"([^\"]+)\"")
FENCE = re.compile(r"^(```|~~~).*?^\1", flags=re.MULTILINE | re.DOTALL)
ELSEWHERE = ("http://", "https://", "mailto:")


def pages() -> list[Path]:
    """All Markdown files of the repository, without those that are made."""
    found = [path for path in tiny.REPOSITORY.rglob("*.md") if not path.is_symlink()]
    return sorted(path for path in found if not SKIPPED & set(path.relative_to(tiny.REPOSITORY).parts))


def links(text: str) -> list[str]:
    """Targets of a page's links and pictures, code left out."""
    prose = re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))
    return LINK.findall(prose) + TAG.findall(prose)


def anchors(text: str) -> set[str]:
    """The fragments that GitHub gives to a page's headings, and those written as ``id`` or ``name``."""
    found: dict[str, int] = {}
    names = set(re.findall(r"<[^>]*\b(?:id|name)=\"([^\"]+)\"", text))
    for heading in re.findall(r"^#{1,6} +(.+?)(?: +#+)?$", FENCE.sub("", text), flags=re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        count = found.get(slug, 0)
        found[slug] = count + 1
        names.add(f"{slug}-{count}" if count else slug)
    return names


def broken(page: Path, text: str) -> list[str]:
    """Links of a page that lead nowhere."""
    found = []
    for link in links(text):
        if link.startswith(ELSEWHERE):
            continue
        name, _, fragment = link.partition("#")
        target = page.parent / name if name else page
        if name and not (target.resolve().is_relative_to(tiny.REPOSITORY) and target.exists()):
            found.append(f"{link}: no such file")
        elif fragment and target.suffix == ".md":
            content = text if target == page else target.read_text(encoding="utf-8")
            found += [] if fragment in anchors(content) else [f"{link}: no such heading"]
    return found


@pytest.mark.parametrize("page", pages(), ids=lambda path: str(path.relative_to(tiny.REPOSITORY)))
def test_links_lead_somewhere(page):
    assert broken(page, page.read_text(encoding="utf-8")) == []


def test_there_are_pages_and_links():
    texts = {str(page.relative_to(tiny.REPOSITORY)): page.read_text(encoding="utf-8") for page in pages()}
    assert {"README.md", "CONTRIBUTING.md", "docs/extending.md", "docs/checklists.md"} <= texts.keys()
    assert sum(len(links(text)) for text in texts.values()) > 50


def test_a_broken_link_is_found(tmp_path):
    page = tiny.REPOSITORY / "docs/x.md"
    text = (
        "# One `two`\n[a](extending.md) [b](nothing.md) [c](#one-two) [d](#three)\n```\n[e](no.md)\n```\n`[f](no.md)`"
    )
    assert broken(page, text) == ["nothing.md: no such file", "#three: no such heading"]
    assert broken(page, "![x](../docs/no.png)") == ["../docs/no.png: no such file"]
    assert broken(page, '<img src="no.svg">') == ["no.svg: no such file"]
    assert broken(page, "[x](extending.md#a-model) [y](extending.md#a-muddle)") == [
        "extending.md#a-muddle: no such heading"
    ]
