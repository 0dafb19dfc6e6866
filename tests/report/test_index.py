"""reports/index.html: what it leads with, and that it opens anywhere without a network."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages import config, left_out, paths
from stages.analysis import paper, runtime
from stages.errors import UserError
from stages.figures import figure6
from stages.figures import runtime as drawn_runtime
from stages.report import index, notebooks
from tests import miniature

pytestmark = pytest.mark.integration  # each builds the whole report, which takes seconds

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]


def build(project: Path) -> dict[str, str]:
    """The pages of a project, also written into its reports."""
    for name in (*notebooks.FIGURES, index.OVERVIEW, "annotation"):
        miniature.write_figure_notebook(project, name)
    pages = index.build(project)
    (project / "reports" / "index.html").write_text(pages["index.html"], encoding="utf-8")
    return pages


@pytest.fixture(scope="module")
def whole(untouched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miniature with its report, that no test may change."""
    root = Path(shutil.copytree(untouched, tmp_path_factory.mktemp("whole") / "project"))
    build(root)
    return root


@pytest.fixture(scope="module")
def page(whole: Path) -> str:
    return (whole / "reports" / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def referenced(untouched: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A miniature with reference runs, and its pages."""
    root = Path(shutil.copytree(untouched, tmp_path_factory.mktemp("referenced") / "project"))
    miniature.write_reference(root)
    return root, build(root)


@pytest.fixture(scope="module")
def one_class(untouched: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A miniature whose dataset has one class, and its pages: rows of several are left out."""
    root = Path(shutil.copytree(untouched, tmp_path_factory.mktemp("one-class") / "project"))
    miniature.write_reference(root)
    why = "needs two or more classes; synthetic has nucleus"
    skipped = {name: why for name, row in config.load(root).rows.items() if row.classes != "one"}
    for name in skipped:
        paths.result(name, root).unlink(missing_ok=True)
        left_out.write(paths.train(name, 0, root), why)
        left_out.write(paths.evaluate(name, 0, root), why)
    file = paths.results(root) / left_out.FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | skipped))
    for file in paths.results(root).glob("*-*.json"):
        file.write_text(file.read_text().replace('"car"', '"nucleus"'))
    return root, build(root)


def test_what_a_dataset_cannot_fill_is_left_out_and_said(one_class):
    root, pages = one_class
    page = pages["index.html"]
    assert "Table 3 on" not in page
    said = re.search(r'<p class="note">Left out on synthetic street scenes: (.*?)</p>', page)[1]
    assert "<code>ce-500</code>" in said and "(needs two or more classes; synthetic has nucleus)" in said
    assert "literal recipe collapses (nucleus IoU 4 %)" in page
    assert "Table 1 on" in page and "Table 2 on" in page
    shown = {name.removeprefix("claims/").removesuffix(".html") for name in pages if name.startswith("claims/")}
    assert shown == {one.id for one in paper.load_claims(root).claims}
    several = pages["claims/several-near-full.html"]
    assert "not applicable" in several and "Needs two or more classes; synthetic has nucleus." in several
    for link in re.findall(r'href="(claims/[^"]+)"', page):
        assert link in pages


def test_a_figure_of_rows_that_were_left_out_says_so_in_its_place(one_class):
    root, _ = one_class
    picture = figure6.draw("synthetic", 0, root)
    assert picture.alt == (
        "Not shown on synthetic street scenes: ce-bootstrap-500-2280 was left out, needs two or more classes; "
        "synthetic has nucleus."
    )
    assert picture.png().startswith(b"\x89PNG")


def test_the_page_leads_with_the_answer_the_picture_and_the_chart(page: str):
    assert re.findall(r'<section id="(\w+)"', page) == [
        "tables", "boxes", "figures", "claims", "resolutions", "data", "made", "labels", "cost"
    ]  # fmt: skip
    order = [page.index(text) for text in ('class="answer"', 'class="front"', 'class="chart"', 'id="shares-title"')]
    assert order == sorted(order) and order[-1] < page.index('<section id="tables"')


