"""The command line."""

import os
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from stages.errors import UserError
from stages.predict.__main__ import main
from tests.predict.trained import BINARY, PLAIN, photograph
from tests.train.tiny import REPOSITORY


@pytest.fixture
def call(monkeypatch):
    """A function that calls the program with arguments."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["predict", *map(str, arguments)])
        main()

    return run


def test_pictures(call, run_of, tmp_path, capsys):
    Image.fromarray(photograph(50, 40)).save(tmp_path / "a.png")
    options = ("--mode", "tile", "--scale", 0.5, "--batch", 2, "--workers", 1, "--device", "cpu")
    call("--run", run_of(PLAIN), tmp_path / "a.png", "--out", tmp_path / "out", *options)
    assert capsys.readouterr().out == f"1 picture: {tmp_path / 'out'}, with predictions.json\n"
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["a.png", "a_overlay.jpg", "predictions.json"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in.png", "--run", "runs/nope/seed-0"], "--run runs/nope/seed-0: no such folder; `dvc repro` makes"),
        (["in.png", "--run", "."], "train/run.json: no such file; train this run first"),
        (["nope.png", "--run", "."], "nope.png: no picture found"),
        (["--run", "."], "no pictures given; allowed: "),
        (["in.png", "--run", ".", "--relabel"], "--relabel is for the run's own box images"),
        (["in.png", "--run", ".", "--batch", "0"], "--batch is 0; allowed: a whole number above 0"),
        (["in.png", "--run", ".", "--workers", "-1"], "--workers is -1; allowed: a whole number above 0"),
        (["in.png", "--run", ".", "--scale", "2"], "--scale is for --mode tile"),
        (["in.png", "--run", ".", "--mode", "tile", "--scale", "nan"], "--scale is nan; allowed: a number above 0"),
        (["in.png", "--run", ".", "--mode", "tile", "--scale", "0"], "--scale is 0.0; allowed: a number above 0"),
        (["in.png", "--run", ".", "--device", "gpu"], "--device is gpu; allowed: auto, cpu"),
        (["in.png", "--run", ".", "--device", "cuda:99"], "--device is cuda:99; this machine has"),
    ],
)
def test_a_mistake_is_one_line(call, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photograph(9, 9)).save("in.png")
    with pytest.raises(UserError) as error:
        call(*arguments, "--out", "out")
    assert message in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [["in.png"], ["--relabel"]])
@pytest.mark.parametrize(
    ("out", "message"),
    [("", "--out is empty; allowed: a path"), ("n" * 300, "cannot be written: a name in it takes 3")],
)
def test_an_impossible_out_is_one_line(call, run_of, tmp_path, monkeypatch, options, out, message):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photograph(9, 9)).save("in.png")
    with pytest.raises(UserError, match=message) as error:
        call(*options, "--run", run_of(BINARY), "--out", out)
    assert "\n" not in str(error.value)
    assert [file.name for file in tmp_path.iterdir()] == ["in.png"]


@pytest.mark.integration
def test_relabelling_uses_the_data_of_the_project_in_the_working_directory(run_of, scenes, tmp_path):
    run = run_of(BINARY).relative_to(scenes)
    project = shutil.copytree(scenes, tmp_path / "project")
    (project / "dvc.yaml").write_text("stages: {}\n")
    command = [sys.executable, "-m", "stages.predict", "--relabel", "--run", str(run), "--out", "out"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=project, env=environment, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("boxes, most doubtful first: out/relabelled.json, out/relabelled.csv\n")
    assert (project / "out" / "relabelled.json").is_file()
    again = subprocess.run(command, cwd=project, env=environment, text=True, capture_output=True)
    assert (again.returncode, again.stdout) == (1, "")
    message = "out/relabelled.json: exists already (and 1 more); take another --out, or --force to overwrite"
    assert again.stderr == f"error: {message}\n"
