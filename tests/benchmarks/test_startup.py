"""The benchmark of a stage's start: its sides are the stages of dvc.yaml, and they start."""

import subprocess

import pytest
from ruamel.yaml import YAML

from benchmarks import startup
from stages.paths import ROOT


def test_every_module_that_a_stage_starts_is_timed():
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"].values()
    started = {stage["cmd"].split()[2] for stage in stages}
    timed = {module.removesuffix(".__main__") for text in startup.IMPORTS.values() for module in text.split(", ")}
    assert started <= timed
    assert len(started) > 8


def test_each_side_starts_in_each_round():
    timed = startup.run(2, {"code": startup.IMPORTS["code"]})
    assert [len(found.seconds) for found in timed.values()] == [2, 2]
    assert [line.split()[0] for line in startup.table(timed).splitlines()[1:]] == ["interpreter", "code"]


def test_what_does_not_start_fails():
    with pytest.raises(subprocess.CalledProcessError):
        startup.run(1, {"none": "stages.none"})


def test_no_rounds_are_refused_in_a_line(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["startup", "--rounds", "0"])
    with pytest.raises(SystemExit):
        startup.main()
    assert "argument --rounds: 0; allowed: a whole number from 1" in capsys.readouterr().err
