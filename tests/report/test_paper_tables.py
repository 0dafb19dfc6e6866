"""Tables 1-3 hold every row, with the paper's number and ours in the right cells."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from stages import config
from stages.analysis import paper, results
from stages.errors import UserError
from stages.report import run_tables, tables
from stages.report.paper_tables import Comparison, paper_table, paper_tables
from tests import miniature
from tests.analysis.test_paper import TABLE_1, TABLE_2, TABLE_3


def lines(table: tables.Table) -> list[list[str]]:
    """The body's texts, a spanning cell once."""
    return [[cell.text for cell in line] for line in table.body]


@pytest.fixture(scope="module")
def made(comparison) -> dict[str, tables.Table]:
    return {table.key: table for table in paper_tables(comparison)}


def test_table_1_has_each_row_beside_the_papers_number(made):
    found = [(line[3], line[5]) for line in lines(made["table1"])]
    assert found == [(f"{x:g}", f"{x - miniature.OFFSET:.2f}") for x in TABLE_1.values()]


def test_table_2_has_a_line_for_each_recipe(made):
    bootstrap = lines(made["table2"])[4:]
    numbers = list(TABLE_2.items())[4:]
    for literal, stable, (row, number) in zip(bootstrap[::2], bootstrap[1::2], numbers, strict=True):
        mark = "*" if row == "bootstrap-100-2680" else ""
        assert literal[3] == f"{number:g}{mark}"
        assert literal[5:7] == ["literal", f"{miniature.COLLAPSED_IOU} † 1 of 1"]
        assert stable[:4] == ["", "", "stable", f"{number - miniature.OFFSET:.2f}"]
    assert any(note.startswith("†") for note in made["table2"].notes)
    assert any(note.startswith("(*)") for note in made["table2"].notes)


def test_rows_without_a_recipe_name_none(made):
    assert [cell.text for cell in made["table2"].head[1]][5:] == ["recipe", "Car", "gap closed", "precision", "recall"]
    plain = [line[5:7] for line in lines(made["table2"])[:4]]
    assert plain == [["", f"{number - miniature.OFFSET:.2f}"] for number in list(TABLE_2.values())[:4]]


def test_each_table_says_how_much_of_the_gap_a_row_closes_here_and_in_the_paper(made, comparison):
    """The miniature lies 15 points under the paper everywhere, so it closes what the paper closes."""
    of_table_2 = {cell[0] + cell[1] + cell[2]: cell for cell in lines(made["table2"])[:4]}
    assert [line[4] for line in of_table_2.values()] == [
        "–" if (pp, box) in ((2780, 0), (500, 2280)) else f"{100 * (iou - 69.43) / (86.9 - 69.43):.0f} %"
        for (pp, box), iou in zip(((2780, 0), (500, 0), (0, 2780), (500, 2280)), TABLE_2.values(), strict=False)
    ]
    assert [line[7] for line in of_table_2.values()] == [line[4] for line in of_table_2.values()]
    stable = lines(made["table2"])[5]
    assert stable[4] == "92 %"
    assert stable[5:] == ["90.9", "90.9"]  # of two classes, 100 pixels right and 10 wrong of either
    assert any(note.startswith("Gap closed: ") for note in made["table2"].notes)
    several = {line[-6].text: line[-1].text for line in made["table3"].body if line[0].text == ""}
    names = ("ce-bootstrap-500-2280-stable", "ce-500-2280", "ce-2780")
    ours, mixed, full = (comparison.found[name].iou("mean").mean for name in names)
    assert several["here, stable recipe"] == f"{100 * (ours - mixed) / (full - mixed):.0f} %"


