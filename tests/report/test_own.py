"""The report on data of one's own: the best row, by how much, and where it is worst."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from stages import config, left_out, paths
from stages.analysis.own import Ranked
from stages.analysis.statistics import Estimate
from stages.arrays import open_packed
from stages.report import index, own


def ranked(row: str, iou: float, over: Estimate | None, words: str = "masks and boxes", full: bool = False) -> Ranked:
    return Ranked(row, words, Estimate({0: iou}, iou), over, words == "the masks alone", full)


@pytest.mark.parametrize(
    ("over", "said"),
    [
        (
            Estimate({0: 3.0}, 3.0),
            "+3.0 points over the masks alone with one seed, which is a direction and no verdict.",
        ),
        (Estimate({0: 3.0, 1: 3.0}, 3.0, 1.0, 5.0), "+3.0 points [1.0, 5.0] over the masks alone."),
        (Estimate({0: 3.0, 1: 3.0}, 3.0, -1.0, 7.0), "which more seeds or images would have to confirm."),
    ],
)
def test_the_answer_names_the_best_row_and_how_sure_it_is(over, said):
    rows = [ranked("full", 80.0, None, full=True), ranked("best", 70.0, over), ranked("b", 60.0, None)]
    found = own.answer(rows, "mine", 12)
    assert found.startswith("Best is masks and boxes (row best): 70.0 % IoU on 12 validation images of mine, ")
    assert found.endswith(said)


def test_where_the_masks_alone_are_best_boxes_add_nothing():
    found = own.answer([ranked("a", 70.0, None, "the masks alone")], "mine", 3)
    assert found.endswith("of mine, so boxes add nothing.")
    assert own.answer([], "mine", 3) == "No row was trained on mine."


@pytest.mark.integration
def test_the_page_ranks_the_rows_shows_the_worst_pictures_and_says_what_to_run(project: Path):
    file = project / "configs" / "datasets.yaml"
    file.write_text(file.read_text().replace("      width: 0.5 ", "      rows: own\n      width: 0.5 ", 1))
    settings = config.load(project)
    assert settings.profile.train.rows == "own"
    kept = [name for name, row in settings.rows.items() if row.own and row.classes == "one"]
    skipped = dict.fromkeys((name for name in settings.rows if name not in kept), "not one of the rows for own data")
    (paths.results(project) / left_out.FILE).write_text(json.dumps(skipped))
    split = open_packed(paths.packed("synthetic", project)).val
    pictures = paths.evaluate("bootstrap-500-2280-stable", 0, project) / "pictures.npz"
    worst = {"image_iou": np.linspace(10, 80, len(split)), "worst_indices": np.array([0, 1, 2])}
    np.savez(pictures, **dict(np.load(pictures)), **worst, worst_output=split.targets("one")[:3])
    pages = index.build(project)
    assert list(pages) == ["index.html"]
    page = pages["index.html"]
    assert "Best is masks and boxes, the method, stable recipe (row bootstrap-500-2280-stable): 70.5 % IoU" in page
    names = re.findall(r'<th[^>]*class="text name"[^>]*>([^<]+)</th>', page)
    assert names[:2] == ["bce-2780", "bootstrap-500-2280-stable"]
    assert "val-0 (10 %), val-1 (20 %), val-2 (30 %)" in page
    assert "stages.predict --relabel --run runs/bootstrap-500-2280-stable/seed-0" in page
    assert "Not one of the rows for own data" in page