def test_a_recipe_is_shown_without_what_one_row_overrides(page: str):
    paper_recipe = page.split("<h3>Recipe <code>paper</code>")[1].split("<h3>")[0]
    assert re.search(r"<dt>warmup share</dt><dd>([\d.]+)</dd>", paper_recipe)[1] == "0.0"  # 0.3 in a row of its own


def test_the_answer_and_the_shares_are_those_of_the_miniature(page: str):
    """Its IoU lies 15 below the paper's, so its gap and what the stable recipe closes of it are the paper's."""
    answer = re.search(r'<h1 class="answer">(.*?)</h1>', page)[1]
    assert "closes 92 % of the gap of 17.5 points" in answer
    assert "the literal recipe collapses (car IoU 4 %)" in answer
    assert "the paper reports 92 % of 17.5 points on Cityscapes" in answer
    others = re.search(r'<p class="verdict">(.*?)</p>', page)[1]
    assert others == (
        "Over the same uncertainty without flips, label flips add −45.8 points with the literal recipe and +20.5 with "
        "the stable one. Over the masks alone, without any box, the method adds −59.3 points with the literal recipe "
        "and +6.9 with the stable one."
    )
    lines = re.findall(r'<tr><th scope="row">([^<]*)</th><td class="paper">([^<]*)</td>\s*<td>([^<]*)</td>', page)
    found = {name: (paper, here) for name, paper, here in lines}
    assert found["The method, stable recipe"] == ("92 %", "92 %")
    assert found["In-box regression with uncertainty"] == ("78 %", "78 %")
    assert found["BCE with uncertainty, no flips"] == ("–", "-25 %")
    assert found["The gap: full supervision − plain BCE, mixed"] == ("17.5 points", "17.5 points")


def test_a_run_without_a_gap_says_that_there_is_little_to_win(project: Path):
    file = project / "results" / "bce-500-2280.json"
    content = json.loads(file.read_text())
    content["runs"][0]["iou"]["car"] = 71.0
    file.write_text(json.dumps(content))
    page = build(project)["index.html"]
    answer = re.search(r'<h1 class="answer">(.*?)</h1>', page)[1]
    assert answer.startswith("On synthetic street scenes the method has little to win: plain BCE on mixed labels is")
    assert "within 0.9 points of full supervision, and the literal recipe collapses" in answer


def test_with_one_seed_no_claim_has_a_badge(page: str):
    section = page[page.index('<section id="claims"') : page.index('<section id="resolutions"')]
    assert "agrees, one seed" in section and "differs, one seed" in section
    badges = re.findall(r'class="badge (\w+)"', section)
    assert set(badges) == {"undecided"}  # rows that nothing trained: no measure, so no direction either
    assert len(badges) < 12


def test_reference_runs_come_first_with_their_verdicts_and_criteria(page: str, referenced):
    assert "With more seeds" not in page
    _, built = referenced
    text = built["index.html"]
    section = text[text.index('<section id="claims"') : text.index('<section id="resolutions"')]
    assert section.index("With more seeds") < section.index("What this project asks") < section.index("This run")
    counts = re.search(r"With the literal recipe, of (\d+) claims (\d+) reproduced", section)
    assert counts and 0 < int(counts[2]) < int(counts[1])
    assert "synthetic street scenes</strong> (2 to 2 seeds a row)" in section
    line = next(line for line in section.split("<tr>") if "bootstrapping-beats-masks.html" in line)
    assert re.findall(r"badge [a-z]+\">(?:. )?([a-z ]+)<", line) == ["not reproduced", "reproduced"]
    assert '<span class="whole">n = 2</span>' in line
    line = next(line for line in section.split("<tr>") if "500 masks and boxes beat the masks alone" in line)
    assert "✓ met" in line
    claim = built["claims/bootstrapping-beats-masks.html"]
    assert claim.count("synthetic street scenes, stable") == 2  # table, alternative text
    assert claim.count("<img") == 2


