"""A run that is damaged."""

import json
import shutil

import pytest
import torch

from stages.errors import UserError
from stages.predict.finished_run import open_run
from tests.predict.trained import BINARY, PLAIN

MISSING = object()


def damaged(run, tmp_path, name, value):
    """Return a copy of a run in which a value of run.json, `a` or `a.b`, is another one or missing."""
    copy = shutil.copytree(run, tmp_path / "run")
    record = json.loads((copy / "train" / "run.json").read_text())
    *outer, key = name.split(".")
    inner = record[outer[0]] if outer else record
    if value is MISSING:
        del inner[key]
    else:
        inner[key] = value
    (copy / "train" / "run.json").write_text(json.dumps(record))
    return copy


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", MISSING),
        ("seed", "0"),
        ("task", MISSING),
        ("task", "all"),
        ("row", 3),
        ("dataset", None),
        ("classes", [0, 1]),
        ("settings.size", ["a", "b"]),
        ("settings.size", [0, 0]),
        ("settings.size", [100, 64]),
        ("settings.size", [64]),
        ("settings.size", [80000, 80000]),
        ("settings.tau", float("nan")),
        ("settings.temperature", float("nan")),
        ("fill_rate", "x"),
        ("fill_rate", [1.0]),
        ("fill_rate", [1.0, "x"]),
        ("fill_rate", [1.0, float("nan")]),
        ("fill_rate", None),
    ],
)
def test_a_damaged_record_is_one_line(run_of, tmp_path, name, value):
    run = damaged(run_of(BINARY), tmp_path, name, value)
    with pytest.raises(UserError, match=rf"run/train/run\.json: {name} is missing or damaged; allowed: ") as error:
        open_run(run, torch.device("cpu"))
    assert "\n" not in str(error.value)


def test_what_a_row_does_not_read_is_not_asked_for(run_of, tmp_path):
    assert open_run(damaged(run_of(PLAIN), tmp_path, "settings.steps", 7), torch.device("cpu")).flipper is None


def test_weights_that_are_not_finite_are_refused(run_of, tmp_path):
    copy = shutil.copytree(run_of(PLAIN), tmp_path / "run")
    weights = torch.load(copy / "train" / "weights.pt", weights_only=True)
    next(iter(weights.values())).fill_(torch.nan)
    torch.save(weights, copy / "train" / "weights.pt")
    with pytest.raises(UserError, match=r"weights\.pt: the weights are not finite numbers; train this run again$"):
        open_run(copy, torch.device("cpu"))