def test_a_share_over_seeds_has_its_interval(tmp_path: Path):
    root = miniature.make(tmp_path / "project", seeds=(0, 1, 2))
    settings = config.load(root)
    found = dict(results.results(settings, root))
    moved = tuple(
        {**run, "iou": {**run["iou"], "car": run["iou"]["car"] + run["seed"] - 1}} for run in found["bce-500"].runs
    )
    found["bce-500"] = results.Result("bce-500", moved)
    table = paper_table("table2", Comparison(paper.load(root), settings.rows, "synthetic", found))
    share = next(line[7] for line in lines(table) if line[1:3] == ["500", "/"])
    assert share == "52 % [38, 67]"  # 9.17 +- 4.3027 / sqrt(3) of 17.47


@pytest.mark.parametrize(
    ("ious", "flipped", "mark"),
    [
        ((60.0, 59.0), (5.0, 30.0), ""),
        ((60.0, 29.9), (5.0, 5.0), " † 1 of 2"),
        ((60.0, 61.0), (45.0, 31.0), " † 2 of 2"),
    ],
)
def test_a_number_says_how_many_of_its_trainings_collapsed_by_iou_or_by_flips(ious, flipped, mark):
    runs = [
        {"seed": seed, "iou": {"car": iou}, "trace": {"flipped_right": [0.0, lost]}}
        for seed, (iou, lost) in enumerate(zip(ious, flipped, strict=True))
    ]
    full = results.Result("bce-2780", ({"seed": 0, "iou": {"car": 60.0}},))
    ours = results.Result("bootstrap-500-2280", tuple(runs))
    assert Comparison(paper.load(), {}, "camvid", {"bce-2780": full}).collapse_mark(ours) == mark
    assert Comparison(paper.load(), {}, "camvid", {}).collapse_mark(ours) == ""


def test_table_3_has_the_papers_numbers_above_each_recipe(made):
    found = {(line[0].text, line[-6].text): [cell.text for cell in line[-5:-1]] for line in made["table3"].body}
    printed = [cells for (_, source), cells in found.items() if source == "paper, Cityscapes"]
    assert [f"{x:g}" for x in TABLE_3["ce-bootstrap-500-2280"]] in printed
    sources = [line[-6].text for line in made["table3"].body]
    assert sources[-3:] == ["paper, Cityscapes", "here, literal recipe † 1 of 1", "here, stable recipe"]
    assert lines(made["table3"])[-1][-3:-1] == ["67.05", "38.20"]


def test_every_table_names_the_dataset_and_keeps_the_papers_label(made):
    for table in made.values():
        assert "synthetic street scenes" in table.title
        texts = [cell.text for line in [*table.head, *table.body] for cell in line]
        assert "paper, Cityscapes" in texts
        assert "Cityscapes" not in table.title


def test_csv_has_one_line_for_each_row_class_and_recipe(made):
    found = list(csv.DictReader(io.StringIO(made["table2"].csv())))
    assert len(found) == 4 + 5 * 2
    stable = next(line for line in found if line["row"] == "bootstrap-200-2580-stable")
    assert (stable["recipe"], stable["pp"], stable["box"]) == ("stable", "200", "2580")
    assert float(stable["paper_cityscapes_iou"]) == 84.37
    assert (float(stable["iou"]), stable["sd"], stable["n"]) == (69.37, "", "1")
    assert len(list(csv.DictReader(io.StringIO(made["table3"].csv())))) == 4 * 4


def test_markdown_rows_all_have_the_columns_of_the_head(made):
    for table in made.values():
        counts = {line.count("|") for line in table.markdown().splitlines() if line.startswith("|")}
        assert len(counts) == 1


def test_several_seeds_give_mean_and_sample_deviation(tmp_path: Path):
    root = miniature.make(tmp_path / "project", seeds=(0, 1, 2))
    settings = config.load(root)
    found = results.results(settings, root)
    table = paper_table("table1", Comparison(paper.load(root), settings.rows, "synthetic", found))
    assert lines(table)[0][5] == "72.90 ± 1.00"  # 71.9, 72.9, 73.9
    assert "n = 3" in table.caption


