"""paper/ says what the paper prints. The numbers below were typed from the paper, not from the file."""

from pathlib import Path

import pytest

from stages import config
from stages.analysis import paper
from stages.errors import UserError

TABLE_1 = {
    "bce-2780": 86.9,
    "bce-500": 78.6,
    "bce-500-2280": 69.43,
    "regression-all-500-2280": 79.02,
    "regression-500-2280": 83.04,
}
TABLE_2 = {
    "bce-2780": 86.9,
    "bce-500": 78.6,
    "bce-0-2780": 69.18,
    "bce-500-2280": 69.43,
    "bootstrap-500-2280": 85.45,
    "bootstrap-400-2380": 85.32,
    "bootstrap-300-2480": 85.42,
    "bootstrap-200-2580": 84.37,
    "bootstrap-100-2680": 81,
}
TABLE_3 = {
    "ce-2780": (79.80, 98.21, 85.82, 55.68),
    "ce-500": (73.36, 97.55, 79.94, 42.58),
    "ce-bootstrap-500-2280": (77.75, 98.01, 82.05, 53.2),
}


@pytest.mark.parametrize(("key", "numbers"), [("table1", TABLE_1), ("table2", TABLE_2)])
def test_tables_of_cars_are_the_papers(key, numbers):
    printed = paper.load()
    rows = list(printed.numbers.tables[key].rows)
    assert {row: printed.iou(row, "car") for row in rows} == numbers
    assert rows == list(numbers)


def test_the_table_of_several_classes_is_the_papers():
    printed = paper.load()
    rows = list(printed.numbers.tables["table3"].rows)
    found = {row: tuple(printed.iou(row, c) for c in ("mean", "background", "car", "person")) for row in rows}
    assert found == TABLE_3


def test_every_row_that_is_trained_has_its_place_in_the_paper():
    printed, settings = paper.load(), config.load()
    missing = {name for name, row in settings.rows.items() if printed.row(name, row.recipe) is None}
    own = {name for name, row in settings.rows.items() if row.classes == "all" or row.group == "methods"} | {
        "uncertainty-500-2280-warmup",
        "ce-uncertainty-500-2280-warmup",
    }
    assert missing == own
    assert all("Not in the paper" in printed.readings.notes[name.removesuffix("-stable")] for name in own)
    assert set(printed.numbers.rows) <= set(settings.rows)


def test_the_100_image_row_carries_its_asterisk():
    assert paper.load().numbers.rows["bootstrap-100-2680"].mark == "*"


def test_a_mistyped_number_is_one_line(project: Path):
    file = project / "paper" / "numbers.yaml"
    file.write_text(file.read_text().replace("{car: 69.18}", "{car: much}"))
    with pytest.raises(UserError, match=r"^paper/numbers\.yaml: rows\.bce-0-2780\.iou\.car: .*number"):
        paper.load(project)


def test_no_paper_is_one_line(tmp_path: Path):
    with pytest.raises(UserError, match=r"^paper/numbers\.yaml: no such file"):
        paper.load(tmp_path)