def test_the_report_says_of_every_dataset_whether_there_is_a_gap_to_close(page: str, referenced):
    table = page[page.index('id="regime"') : page.index("A reproduction of")]
    assert table.count('<th scope="row">') == 4
    assert table.count("one seed</span>") == 4
    both = referenced[1]["index.html"]
    table = both[both.index('id="regime"') : both.index("A reproduction of")]
    assert len(re.findall(r'badge (met|missed)"', table)) == 4


def test_other_methods_stand_side_by_side_with_an_answer(page: str, referenced):
    assert "Boxes to masks" not in page  # no training of another method is committed
    text = referenced[1]["index.html"]
    section = text[text.index('<section id="methods"') :].split("</section>")[0]
    assert "With these labels on synthetic street scenes, " in section and " is best: " in section
    assert "self-training-500-2280" in section and "grabcut-500-2280" in section and "MCG [13]" in section
    assert '<a href="#methods">' in text and '<a href="#methods">' not in page


def test_a_recipe_without_a_verdict_leaves_its_cell_empty(with_reference: Path):
    folder = with_reference / "reference" / "runs" / "synthetic"
    for tau in (1.0, 10.0):
        run = json.loads((folder / "bootstrap-500-2280-0.json").read_text())
        name = f"bootstrap-500-2280-tau-{tau:g}"
        (folder / f"{name}-0.json").write_text(json.dumps(run | {"variant": name, "settings": {"tau": tau}}))
    text = build(with_reference)["index.html"]
    line = next(line for line in text.split("<tr>") if "small-tau-collapses.html" in line)
    assert re.search(r'stable">–</td>', line)


def test_every_title_of_results_names_the_dataset(page: str):
    headings = re.findall(r"<h[123][^>]*>(.*?)</h[123]>", page)
    about_results = [h for h in headings if h.startswith(("Tables", "Flips", "This run", "The data"))]
    assert len(about_results) == 4
    assert all("synthetic street scenes" in text for text in about_results)
    assert "not on Cityscapes" in page


def test_one_seed_is_called_no_verdict(page: str):
    assert "a direction, no verdict" in page
    assert "n = 1" in page


def test_several_seeds_are_shown_with_their_spread(tmp_path: Path):
    root = miniature.make(tmp_path / "project", seeds=(0, 1))
    page = build(root)["index.html"]
    assert "a direction, no verdict" not in page
    assert "72.40 ± 0.71" in page


def test_the_page_says_which_labels_to_buy_and_at_what_price(page: str):
    shown = page[page.index('<section id="labels"') : page.index('<section id="cost"')]
    assert "Nuclei: masks on 18 % of the images give 96 % of full supervision" in shown
    assert "A box takes 7 s, a mask 79 s (params.yaml)" in shown
    assert "annotation.html" in shown


def test_the_figures_come_from_their_notebooks_with_their_alternative_texts(whole: Path, page: str):
    found = re.findall(r'<img src="data:image/png;base64,[^"]+" alt="([^"]+)"', page)
    assert found[0].startswith("One validation image of synthetic street scenes, its true mask")
    assert found[1].startswith("Bar chart of Table 2 on synthetic street scenes")
    assert found[2:] == [
        "what tables shows",
        *(f"what figure{n} shows" for n in range(1, 7)),
        "what annotation shows",
        drawn_runtime.draw(runtime.load(whole)).alt,
    ]


def test_provenance_names_device_time_versions_and_commit(page: str):
    for text in ("x86_64", "1 min 02 s", "2.13.0", "0123456789abcdef", "seed", "0.0015, polynomial"):
        assert text in page


def test_nothing_on_the_page_points_outside(page: str):
    addresses = re.findall(r'(?:href|src)="([^"]*)"', page)
    outside = [
        a
        for a in addresses
        if not re.match(r"data:|#|(figure\d|collapse|stability|annotation)\.html$|claims/[a-z-]+\.html$", a)
    ]
    assert outside == []
    assert "<script" not in page
    assert "url(" not in page


