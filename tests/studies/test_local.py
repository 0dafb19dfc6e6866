"""A grid's trainings in plain processes, without DVC."""

import json
import pickle
import select
import subprocess
import sys
from dataclasses import replace

import pytest

from stages import config
from stages.errors import NotFinite, UserError
from stages.studies import grids, local
from tests.download.fabricated import make_camvid


@pytest.mark.integration
def test_without_dvc_what_is_missing_is_trained_and_a_failure_keeps_the_others(root, capfd):
    for name, old, new in [
        ("configs/datasets.yaml", "images: {train: 400, val: 160}", "images: {train: 12, val: 4}"),
        ("configs/datasets.yaml", "width: 0.5                    # half", "width: 0.25  # half"),
        ("params.yaml", "steps: auto", "steps: 3"),
        ("params.yaml", "device: auto", "device: cpu"),
    ]:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new))
    chosen = grids.only(grids.runs(config.load(root), "reference", "synthetic", root), ["bce-500", "ce-500"])
    chosen = [run for run in chosen if run.seed < 2]
    broken = replace(chosen[-1], seed=7, row="no-such-row")
    with pytest.raises(UserError, match="no such row"):
        local.study(root, [*chosen, broken], jobs=2)
    kept = {file.name: file.read_bytes() for file in (root / "reference" / "runs" / "synthetic").glob("*.json")}
    assert set(kept) == {f"{row}-{seed}.json" for row in ("bce-500", "ce-500") for seed in (0, 1)}
    result = json.loads(kept["ce-500-1.json"])
    assert (result["seed"], result["settings"]["steps"], result["row"]) == (1, 3, "ce-500")
    assert (root / "reference" / "runs" / "synthetic" / "bce-500-0.npz").exists()  # a row that is shown
    capfd.readouterr()
    local.study(root, chosen, jobs=2)
    assert capfd.readouterr().out.startswith("4 of 4 runs are there")
    for file in (root / "reference" / "runs" / "synthetic").glob("*.json"):
        assert file.read_bytes() == kept[file.name]


@pytest.mark.integration
def test_a_study_that_is_killed_takes_its_trainings_with_it():
    """A stand-in for a training sleeps in a process that `study` would have made."""
    code = (
        "import multiprocessing, os, time; from concurrent.futures import ProcessPoolExecutor; "
        "from stages.studies import local; "
        "pool = ProcessPoolExecutor(1, multiprocessing.get_context('spawn'), local._prepare, (os.getpid(), 1)); "
        "pool.submit(os.getpid).result(); pool.submit(time.sleep, 600); print(flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"\n"
        process.kill()
        assert select.select([process.stdout], [], [], 60)[0]  # closed once nobody is left to write
        assert process.stdout.read() == b""


def test_without_dvc_runs_share_data_only_where_nothing_of_it_differs(root, tmp_path, monkeypatch):
    monkeypatch.setenv("CAMVID_ROOT", str(make_camvid(tmp_path / "camvid")))
    text = (root / "studies/reference.yaml").read_text()
    text = text.replace("bce-500: {seeds", "bce-500: {set: {data_seed: 3}, seeds")
    (root / "studies/reference.yaml").write_text(text)
    runs = {run.variant: run for run in grids.runs(config.load(root), "reference", "camvid", root) if run.seed == 0}
    data = {name: local._data(root, runs[name]) for name in ("bce-500", "bce-2780", "ce-2780")}
    assert data["bce-500"] != data["bce-2780"] == data["ce-2780"]
    monkeypatch.setenv("CAMVID_ROOT", str(make_camvid(tmp_path / "other")))
    local._place.cache_clear()  # as in another process
    assert local._data(root, runs["bce-2780"]) != data["bce-2780"]


@pytest.mark.parametrize(
    ("grid", "dataset", "kept"), [("causes", "synthetic-classes", True), ("annotation", "nuclei", False)]
)
def test_a_loss_that_is_not_finite_is_a_result_of_the_grid_that_asks_for_it(root, monkeypatch, grid, dataset, kept):
    def diverge(*_):
        raise NotFinite("a training", float("nan"), 120)

    monkeypatch.setattr("stages.train.loop.train", diverge)
    run = grids.runs(config.load(root), grid, dataset, root)[1]
    if not kept:
        with pytest.raises(UserError, match="^a training: the loss is nan at step 120"):
            local._run(root, run, root / "run", root / "data")
        assert not run.file(root).exists()
        return
    local._run(root, run, root / "run", root / "data")
    result = json.loads(run.file(root).read_text())
    assert result["stopped"] == 120
    assert result["variant"] == "literal-printed"
    assert result["changes"]["overrides"]["estimator"] == "printed"


def test_that_a_loss_is_not_finite_survives_the_way_between_processes():
    error = pickle.loads(pickle.dumps(NotFinite("bce-500 seed 0", float("inf"), 30)))
    assert (error.step, str(error)[:44]) == (30, "bce-500 seed 0: the loss is inf at step 30; ")
