"""The page in a real browser: no errors, no broken link, and all that a reader does with mouse, keys or a telephone."""

import json
from itertools import pairwise

import pytest

pytestmark = pytest.mark.browser
OPEN = "document.querySelector('dialog').open"
TITLE = "document.getElementById('audit-title').textContent"
TEXT = "document.querySelector('.audit-body').textContent"
NUMBER = "#table-T4 .view[data-view=grid] [data-cell]"
COLUMN = """[...document.querySelectorAll('#table-T4 .grid tbody tr')].map(r => r.cells[{}].dataset.sort ?? '')"""
# Of all elements that show text of their own: the least contrast between it and what is behind it (WCAG).
CONTRAST = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = (c) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
  const linear = (v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map(v => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const found = [];
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some(c => c.nodeType === 3 && c.textContent.trim());
    if (!own || !node.checkVisibility() || node.closest('svg, script, .sr, .skip')) continue;
    let back = node, behind = [0, 0, 0, 0];
    while (back && (behind = rgb(getComputedStyle(back).backgroundColor))[3] < 1) back = back.parentElement;
    const [a, b] = [light(rgb(getComputedStyle(node).color)), light(behind)].sort((x, y) => y - x);
    found.push([(a + .05) / (b + .05), `${node.tagName}.${node.className} ${node.textContent.trim().slice(0, 30)}`]);
  }
  return found.sort((x, y) => x[0] - y[0]).slice(0, 3).concat([[found.length, 'count']]);
})()"""
WIDE = "[document.documentElement.scrollWidth, document.body.scrollWidth]"
FOCUS = "document.activeElement.dataset.cell || document.activeElement.id || document.activeElement.className"


def test_every_link_and_picture_and_sound_is_there(reader):
    links = reader.look("[...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href'))")
    assert len(links) > 10
    missing = "(href) => !href.startsWith('#') || !document.getElementById(href.slice(1))"
    assert reader.look(f"{json.dumps(links)}.filter({missing})") == []
    reader.look("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
    reader.until("[...document.images].every(i => i.complete && i.naturalWidth > 0) && document.images.length === 4")
    reader.until("[...document.querySelectorAll('audio')].every(a => a.readyState > 0 && a.duration > 0.09)")
    assert reader.look("document.querySelectorAll('audio').length") == 12  # two pairs of two, and 2 x 2 conversions
    outside = (
        "[...document.querySelectorAll('[src], link')].map(e => e.src || e.href).filter(u => !u.startsWith('data:'))"
    )
    assert reader.look(outside) == []


def test_every_number_has_its_record(reader):
    cells = "[...document.querySelectorAll('[data-cell]')].map(b => b.dataset.cell)"
    known = "Object.keys(JSON.parse(document.getElementById('records').textContent).cells)"
    assert reader.look(f"{cells}.length") > 150
    assert reader.look(f"(known => {cells}.filter(c => !known.includes(c)))({known})") == []
    bare = "[...document.querySelectorAll('.grid tbody td.r:not([data-words])')].map(c => c.textContent)"
    assert [text for text in reader.look(bare) if "." in text and not text.startswith("0.")] == []  # but for gamma


def test_a_number_opens_its_record_and_closes_again(reader):
    reader.click(NUMBER)
    reader.until(OPEN)
    assert reader.look(TITLE) == "T4[vanilla,0.0].nelbo"
    text = reader.look(TEXT)
    for part in ("57", "n 3 of 3", "Seed", "Weights", "runs/evaluate/mnist-vanilla/s2", "resolved",
                 "data/prepared/mnist", "Code digest", "Environment", "Lock file", "cmivae audit t4.vanilla.g0.0.nelbo",
                 "cmivae verify t4.vanilla.g0.0.nelbo --level L3", "snakemake --cores all"):  # fmt: skip
        assert part in text, part
    assert reader.look("location.hash") == "#audit:t4.vanilla.g0.0.nelbo"
    assert reader.look(FOCUS) == "audit-title"
    for _ in range(12):  # focus stays inside, whatever is behind
        reader.press("Tab", 9)
        assert reader.look("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    reader.press("Escape", 27)
    reader.until(f"!{OPEN}")
    assert reader.look(FOCUS) == "T4[vanilla,0.0].nelbo"
    reader.click(NUMBER)
    reader.until(OPEN)
    reader.click("dialog .close")
    reader.until(f"!{OPEN}")


def test_a_record_opens_by_keyboard_and_by_its_address(reader, page):
    reader.look(f"document.querySelector({json.dumps(NUMBER)}).focus()")
    reader.press("Enter", 13, "\r")
    reader.until(OPEN)
    assert reader.look(TITLE) == "T4[vanilla,0.0].nelbo"
    reader.open(page, "#audit:t1.cmi.g0.4.eer_z")
    reader.until(OPEN)
    assert reader.look(TITLE) == "T1[cmi,0.4].eer_z"


def test_a_failed_number_says_which_seed(reader):
    reader.look("document.querySelector('#table-T4 [data-cell=\"T4[mi,0.3].aolr\"]').click()")
    reader.until(OPEN)
    assert "FAILED seeds: 1" in reader.look(TEXT)


def test_a_table_is_sorted_by_its_heads(reader):
    head = "#table-T4 .grid thead th:nth-child(6)"  # mCAS
    before = reader.look(COLUMN.format(5))
    reader.click(f"{head} button")
    rising = reader.look(COLUMN.format(5))
    assert sorted(rising) == sorted(before)
    assert rising != before
    numbers = [float(value) for value in rising if value]
    assert numbers == sorted(numbers)
    assert rising[len(numbers) :] == [""] * (len(before) - len(numbers))  # what has no value stays at the end
    assert reader.look(f"document.querySelector('{head}').ariaSort") == "ascending"
    reader.look(f"document.querySelector('{head} button').focus()")
    reader.press("Enter", 13, "\r")
    falling = reader.look(COLUMN.format(5))
    assert [float(value) for value in falling if value] == numbers[::-1]
    assert falling[len(numbers) :] == rising[len(numbers) :]


def test_rows_are_found_by_model_number_and_verdict(reader):
    rows = "[...document.querySelectorAll('#table-T4 .{} tbody tr')].filter(r => r.checkVisibility()).length"
    found = "document.querySelector('#table-T4 output').textContent"
    whole = reader.look(rows.format("grid"))
    assert reader.look(rows.format("list")) == 0
    reader.click("#table-T4 input")
    reader.write("cmi 0.3")
    assert reader.look(rows.format("grid")) == 1
    assert reader.look(found) == f"1 of {whole} rows"
    reader.click("#table-T4 [data-show=list]")
    assert reader.look(rows.format("grid")) == 0
    assert reader.look(rows.format("list")) == 9
    reader.look("document.querySelector('#table-T4 input').value = ''")
    reader.click("#table-T4 input")
    reader.write("differs")
    rows_shown = "[...document.querySelectorAll('#table-T4 .list tbody tr')].filter(r => r.checkVisibility())"
    words = f"{rows_shown}.map(r => r.cells[8].textContent.trim())"
    assert set(reader.look(words)) == {"≠differs"}
    reader.write(" no such row")
    assert reader.look(rows.format("list")) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(reader, scheme):
    reader.window(1280, 900, scheme)
    reader.look("document.querySelectorAll('details').forEach(d => d.open = true)")
    colour = reader.look("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(part) for part in colour[4:-1].split(",")) > 380) == (scheme == "light")
    *worst, (count, _) = reader.look(CONTRAST)
    assert count > 300
    assert [each for each in worst if each[0] < 4.5] == []
    reader.click(NUMBER)
    assert [each for each in reader.look(CONTRAST)[:3] if each[0] < 4.5] == []


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_is_wider_than_a_telephone(reader, width):
    reader.window(width, 844)
    assert max(reader.look(WIDE)) <= width
    reader.look("document.querySelectorAll('details').forEach(d => d.open = true)")
    reader.look("document.querySelectorAll('[data-show=list]').forEach(b => b.click())")
    assert max(reader.look(WIDE)) <= width
    reader.click("#table-T4 .list [data-cell]")
    reader.until(OPEN)
    assert reader.look("document.querySelector('.audit-body').scrollWidth <= innerWidth")
    assert reader.look("document.querySelector('dialog').getBoundingClientRect().right") <= width
    assert max(reader.look(WIDE)) <= width


def test_it_is_readable_by_a_screen_reader(reader):
    nodes = reader.call("Accessibility.getFullAXTree")["nodes"]
    seen = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    must = {"button", "link", "searchbox", "textbox", "table", "image", "img", "region", "heading", "Audio"}
    assert [each for each in seen if each[0] in must and not each[1].strip()] == []
    assert {"main", "navigation", "table", "heading", "button"} <= {role for role, _ in seen}
    levels = reader.look(
        "[...document.querySelectorAll('main h1, main h2, main h3, main h4, main h5')].map(h => +h.tagName[1])"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert (
        reader.look(
            "[...document.querySelectorAll('table')].filter(t => !t.caption || !t.caption.textContent.trim()).length"
        )
        == 0
    )
    assert reader.look("document.querySelectorAll('th:not([scope])').length") == 0
    assert reader.look("document.documentElement.lang") == "en"
    ids = reader.look("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


def test_the_first_key_leads_past_the_navigation(reader):
    reader.press("Tab", 9)
    assert reader.look("document.activeElement.className") == "skip"
    assert reader.look("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    reader.press("Enter", 13, "\r")
    assert reader.look(FOCUS) == "main"


def test_it_can_be_printed(reader):
    assert reader.pdf().startswith(b"%PDF")
    reader.window(800, 1100, media="print")
    shown = "[...document.querySelectorAll('{}')].filter(e => e.checkVisibility()).length"
    assert reader.look(shown.format(".toc, .tools, audio, dialog")) == 0
    assert reader.look(shown.format("#table-T4 .view")) == 2  # the table, and every number beside the paper's
    assert max(reader.look(WIDE)) <= 800


def test_it_can_be_read_without_scripts(reader, page):
    reader.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        reader.open(page)
        assert reader.look("document.querySelectorAll('.view').length") == 4
        assert reader.look("[...document.querySelectorAll('.view')].every(v => v.checkVisibility())")
        assert not reader.look("document.querySelector('.tools').checkVisibility()")
    finally:
        reader.call("Emulation.setScriptExecutionDisabled", value=False)


def test_text_of_the_study_is_text(reader):
    assert reader.look("document.querySelector('#table-T1 h3').textContent").endswith("Verification <b>& more</b>")
    assert reader.look("document.querySelector('#table-T1 h3 b')") is None
