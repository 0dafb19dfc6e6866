"""What dvc shows of results: its plots, and `make compare`."""

import re
from pathlib import Path

import pytest

from stages.evaluate.gather import HEADLINES
from stages.paths import ROOT
from tests.pipeline.clones import copy_project

pytestmark = pytest.mark.integration
MAKEFILE = (ROOT / "Makefile").read_text()


def test_dvc_plots_shows_iou_and_training_curves_by_row(tmp_path: Path):
    clone = copy_project(tmp_path / "clone")
    plots = clone.path / "results" / "plots"
    plots.mkdir(parents=True)
    (plots / "iou.csv").write_text("row,seed,iou,mean_iou\nbce-500,0,61.25,70.0\n")
    (plots / "training.csv").write_text("row,seed,step,loss,iou\nbce-500,0,10,0.4375,20.5\n")
    done = clone.dvc("plots", "show", "--out", "shown")
    assert "failed" not in done.stdout + done.stderr
    page = (clone.path / "shown" / "index.html").read_text()
    for expected in ("61.25", "0.4375", "20.5", "bce-500"):
        assert expected in page


def test_compare_fits_120_columns(tmp_path: Path):
    clone = copy_project(tmp_path / "clone")
    headlines = {
        "iou": {"full": 66.01, "masks": 58.76, "mixed": 66.04, "stable": 65.83},
        "mean_iou": {"stable": 52.15},
    }
    assert {kind: set(of_kind) for kind, of_kind in headlines.items()} == {k: set(v) for k, v in HEADLINES.items()}
    (clone.path / "metrics.json").write_text(str(headlines).replace("'", '"'))
    params = clone.path / "params.yaml"
    params.write_text(re.sub("^tau: .*", "tau: 1.75", params.read_text(), flags=re.M))
    recipe = re.search(r"^compare:.*\n\t@COLUMNS=(\d+) .*dvc (exp show.*?)\\\n\s*(.*)$", MAKEFILE, re.M)
    assert recipe and int(recipe[1]) < 120
    shown = clone.run("sh", "-c", f"COLUMNS={recipe[1]} python -m dvc {recipe[2]} {recipe[3].replace('$$', '$')}")
    for number in (66.01, 58.76, 66.04, 65.83, 52.15, 1.75):
        assert f" {number} " in shown.stdout
    assert "…" not in shown.stdout  # no column is left out
    assert max(len(line.rstrip()) for line in shown.stdout.splitlines()) < 120
