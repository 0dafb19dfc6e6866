"""The real pipeline, all rows, with trainings of 3 steps on a few scenes."""

import re
import sys
from pathlib import Path

import pytest

from tests.pipeline.clones import copy_project, ran

pytestmark = pytest.mark.integration


@pytest.mark.slow
def test_every_row_trains_and_the_report_is_written(tmp_path: Path):
    clone = copy_project(tmp_path / "clone")
    clone.edit("configs/datasets.yaml", "profiles.synthetic.scenes.images", {"train": 40, "val": 12})
    clone.edit("params.yaml", "steps", 3)
    command = [sys.executable, "-m", "stages.reproduce", "--jobs", "2"]
    first = clone.run(*command)
    assert re.search(r"^ce-bootstrap-500-2280-stable seed 0: trained ahead, in \d+ s$", first.stdout, re.MULTILINE)
    assert not list((clone.path / ".checkpoints").glob("*/state.pt"))
    table = first.stdout.split("\nIoU in percent")[1]
    assert table.count("\nbootstrap-") == 10
    page = (clone.path / "reports" / "index.html").read_text()
    for row in ("bce-2780", "ce-bootstrap-500-2280-stable", "regression-0-2780"):
        assert row in page
    shown = clone.dvc("plots", "show", "--out", "shown")
    assert "failed" not in shown.stdout + shown.stderr
    again = clone.run(*command)
    assert not ran(again.stdout)
