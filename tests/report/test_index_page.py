"""reports/index.html: what it leads with, and that it opens anywhere without a network."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import miniature
import pytest

from stages.params import UserError
from stages.report import costs, index, runner

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]


@pytest.fixture
def page(project: Path) -> str:
    for name in (*runner.FIGURES, index.OVERVIEW):
        miniature.write_figure_notebook(project, name)
    return index.build(project)["index.html"]


def test_the_page_leads_with_what_was_reproduced(page: str):
    sections = re.findall(r'<section id="(\w+)"', page)
    assert sections == ["reproduced", "tables", "boxes", "figures", "resolutions", "data", "made", "cost"]
    assert page.index("With the stable recipe, ") < page.index('<section id="reproduced"')


def test_committed_trainings_follow_with_their_verdicts_and_bars(page: str, finals: Path):
    assert "With more seeds" not in page
    for name in (*runner.FIGURES, index.OVERVIEW):
        miniature.write_figure_notebook(finals, name)
    built = index.build(finals)
    text = built["index.html"]
    section = text[text.index('<section id="committed"') : text.index('<section id="tables"')]
    top = text[: text.index('<section id="reproduced"')]
    assert 'href="#committed"' in top
    counts = re.search(r"</strong> With the literal recipe, of (\d+) claims (\d+) reproduced", top)
    assert counts and 0 < int(counts[2]) < int(counts[1])
    assert "On drawn street scenes (synthetic) every row has 2 seeds." in section
    line = next(line for line in section.split("<tr>") if "bootstrapping-beats-masks.html" in line)
    assert re.findall(r"badge [a-z]+\">(?:. )?([a-z ]+)<", line) == ["not reproduced", "reproduced"]
    assert '<span class="whole">n = 2</span>' in line
    line = next(line for line in section.split("<tr>") if "500 masks and boxes beat the masks alone" in line)
    assert "✓ met" in line
    claim = built["claims/bootstrapping-beats-masks.html"]
    assert claim.count("drawn street scenes (synthetic), stable") == 2  # table, alternative text
    assert claim.count("<img") == 2


def test_a_recipe_without_a_verdict_leaves_its_cell_empty(finals: Path):
    for name in (*runner.FIGURES, index.OVERVIEW):
        miniature.write_figure_notebook(finals, name)
    folder = finals / "reference" / "finals" / "synthetic"
    for tau in (1.0, 10.0):
        run = json.loads((folder / "bootstrap-500-2280-0.json").read_text())
        name = f"bootstrap-500-2280-tau-{tau:g}"
        (folder / f"{name}-0.json").write_text(json.dumps(run | {"variant": name, "settings": {"tau": tau}}))
    text = index.build(finals)["index.html"]
    line = next(line for line in text.split("<tr>") if "small-tau-collapses.html" in line)
    assert re.search(r'stable recipe">–</td>', line)


def test_every_title_names_the_dataset(page: str):
    title = re.search(r"<title>(.*?)</title>", page)[1]
    headings = re.findall(r"<h[12][^>]*>(.*?)</h[12]>", page)
    about_results = [h for h in headings if not h.startswith(("How", "Figures"))]
    assert all("drawn street scenes (synthetic)" in text for text in [title, *about_results])
    assert "not on Cityscapes" in page


def test_one_seed_is_called_no_verdict(page: str):
    assert "no verdict on the paper" in page
    assert "n = 1" in page


def test_several_seeds_are_shown_with_their_spread(tmp_path: Path):
    root = miniature.make(tmp_path / "project", seeds=(0, 1))
    for name in (*runner.FIGURES, index.OVERVIEW):
        miniature.write_figure_notebook(root, name)
    page = index.build(root)["index.html"]
    assert "no verdict on the paper" not in page
    assert "72.40 ± 0.71" in page


def test_the_figures_come_from_their_notebooks_with_their_alternative_texts(project: Path, page: str):
    found = re.findall(r'<img src="data:image/png;base64,[^"]+" alt="([^"]+)"', page)
    assert found == [
        "what tables shows",
        *(f"what figure{n} shows" for n in range(1, 7)),
        costs.picture(costs.load(project)).alt,
    ]


def test_provenance_names_device_time_versions_and_commit(page: str):
    for text in ("x86_64", "1 min 02 s", "2.13.0", "0123456789abcdef", "seed", "0.0015, polynomial"):
        assert text in page


def test_nothing_on_the_page_points_outside(page: str):
    addresses = re.findall(r'(?:href|src)="([^"]*)"', page)
    outside = [a for a in addresses if not re.match(r"data:|#|(figure\d|collapse)\.html$|claims/[a-z-]+\.html$", a)]
    assert outside == []
    assert "<script" not in page
    assert "url(" not in page


def test_the_page_is_the_same_bytes_again(page: str, project: Path):
    assert index.build(project)["index.html"] == page


def test_a_figure_that_was_not_drawn_is_one_line(page: str, project: Path):
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


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("media", ["screen", "print"])
def test_the_page_opens_offline_and_fits(browser, page: str, project: Path, width: int, media: str):
    (project / "reports" / "index.html").write_text(page, encoding="utf-8")
    context = browser.new_context(viewport={"width": width, "height": 900})
    context.set_offline(True)
    tab = context.new_page()
    problems: list[str] = []
    tab.on("console", lambda message: problems.append(message.text))
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("requestfailed", lambda request: problems.append(request.url))
    tab.emulate_media(media=media)
    tab.goto((project / "reports" / "index.html").as_uri())
    assert problems == []
    if media == "screen":
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
    pictures = tab.evaluate("[...document.images].map(i => [i.alt, i.naturalWidth])")
    assert len(pictures) == 8
    assert all(alt and size for alt, size in pictures)
    context.close()
