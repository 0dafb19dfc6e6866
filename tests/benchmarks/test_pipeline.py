"""The benchmark of the pipeline: what a stage takes, by stage and size."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from ruamel.yaml import YAML

from benchmarks import pipeline
from stages import params
from stages.params import UserError
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
    {"name": "train-one-pool@bce-500-0", "seconds": 10.0, "cpu_seconds": 18.0, "peak_mib": 600},
    {"name": "train-tau@bootstrap-500-2280-0", "seconds": 12.0, "cpu_seconds": 20.0, "peak_mib": 500},
]


def test_all_trainings_are_one_group_and_memory_is_that_of_the_largest():
    assert pipeline.grouped(LINES) == {
        "download": {"n": 1, "seconds": 4.0, "cpu_seconds": 7.0, "peak_mib": 80},
        "train": {"n": 2, "seconds": 22.0, "cpu_seconds": 38.0, "peak_mib": 600},
    }


def test_the_table_says_rates_and_what_is_not_training():
    run = {
        "images": 560,
        "arrays_mib": 40.0,
        "stages": pipeline.grouped(LINES),
        "training_seconds": 15.0,
        "total_seconds": 30.0,
        "no_op_seconds": 2.5,
    }
    lines = pipeline.table(run).splitlines()
    assert lines[2].split() == ["download", "1", "4.0", "7.0", "80", "80"]
    assert "training loops 15 s, the rest 50 % (dvc itself 4 s); a second one, with nothing to do: 2.5 s" in lines[-1]


def test_each_stage_measures_itself_and_a_share_is_of_images_and_steps(tmp_path):
    for name in ("dvc.yaml", "datasets.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    settings = params.load()
    settings = replace(settings, params=settings.params.model_copy(update={"dataset": "synthetic"}))
    pipeline.prepare(tmp_path, tmp_path / "log", settings, 0.25)
    yaml = YAML(typ="safe")
    stages = yaml.load(tmp_path / "dvc.yaml")["stages"]
    before = yaml.load(ROOT / "datasets.yaml")["profiles"]["synthetic"]
    after = yaml.load(tmp_path / "datasets.yaml")["profiles"]["synthetic"]
    assert stages["boxes"]["cmd"] == f"python -m benchmarks.measured {tmp_path / 'log'} boxes python -m stages.boxes"
    assert all(stage["cmd"].startswith("python -m benchmarks.measured ") for stage in stages.values())
    assert 4 * after["train"]["steps"] == before["train"]["steps"]
    assert {split: 4 * n for split, n in after["scenes"]["images"].items()} == before["scenes"]["images"]


@pytest.mark.parametrize("share", ["0", "1.5", "-1"])
def test_a_share_that_is_none_is_refused(monkeypatch, share):
    monkeypatch.setattr(sys, "argv", ["pipeline", f"--shares={share}"])
    with pytest.raises(UserError, match=r"^--shares .*: allowed: above 0, at most 1$"):
        pipeline.main()
