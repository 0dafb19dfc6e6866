"""The benchmark of the pipeline: what a stage takes, by stage and size."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from ruamel.yaml import YAML

from benchmarks import pipeline
from stages import config
from stages.errors import UserError
from stages.paths import ROOT


def test_a_command_is_measured_with_all_that_it_starts_and_keeps_its_status(tmp_path):
    child = "x = b'x' * (200 << 20)"
    parent = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {child!r}]); time.sleep(0.3)"
    log = tmp_path / "log.jsonl"
    for code in (parent, "import sys; sys.exit(3)"):
        command = [sys.executable, "-m", "benchmarks.measured", str(log), "stage@a-0", sys.executable, "-c", code]
        status = subprocess.run(command, cwd=ROOT, check=False).returncode
        assert status == (0 if code == parent else 3)
    first, second = map(json.loads, log.read_text().splitlines())
    assert first["name"] == "stage@a-0"
    assert first["seconds"] >= 0.3
    assert 0 < first["cpu_seconds"] < first["seconds"] + 5
    assert 200 <= first["peak_mib"] < 300
    assert second["peak_mib"] < 100


LINES = [
    {"name": "download", "seconds": 4.0, "cpu_seconds": 7.0, "peak_mib": 80},
    {"name": "train-one-pool", "seconds": 10.0, "cpu_seconds": 18.0, "peak_mib": 600},
    {"name": "train-multi-class-bootstrap", "seconds": 12.0, "cpu_seconds": 20.0, "peak_mib": 500},
    {"name": "evaluate-one-pool", "seconds": 2.0, "cpu_seconds": 3.0, "peak_mib": 200},
    {"name": "evaluate-multi-class-bootstrap", "seconds": 3.0, "cpu_seconds": 4.0, "peak_mib": 300},
]


def test_trainings_and_evaluations_are_a_group_each_and_memory_is_that_of_the_largest():
    assert pipeline.grouped(LINES) == {
        "download": {"n": 1, "seconds": 4.0, "cpu_seconds": 7.0, "peak_mib": 80},
        "train": {"n": 2, "seconds": 22.0, "cpu_seconds": 38.0, "peak_mib": 600},
        "evaluate": {"n": 2, "seconds": 5.0, "cpu_seconds": 7.0, "peak_mib": 300},
    }


def test_the_table_says_rates_and_what_is_not_training():
    run = {
        "images": 560,
        "arrays_mib": 40.0,
        "stages": pipeline.grouped(LINES),
        "training_seconds": 17.5,
        "total_seconds": 35.0,
        "no_op_seconds": 2.5,
    }
    lines = pipeline.table(run).splitlines()
    assert lines[2].split() == ["download", "1", "4.0", "7.0", "80", "80"]
    assert "training loops 18 s, the rest 50 % (dvc itself 4 s); a second one, with nothing to do: 2.5 s" in lines[-1]


def prepare(copy):
    (copy / "configs").mkdir()
    for name in ("dvc.yaml", "params.yaml", "configs/rows.yaml", "configs/datasets.yaml"):
        shutil.copy(ROOT / name, copy / name)
    settings = config.load()
    settings = replace(settings, params=settings.params.model_copy(update={"dataset": "synthetic"}))
    pipeline.prepare(copy, copy / "log", settings, 0.25)


def test_each_stage_measures_itself_and_a_share_is_of_images_and_steps(tmp_path):
    prepare(tmp_path)
    yaml = YAML(typ="safe")
    stages = yaml.load(tmp_path / "dvc.yaml")["stages"]
    before = yaml.load(ROOT / "configs" / "datasets.yaml")["profiles"]["synthetic"]
    after = yaml.load(tmp_path / "configs" / "datasets.yaml")["profiles"]["synthetic"]
    assert stages["boxes"]["cmd"] == f"python -m benchmarks.measured {tmp_path / 'log'} boxes python -m stages.boxes"
    assert all(stage["cmd"].startswith("python -m benchmarks.measured ") for stage in stages.values())
    row = "python -m stages.train --row ${item.row} --seed ${item.seed}"
    assert stages["train-mixed"]["cmd"].endswith(f" train-mixed {row}")  # and not that of another group
    assert 4 * after["train"]["steps"] == before["train"]["steps"]
    assert {split: 4 * n for split, n in after["scenes"]["images"].items()} == before["scenes"]["images"]


@pytest.mark.integration
def test_dvc_reads_the_pipeline_that_measures_itself(tmp_path):
    prepare(tmp_path)

    def dvc(folder, *words):
        environ = os.environ | {"DVC_NO_ANALYTICS": "1"}
        command = [sys.executable, "-m", "dvc", *words]
        return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=True).stdout

    dvc(tmp_path, "init", "--no-scm", "--quiet")
    measured, plain = (dvc(folder, "stage", "list", "--name-only").splitlines() for folder in (tmp_path, ROOT))
    assert sorted(measured) == sorted(plain)


@pytest.mark.parametrize("share", ["0", "1.5", "-1"])
def test_a_share_that_is_none_is_refused(monkeypatch, share):
    monkeypatch.setattr(sys, "argv", ["pipeline", f"--shares={share}"])
    with pytest.raises(UserError, match=r"^--shares .*: allowed: above 0, at most 1$"):
        pipeline.main()
