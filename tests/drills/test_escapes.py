"""Names from data files: they stand on every page as they are, and nothing of them becomes an element or code."""

import ast
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat import v4

from stages import config, left_out, paths
from stages.analysis import paper, results
from stages.arrays import open_packed
from stages.boxes.pack import pack
from stages.download.run import download
from stages.figures import absent, dynamics, figure2, figure3, figure5, figure6, front, overview, table2, worst
from stages.figures.style import Picture, Sheet
from stages.paths import ROOT
from stages.report import index, notebooks, pages
from stages.report.tables import Cell, Table, headers
from tests import miniature
from tests.download.fabricated import Coco, polygon
from tests.drills.test_safety import FORBIDDEN, calls

NAMES = {
    "car": "<script>alert(1)</script> $\\frac{$",
    "person": '$\\frac{$ "><svg onload="alert(1)">',
    "val-0": "<img src=x onerror=alert(1)>.png",
    "val-1": "' onload='alert(1)' $\\frac{$|[a](javascript:alert(1)).png",
}
"""The miniature's classes and pictures, and what the data call them here."""
HARMLESS = {"car": "kitten", "person": "puppy", "val-0": "first", "val-1": "second"}
"""What they are called to compare with: the paper's own class names have numbers beside them."""


class Elements(HTMLParser):
    """The elements of a page, each with the names of its attributes; and all that it shows or says of a picture."""

    def __init__(self, page: str):
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""
        self.feed(str(page))  # of a Markup, each part would be escaped anew
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(sorted(name for name, _ in attrs))))
        self.text += "".join(f"{value}\n" for name, value in attrs if name in ("alt", "aria-label"))

    def handle_data(self, data: str) -> None:
        self.text += data


def rename(project: Path, names: dict[str, str]) -> Path:
    """Give the classes and pictures of a miniature other names, in every file that a stage has written."""
    for file in project.rglob("*.json"):
        text = file.read_text(encoding="utf-8")
        file.write_text(re.sub(r'"(car|person|val-[01])"', lambda found: json.dumps(names[found[1]]), text))
    return project


def paper_pages(project: Path) -> dict[str, str]:
    """The report that stands beside the paper's numbers."""
    for name in (*notebooks.FIGURES, index.OVERVIEW, "annotation"):
        miniature.write_figure_notebook(project, name)
    return index.build(project)


def own_pages(project: Path) -> dict[str, str]:
    """The report on data of one's own."""
    file = project / "configs" / "datasets.yaml"
    file.write_text(file.read_text().replace("      width: 0.5 ", "      rows: own\n      width: 0.5 ", 1))
    settings = config.load(project)
    kept = [name for name, row in settings.rows.items() if row.own and row.classes == "few"]
    skipped = dict.fromkeys((name for name in settings.rows if name not in kept), "not one of the rows for own data")
    (paths.results(project) / left_out.FILE).write_text(json.dumps(skipped))
    for name in kept:
        write_worst(project, name)
    return index.build(project)


def write_worst(project: Path, row: str) -> None:
    """The worst pictures of a row, as `evaluate` keeps them."""
    split = open_packed(paths.packed("synthetic", project)).val
    file = paths.evaluate(row, 0, project) / "pictures.npz"
    file.parent.mkdir(parents=True, exist_ok=True)
    ranked = {"image_iou": np.linspace(10, 80, len(split)), "worst_indices": np.array([0, 1, 2])}
    np.savez(file, **ranked, worst_output=split.targets("few")[:3])


def notebook_pages(project: Path) -> dict[str, str]:
    """Pages of executed notebooks: one with tables and one with a picture of both classes."""
    for name in ("tables", "figure6"):
        notebooks.report_notebook(name, project)
    return {name: (paths.reports(project) / f"{name}.html").read_text() for name in ("tables", "figure6")}


@pytest.mark.integration
@pytest.mark.parametrize(
    ("build", "shown"),
    [(paper_pages, ("car", "person")), (own_pages, tuple(NAMES)), (notebook_pages, ("car", "person"))],
)
def test_names_make_no_element_and_no_attribute_on_any_page(
    with_reference: Path, tmp_path: Path, build: Callable[[Path], dict[str, str]], shown: tuple[str, ...]
) -> None:
    plain = build(rename(Path(shutil.copytree(with_reference, tmp_path / "plain")), HARMLESS))
    named = build(rename(with_reference, NAMES))
    assert list(plain) == list(named)
    parsed = {file: (Elements(plain[file]), Elements(named[file])) for file in plain}
    for file, (before, after) in parsed.items():
        assert after.elements == before.elements, file
        assert ("script", ()) not in after.elements
    for name in shown:  # or the test would see nothing
        assert any(NAMES[name].casefold() in after.text.casefold() for _, after in parsed.values()), name


def test_the_comparison_above_sees_an_element_that_a_name_makes() -> None:
    assert Elements(f"<p>{NAMES['val-0']}</p>").elements != Elements("<p>val-0</p>").elements
    assert Elements(f'<img alt="{NAMES["person"]}">').elements != Elements('<img alt="person">').elements


