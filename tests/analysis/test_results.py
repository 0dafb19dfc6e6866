"""What the pipeline wrote, read for the report: a file of another version is named."""

import json
from pathlib import Path

import pytest

from stages import paths
from stages.analysis.results import dataset_statistics, result, run_metrics, training
from stages.arrays import write_json
from stages.errors import UserError

ROW = "bootstrap-500-2280"
READERS = {
    f"results/{ROW}.json": lambda root: result(ROW, "synthetic", root),
    f"runs/{ROW}/seed-0/evaluate/metrics.json": lambda root: run_metrics(ROW, "synthetic", 0, root),
    f"runs/{ROW}/seed-0/train/run.json": lambda root: training(ROW, 0, root),
    "data/synthetic/packed/statistics.json": lambda root: dataset_statistics("synthetic", root),
}


@pytest.mark.parametrize(
    ("name", "keys", "said"),
    [
        (
            f"results/{ROW}.json",
            ["runs", 0, "iou"],
            "(runs.0.iou: field required); `dvc repro -f gather`",
        ),
        (f"results/{ROW}.json", ["recipe"], "(recipe: field required); `dvc repro -f gather` makes it again"),
        (
            f"runs/{ROW}/seed-0/evaluate/metrics.json",
            ["classes"],
            "(classes: field required); delete it, and",
        ),
        (f"runs/{ROW}/seed-0/train/run.json", ["dataset"], "(dataset: field required); delete it, and `dvc repro`"),
        ("data/synthetic/packed/statistics.json", ["images"], "(images: field required); `dvc repro -f boxes`"),
        ("data/synthetic/packed/statistics.json", ["val", "car", "iou"], "(val.car.iou: field required); `dvc repro"),
    ],
)
def test_a_key_that_is_missing_is_one_line(project: Path, name: str, keys: list, said: str) -> None:
    READERS[name](project)
    content = json.loads((project / name).read_text())
    place = content
    for key in keys[:-1]:
        place = place[key]
    del place[keys[-1]]
    write_json(project / name, content)
    with pytest.raises(UserError) as error:
        READERS[name](project)
    assert str(error.value).startswith(f"{name}: not what this version writes {said}")


def test_a_run_of_another_dataset_is_none_of_this_one(project: Path) -> None:
    file = paths.evaluate(ROW, 0, project) / "metrics.json"
    write_json(file, json.loads(file.read_text()) | {"dataset": "camvid"})
    with pytest.raises(UserError, match="is of dataset camvid, not synthetic"):
        run_metrics(ROW, "synthetic", 0, project)
