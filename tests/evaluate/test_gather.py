"""All runs of all rows, in one file a row."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stages import config, left_out, paths
from stages.errors import UserError
from stages.evaluate.gather import gather
from tests.two_classes import CLASSES

pytestmark = pytest.mark.integration

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path):
    """A root with runs of seeds 0, 1 and 2 of every row; params.yaml names 0 and 2."""
    shutil.copytree(PROJECT / "configs", tmp_path / "configs")
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    text = re.sub("^seeds:.*$", "seeds: [0, 2]", (tmp_path / "params.yaml").read_text(), flags=re.MULTILINE)
    (tmp_path / "params.yaml").write_text(text)
    (tmp_path / "dvc.yaml").touch()
    settings = config.load(tmp_path)
    for row in settings.rows:
        for seed in (0, 1, 2):
            iou = {name: 10.0 * seed + c for c, name in enumerate(CLASSES.names(settings.rows[row].classes))}
            metrics = {"row": row, "seed": seed, "dataset": settings.params.dataset, "task": settings.rows[row].classes}
            metrics |= {"recipe": settings.rows[row].recipe, "classes": list(iou), "iou": iou, "mean_iou": 20.0 + seed}
            paths.evaluate(row, seed, tmp_path).mkdir(parents=True)
            (paths.evaluate(row, seed, tmp_path) / "metrics.json").write_text(json.dumps(metrics))
            record = {"seconds": 60.5 + seed, "device": "cpu", "versions": {"torch": "2"}}
            paths.record(row, seed, tmp_path).write_text(json.dumps(record))
            decided = {
                "settings": {"tau": 2.5},
                "resolutions": {"name": "paper"},
                "counts": {"pp": 1},
                "fill_rate": None,
            }
            paths.train(row, seed, tmp_path).mkdir(parents=True)
            (paths.train(row, seed, tmp_path) / "run.json").write_text(json.dumps(decided))
            step = {"step": 10, "loss": 0.5 + seed, "terms": {}, "iou": 11.0, "learning_rate": 0.1}
            (paths.train(row, seed, tmp_path) / "history.jsonl").write_text(json.dumps(step) + "\n")
    return tmp_path


def _run(command, cwd):
    environment = {"PYTHONPATH": str(PROJECT)}
    return subprocess.run(command, check=False, cwd=cwd, env=environment, capture_output=True, text=True)


def _gather(project):
    code = (
        "import sys; from stages import errors; from stages.evaluate.gather import main\n"
        "try: errors.run(main)\n"
        "finally: assert 'torch' not in sys.modules, 'gathering imported torch'"
    )
    return _run([sys.executable, "-c", code], project)


def _written(project):
    files = [*paths.results(project).glob("*-*"), *paths.plots(project).glob("*"), paths.metrics(project)]
    return {file.name: file.read_bytes() for file in files if file.is_file()}


def test_seeds_are_merged_and_others_left_out_without_torch(project):
    done = _gather(project)
    assert (done.returncode, done.stderr) == (0, "")
    rows = config.load(project).rows
    assert set(_written(project)) == {f"{row}.json" for row in rows} | {"metrics.json", "iou.csv", "training.csv"}
    result = json.loads(paths.result("ce-500", project).read_text())
    assert {key: result[key] for key in ("row", "dataset", "task", "recipe")} == {
        "row": "ce-500",
        "dataset": config.load(project).params.dataset,
        "task": "few",
        "recipe": None,
    }
    assert [run["seed"] for run in result["runs"]] == [0, 2]
    assert result["runs"][1]["iou"] == {"background": 20, "car": 21, "person": 22}
    assert result["runs"][1]["seconds"] == 62.5 and result["runs"][1]["versions"] == {"torch": "2"}


def test_headlines_are_five_means_over_seeds(project):
    _gather(project)
    headlines = json.loads(paths.metrics(project).read_text())
    assert list(headlines["iou"]) == ["full", "masks", "mixed", "stable"]
    assert headlines["iou"]["masks"] == 11  # of 1 and 21
    assert headlines["mean_iou"] == {"stable": 21}


def test_what_dvc_plots_draws_has_every_run_and_step(project):
    _gather(project)
    scores = (paths.plots(project) / "iou.csv").read_text().splitlines()
    rows = config.load(project).rows
    assert scores[0] == "row,seed,iou,mean_iou" and len(scores) == 1 + 2 * len(rows)
    assert "ce-500,2,21.0,22.0" in scores
    steps = (paths.plots(project) / "training.csv").read_text().splitlines()
    assert steps[0] == "row,seed,step,loss,iou" and len(steps) == 1 + 2 * len(rows)
    assert "bce-500,2,10,2.5,11.0" in steps


def test_the_same_runs_give_the_same_bytes(project):
    _gather(project)
    first = _written(project)
    shutil.rmtree(paths.results(project))
    _gather(project)
    assert _written(project) == first


def test_a_class_that_was_nowhere_stays_out_of_the_headline(project):
    path = paths.evaluate("bce-500", 0, project) / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["iou"]["car"] = None
    path.write_text(json.dumps(metrics))
    _gather(project)
    assert json.loads(paths.metrics(project).read_text())["iou"]["masks"] == 21


def _one_line(done):
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    return line


def test_missing_runs_give_one_line_and_no_results(project):
    for row in ("bce-500", "ce-500"):
        (paths.evaluate(row, 2, project) / "metrics.json").unlink()
    line = _one_line(_gather(project))
    assert "runs/bce-500/seed-2/evaluate/metrics.json: no such file" in line
    assert "python -m stages.evaluate --row bce-500 --seed 2" in line and "(and 1 more runs)" in line
    assert not _written(project)


def test_missing_record_broken_json_and_another_dataset_give_one_line(project):
    paths.record("bce-500", 0, project).unlink()
    line = _one_line(_gather(project))
    assert "runs/bce-500/seed-0/record.json: no such file" in line and "stages.train" in line
    paths.record("bce-500", 0, project).write_text("{")
    assert "record.json: not valid JSON" in _one_line(_gather(project))
    paths.record("bce-500", 0, project).write_text("[]")
    assert "record.json: holds no JSON object" in _one_line(_gather(project))
    (paths.train("bce-2780", 2, project) / "history.jsonl").unlink()
    shutil.copy(paths.record("bce-500", 2, project), paths.record("bce-500", 0, project))
    assert "runs/bce-2780/seed-2/train/history.jsonl: no such file" in _one_line(_gather(project))
    (paths.evaluate("bce-2780", 0, project) / "metrics.json").write_text('{"dataset": "elsewhere"}')
    assert "is of dataset elsewhere, params.yaml says" in _one_line(_gather(project))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("evaluate/metrics.json", ["mean_iou"], r"\(mean_iou: field required\)"),
        ("evaluate/metrics.json", {"mean_iou": "high"}, r"\(mean_iou: input should be a valid number\)"),
        (
            "evaluate/metrics.json",
            {"iou": {"background": 1.0}},
            r"\(all of it: .*iou is not of the classes\)",
        ),
        ("evaluate/metrics.json", {"seed": 1}, "is of bce-500, seed 1"),
        ("record.json", {"device": 3}, r"\(device: input should be a valid string\)"),
        ("train/run.json", ["resolutions"], "not what this version writes"),
        ("train/history.jsonl", ["loss"], "not what this version writes"),
        ("train/history.jsonl", "", "it is empty"),
    ],
)
def test_what_another_version_wrote_is_one_line(project, name, content, said):
    """A value that is another, or keys that are missing."""
    file = project / "runs" / "bce-500" / "seed-0" / name
    if isinstance(content, str):
        file.write_text(content)
    else:
        value = json.loads(file.read_text())
        kept = {key: value[key] for key in value if key not in content}
        file.write_text(json.dumps(kept | (content if isinstance(content, dict) else {})))
    with pytest.raises(UserError, match=f"seed-0/{name}: .*{said}.*; run `dvc repro`, or `python -m stages"):
        gather(config.load(project), project)


@pytest.mark.parametrize("arguments", [[], ["--row", "bce-500"], ["--gather", "--seed", "0"]])
def test_command_line(project, arguments):
    done = _run([sys.executable, "-m", "stages.evaluate", *arguments], project)
    assert done.returncode == 2 and "usage: python -m stages.evaluate" in done.stderr


def test_a_row_that_was_left_out_has_its_reason_in_place_of_runs(project):
    for seed in (0, 2):
        left_out.write(paths.evaluate("ce-500", seed, project), "needs two or more classes")
    done = _gather(project)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((paths.results(project) / left_out.FILE).read_text()) == {"ce-500": "needs two or more classes"}
    assert json.loads(paths.result("ce-500", project).read_text())["left_out"] == "needs two or more classes"
    assert json.loads(paths.result("bce-500", project).read_text())["runs"]