@pytest.fixture(scope="module")
def renamed(untouched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miniature whose classes and pictures are called NAMES."""
    project = rename(Path(shutil.copytree(untouched, tmp_path_factory.mktemp("renamed") / "project")), NAMES)
    write_worst(project, "ce-bootstrap-500-2280-stable")
    return project


FIGURES: dict[str, Callable[[Path], Picture | None]] = {
    "figure2": lambda root: figure2.draw("synthetic", 0, root),
    "figure3": lambda root: figure3.draw("synthetic", 0, root),
    "figure5": lambda root: figure5.draw("synthetic", 0, root),
    "figure6": lambda root: figure6.draw("synthetic", 0, root),
    "front": lambda root: front.draw("synthetic", 0, root),
    "worst": lambda root: worst.draw("ce-bootstrap-500-2280-stable", "few", "synthetic", 0, root),
    "trainings": lambda root: dynamics.trainings("synthetic", 0, root),
    "table2": lambda root: table2.draw(paper.load(root), "synthetic", results.results(config.load(root), root)),
    "overview": lambda root: overview.draw(
        paper.load(root), config.load(root), results.results(config.load(root), root)
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_name_is_no_formula_in_any_figure(renamed: Path, name: str) -> None:
    picture = FIGURES[name](renamed)
    assert picture is not None and picture.png().startswith(b"\x89PNG")


def test_a_sheet_shows_names_as_they_are() -> None:
    name = NAMES["person"]
    sheet = Sheet([name], [name], 0.5, heading=name, subtitle=[name], groups=[(0, 0, name)], colorbar=name)
    image = sheet.panel(0, 0).imshow(np.zeros((2, 4)))
    sheet.colorbar(image)
    assert Picture(sheet.figure, name).png().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="frac"):  # what the line above is spared
        sheet.figure.text(0, 0, name).figure.savefig("/dev/null", format="png")


def test_what_is_absent_is_said_with_any_name() -> None:
    assert absent.notice(f"Not shown: needs two classes; mine has {NAMES['person']}.").png()


def test_tables_in_markdown_hold_names_as_they_are() -> None:
    head = [headers([Cell(NAMES["car"]), Cell(NAMES["val-1"])])]
    table = Table("key", NAMES["car"], NAMES["val-0"], head, [[Cell("1"), Cell("< -100 % [1, 2] (3)")]], [NAMES["car"]])
    text = table.markdown()
    assert not re.search(r"(?<!\\)<[a-z/]", text) and "](" not in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in lines] == [3, 3, 3]
    assert lines[-1] == "| 1 | < -100 % [1, 2] (3) |"


def test_own_data_may_be_called_anything(tmp_path: Path) -> None:
    coco = Coco(tmp_path / "pictures", {3: NAMES["car"], 7: NAMES["person"]})
    for name in (NAMES["val-0"], "' onload='alert(1)' $.png", "c.png"):
        picture = coco.picture(name)
        coco.object(picture, 3, segmentation=[polygon(2, 3, 8, 6)])
        coco.object(picture, 7, (14, 3, 8, 6), segmentation=[polygon(14, 3, 8, 6)])
    coco.write()
    profile = config.read_profiles(ROOT)["mine"]
    manifest = download(profile, "mine", tmp_path / "scenes", {"COCO_ROOT": str(coco.root)})
    statistics = pack(profile.boxes, 0, "mine", manifest, tmp_path / "packed")
    assert list(statistics["train"]) == [NAMES["car"], NAMES["person"]]
    packed = open_packed(tmp_path / "packed")
    assert NAMES["val-0"] in (*packed.train.ids, *packed.val.ids)


HOSTILE_PARAMETERS = [
    '"; open("ran", "w"); "',
    "'''\nopen('ran', 'w')\n'''",
    '\\"; open("ran", "w") #',
    "{{ 1 }}$(touch ran)",
]


@pytest.mark.integration
def test_a_notebooks_parameters_are_data(tmp_path: Path) -> None:
    names = [f"name{number}" for number in range(len(HOSTILE_PARAMETERS))]
    notebook = v4.new_notebook(
        cells=[
            v4.new_code_cell("\n".join(f"{name} = ''" for name in names), metadata={"tags": ["parameters"]}),
            v4.new_code_cell(f"import json\nprint(json.dumps([{', '.join(names)}]))"),
        ]
    )
    file = tmp_path / "notebooks" / "asks.ipynb"
    file.parent.mkdir()
    nbformat.write(notebook, file)
    ran = notebooks.execute(file, tmp_path, dict(zip(names, HOSTILE_PARAMETERS, strict=True)))
    assert json.loads(ran.cells[-1].outputs[0].text) == HOSTILE_PARAMETERS
    assert not (tmp_path / "ran").exists()
    page = pages.notebook_page(ran, "asks", "")
    assert {"script", "svg"}.isdisjoint(tag for tag, _ in Elements(page).elements)


def test_what_a_notebook_says_of_names_in_markdown_is_text() -> None:
    said = v4.new_output("execute_result", {"text/markdown": f"**{NAMES['car']}** {NAMES['val-0']}"})
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("# Title"), v4.new_code_cell("", outputs=[said])])
    page = Elements(pages.notebook_page(notebook, "title", ""))
    assert ("strong", ()) in page.elements and {"script", "img"}.isdisjoint(tag for tag, _ in page.elements)
    assert NAMES["car"] in page.text and NAMES["val-0"] in page.text


@pytest.mark.parametrize("file", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda file: file.stem)
def test_no_notebook_runs_a_text(file: Path, tmp_path: Path) -> None:
    cells = [cell.source for cell in nbformat.read(file, as_version=4).cells if cell.cell_type == "code"]
    assert cells
    for source in cells:
        ast.parse(source)  # a magic or a shell's line is no Python
        module = tmp_path / "cell.py"
        module.write_text(source)
        assert not {name for name, _ in calls(module)} & {*FORBIDDEN, "get_ipython", "HTML", "Javascript"}
