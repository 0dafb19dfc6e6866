"""docs/use.md: its commands run, and its example does where there is nothing of this project."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.export.conftest import exported, predictor_of, run_of, scenes  # noqa: F401 - fixtures
from tests.predict.trained import BINARY, MULTI_CLASS, SIZE, photograph

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "use.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_page_is_short_and_so_is_its_example() -> None:
    assert len(PAGE.encode()) <= 6 * 1024
    assert len([line for line in EXAMPLE.splitlines() if line and not line.startswith("#")]) <= 15


@pytest.mark.integration
def test_the_example_runs_without_this_project(exported, predictor_of, tmp_path):  # noqa: F811
    (tmp_path / "cars.onnx").write_bytes(exported(MULTI_CLASS, "onnx").read_bytes())
    large = Image.fromarray(photograph(*SIZE)).resize((3 * SIZE[0], 3 * SIZE[1]), Image.Resampling.NEAREST)
    large.save(tmp_path / "street.jpg", format="PNG")  # exact, whatever its name
    (tmp_path / "use_onnx.py").write_text(EXAMPLE)
    command = [sys.executable, "-I", "use_onnx.py"]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["background", "car", "person"]
    expected = predictor_of(MULTI_CLASS)(torch.from_numpy(photograph(*SIZE))[None]).output[0]
    mask = np.array(Image.open(tmp_path / "street_mask.png"))
    assert mask.shape == (3 * SIZE[1], 3 * SIZE[0])
    assert (mask[1::3, 1::3] != expected.numpy()).mean() < 1e-3


@pytest.mark.integration
def test_the_commands_run(run_of, scenes, tmp_path):  # noqa: F811
    folder = run_of(BINARY).relative_to(scenes)
    project = shutil.copytree(scenes, tmp_path / "project")
    (project / "dvc.yaml").write_text("stages: {}\n")  # so that it is the project whose data are read
    (project / "photographs" / "a").mkdir(parents=True)
    Image.fromarray(photograph(200, 90)).save(project / "photographs" / "a" / "street.jpg")
    commands = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL) for line in block.splitlines()]
    for command in commands:
        assert f"--run {folder} " in command
        arguments = shlex.split(command.replace("python", sys.executable, 1))
        done = subprocess.run(
            arguments, cwd=project, env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True, capture_output=True
        )
        assert done.returncode == 0, done.stderr
    written = {file.relative_to(project / "masks").as_posix() for file in (project / "masks").rglob("*.*")}
    assert written == {"predictions.json", "a/street.png", "a/street_overlay.jpg", "a/street_uncertainty.png"}
    assert {file.name for file in (project / "corrected").iterdir()} == {"relabelled.json", "relabelled.csv"}
    assert (project / "cars.onnx").stat().st_size > 100_000