def test_the_page_is_the_same_bytes_again(page: str, whole: Path):
    assert index.build(whole)["index.html"] == page


def test_a_figure_that_was_not_drawn_is_one_line(project: Path):
    for name in (*notebooks.FIGURES, index.OVERVIEW, "annotation"):
        miniature.write_figure_notebook(project, name)
    (project / "reports" / "figure3.ipynb").unlink()
    with pytest.raises(UserError, match=r"^reports/figure3\.ipynb is missing: `dvc repro figure3` makes it$"):
        index.build(project)


@pytest.mark.parametrize(
    ("seconds", "text"), [(7.4, "7 s"), (59.7, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")]
)
def test_durations_are_said_as_people_do(seconds, text):
    assert index._duration(seconds) == text


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("media", ["screen", "print"])
def test_the_page_opens_offline_and_fits(browser, whole: Path, width: int, media: str):
    context = browser.new_context(viewport={"width": width, "height": 900})
    context.set_offline(True)
    tab = context.new_page()
    problems: list[str] = []
    tab.on("console", lambda message: problems.append(message.text))
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("requestfailed", lambda request: problems.append(request.url))
    tab.emulate_media(media=media)
    tab.goto((whole / "reports" / "index.html").as_uri())
    assert problems == []
    if media == "screen":
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
    pictures = tab.evaluate("[...document.images].map(i => [i.alt, i.naturalWidth])")
    assert len(pictures) == 11
    assert all(alt and size for alt, size in pictures)
    context.close()


def opened(browser, project: Path, width: int, height: int, scheme: str = "light"):
    """A tab with the page of a project, as large as a screen."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    tab = context.new_page()
    tab.goto((project / "reports" / "index.html").as_uri())
    return tab


BOTTOM = "s => document.querySelector(s).getBoundingClientRect().bottom"


@pytest.mark.browser
@pytest.mark.parametrize(
    ("width", "height", "shown"),
    [(1280, 800, (".answer", ".front img", ".chart img", ".chart figcaption")), (390, 844, (".answer", ".front img"))],
)
def test_the_first_screen_has_the_answer_and_what_it_looks_like(browser, whole, width, height, shown):
    tab = opened(browser, whole, width, height)
    assert {part: tab.evaluate(BOTTOM, part) <= height for part in shown} == dict.fromkeys(shown, True)


@pytest.mark.browser
def test_the_navigation_stays_and_leads_to_every_section(browser, whole):
    for width in (1280, 390):
        tab = opened(browser, whole, width, 800)
        tab.evaluate("document.querySelector('#claims').scrollIntoView()")
        top = tab.evaluate("document.querySelector('nav.side').getBoundingClientRect().top")
        assert top == 0 and tab.evaluate("scrollY") > 0
        dead = tab.evaluate(
            "[...document.querySelectorAll('a[href^=\"#\"]')].filter(a => !document.querySelector(a.hash))"
        )
        assert dead == []


@pytest.mark.browser
def test_the_keyboard_reaches_the_content_and_every_region_that_scrolls(browser, whole):
    tab = opened(browser, whole, 390, 844)
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    assert tab.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    tab.keyboard.press("Enter")
    assert tab.evaluate("location.hash") == "#main"
    stuck = tab.evaluate(
        "[...document.querySelectorAll('.scroll, .picture')]"
        ".filter(e => e.scrollWidth > e.clientWidth && e.tabIndex < 0).length"
    )
    assert stuck == 0


CONTRASTS = """() => {
  const light = c => { const p = c.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * p[0] + .7152 * p[1] + .0722 * p[2]; };
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
  const low = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.getClientRects().length) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color).slice(0, 3)), light(behind(e))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) low.push(e.tagName + '.' + e.className + ': ' + e.textContent.trim().slice(0, 40));
  }
  return low; }"""


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_background(browser, referenced, scheme):
    tab = opened(browser, referenced[0], 1280, 800, scheme)
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert tab.evaluate(CONTRASTS) == []