def test_counts_of_seeds_that_differ_are_shown_with_each_number(comparison):
    runs = comparison.found["bce-500"].runs
    more = comparison.found | {"bce-500": results.Result("bce-500", (*runs, {**runs[0], "seed": 1}))}
    table = paper_table("table1", replace(comparison, found=more))
    assert [line[5] for line in lines(table)][:2] == ["71.90 (1)", "63.60 ± 0.00 (2)"]
    assert "in brackets: how many" in table.caption


def test_rows_that_the_paper_does_not_print_are_listed_apart(comparison):
    names = [line[0].text for line in run_tables.other_rows(comparison).body]
    assert names == [
        "regression-0-2780",
        "uncertainty-500-2280",
        "uncertainty-500-2280-warmup",
        "ce-500-2280",
        "ce-uncertainty-500-2280-warmup",
        "grabcut-500-2280",
        "self-training-500-2280",
    ]


def test_flips_are_shown_for_bootstrapping_rows_and_contradictions_for_the_other_box_rows(comparison):
    how = {line[0].text: line[1].text for line in run_tables.flip_table(comparison).body}
    assert how["bce-0-2780"] == "output differs"
    assert how["ce-bootstrap-500-2280-stable"].startswith("flips")
    assert "bce-500" not in how


def test_tables_are_written_for_people_and_machines(comparison, tmp_path: Path):
    tables.write(paper_tables(comparison), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *(f"table{n}.{kind}" for n in (1, 2, 3) for kind in ("csv", "md")),
        "results.md",
    }


def test_writing_tables_again_changes_no_file_that_dvc_has_linked(comparison, tmp_path: Path):
    written = paper_tables(comparison)
    cached = tmp_path / "cached"
    cached.write_text("an earlier table")
    (tmp_path / "out").mkdir()
    for name in ("table1.csv", "table1.md", "results.md"):
        (tmp_path / "out" / name).hardlink_to(cached)
    tables.write(written, tmp_path / "out")
    assert cached.read_text() == "an earlier table"
    assert (tmp_path / "out" / "table1.md").read_text() == written[0].markdown()


def test_a_row_of_the_paper_that_is_gone_is_named(comparison):
    fewer = {name: row for name, row in comparison.rows.items() if name != "bce-500"}
    with pytest.raises(UserError, match=r"^configs/rows\.yaml: lacks bce-500; allowed"):
        paper_tables(replace(comparison, rows=fewer))


def test_text_of_a_user_is_escaped_in_html():
    table = tables.Table("x", "<b>", "", [[tables.Cell("h")]], [[tables.Cell("<script>")]])
    assert "<script>" not in table.html()
    assert "<b>" not in table.html()


def test_a_missing_result_is_one_line_that_says_what_makes_it(project: Path):
    (project / "results/bce-500.json").unlink()
    with pytest.raises(UserError, match=r"^results/bce-500\.json is missing: `dvc repro gather` makes it$"):
        results.results(config.load(project), project)


def test_results_of_another_dataset_are_never_shown_under_this_ones_name(project: Path):
    file = project / "params.yaml"
    file.write_text(file.read_text().replace("dataset: synthetic", "dataset: camvid"))
    with pytest.raises(UserError, match="is of dataset synthetic, params.yaml says camvid"):
        results.results(config.load(project), project)


def test_the_parts_of_a_validation_set_have_their_own_numbers(comparison):
    assert run_tables.parts_table(comparison) is None
    result = comparison.found["bce-500"]
    parts = {
        "val": {"n_images": 9, "iou": {"background": 90.0, "car": 61.0}, "mean_iou": 75.5},
        "test": {"n_images": 20, "iou": {"background": 88.0, "car": 48.5}, "mean_iou": 68.25},
    }
    split = results.Result("bce-500", tuple({**run, "parts": parts} for run in result.runs))
    table = run_tables.parts_table(replace(comparison, found={**comparison.found, "bce-500": split}))
    assert [cell.text for cell in table.head[0]] == ["Row", "val, 9 images", "test, 20 images"]
    assert [[cell.text for cell in line] for line in table.body] == [["bce-500", "61.00", "48.50"]]
