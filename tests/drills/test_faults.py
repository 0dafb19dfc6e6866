"""The drill of damaged files itself: how it damages, judges, puts back and shows; and a few stages under it."""

import io
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from ruamel.yaml import YAML

from benchmarks.reliability import damages, faults, surroundings
from benchmarks.reliability.damages import Kind, damaged
from benchmarks.reliability.outcomes import DEFECTS, Ended, Project, judge
from stages.paths import ROOT

KIND = Kind("a list", "data/list.json", ("a.program",), "a-stage", damages.without("key"))
CONTENT = b'{"key": 1, "other": [1, 2]}'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with one damaged file, one output, and nothing that runs."""
    for name, text in {"data/list.json": CONTENT.decode(), "results/a.json": '{"seconds": 1, "iou": 2}'}.items():
        (tmp_path / "project" / name).parent.mkdir(parents=True)
        (tmp_path / "project" / name).write_text(text)
    return Project(tmp_path / "project")


def test_each_damage_is_another_and_the_same_at_each_call() -> None:
    found = {damage: damaged(KIND, damage, CONTENT, 0) for damage in damages.DAMAGES}
    assert found == {damage: damaged(KIND, damage, CONTENT, 0) for damage in damages.DAMAGES}
    assert found["bit"] == found["rot"]
    flipped = [a ^ b for a, b in zip(CONTENT, found["bit"], strict=True)]
    assert sum(bin(byte).count("1") for byte in flipped) == 1
    assert found["truncated"] == CONTENT[: len(CONTENT) // 2] and found["empty"] == b""
    assert json.loads(found["older"]) == {"other": [1, 2]}


def test_older_versions_are_whole_files_of_another_form() -> None:
    stream = io.BytesIO()
    np.save(stream, np.arange(10))
    assert np.load(io.BytesIO(damages.half_as_many(stream.getvalue()))).tolist() == [0, 1, 2, 3, 4]
    stream = io.BytesIO()
    torch.save({"a": torch.ones(1), "b": torch.ones(1)}, stream)
    assert set(torch.load(io.BytesIO(damages.renamed(stream.getvalue())))) == {"module.a", "b"}
    stream = io.BytesIO()
    np.savez_compressed(stream, a=np.ones(1), b=np.ones(1))
    assert np.load(io.BytesIO(damages.without_array("a")(stream.getvalue()))).files == ["b"]
    stream = io.BytesIO()
    Image.new("L", (8, 4)).save(stream, "PNG")
    assert Image.open(io.BytesIO(damages.smaller(stream.getvalue()))).size == (4, 2)
    assert damages.without_in_lines("a")(b'{"a": 1, "b": 2}\n{"a": 3, "b": 4}\n') == b'{"b": 2}\n{"b": 4}'
    assert json.loads(damages.notebook_3(b'{"cells": [1]}'))["worksheets"] == [{"cells": [1]}]
    assert YAML(typ="safe").load(damages.lock_1(b"schema: '2.0'\nstages: {a: {cmd: b}}")) == {"a": {"cmd": "b"}}


@pytest.mark.parametrize(
    ("status", "text", "outcome"),
    [
        (1, "note\nerror: PROJECT/data/list.json: damaged\n", "named"),
        (1, "error: data: damaged\nERROR: failed to reproduce 'a-stage'\n", "named"),
        (1, "ERROR: unable to read data/list.json\n", "named"),
        (1, "error: data/list.json: damaged\nerror: once more\n", "unclear"),
        (255, "'./dvc.lock' validation failed.\n\nrequired key not provided, in schema\n", "unclear"),
        (1, "error: something\n", "unclear"),
        (-9, "", "unclear"),
        (1, "Traceback (most recent call last):\nerror: data/list.json\n", "traceback"),
        (0, "", "made anew"),
    ],
)
def test_what_came_of_a_case(project: Project, status: int, text: str, outcome: str) -> None:
    assert judge(project, Ended(status, text), ["data/list.json", "data"], "data/list.json") == outcome


def test_dvc_names_its_own_file_first(project: Project) -> None:
    ended = Ended(255, "'./dvc.lock' validation failed.\n\nrequired key not provided, in schema\n")
    assert judge(project, ended, ["dvc.lock"], "dvc.lock") == "named"


def test_outputs_that_differ_are_wrong_and_times_are_no_difference(project: Project) -> None:
    damage, output = project.path / "data" / "list.json", project.path / "results" / "a.json"
    damage.write_bytes(b"")
    output.write_text('{"iou": 2, "seconds": 5}')
    assert judge(project, Ended(0, ""), [], "data/list.json") == "harmless"
    output.write_text('{"iou": 3, "seconds": 5}')
    assert judge(project, Ended(0, ""), [], "data/list.json") == "wrong"
    output.unlink()
    assert project.differing() == ["data/list.json", "results/a.json"]


def test_what_was_damaged_made_or_lost_is_put_back_with_its_time(project: Project) -> None:
    file = project.path / "data" / "list.json"
    status = file.stat()
    file.write_bytes(CONTENT.replace(b"1", b"2"))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    (project.path / "results" / "a.json").unlink()
    (project.path / "results" / "new").mkdir()
    (project.path / "results" / "new" / "file").touch()
    project.put_back()
    assert file.read_bytes() == CONTENT and file.stat().st_mtime_ns == status.st_mtime_ns
    assert project.differing() == [] and not (project.path / "results" / "new").exists()


def test_the_line_that_is_kept_names_no_folder_of_this_machine(project: Project) -> None:
    ended = Ended(1, f"ERROR: failed\nerror: {project.path}/data: damaged\n")
    assert project.said(ended) == "error: PROJECT/data: damaged"
    assert project.said(Ended(-9, "last words\n")) == "last words"
    assert project.said(Ended(0, "all is well\n")) == ""


def test_the_table_shows_every_case_and_counts_defects() -> None:
    case = {"kind": "a list", "way": faults.ALONE, "damage": "bit", "outcome": "named", "said": "error: x"}
    worse = {**case, "damage": "older", "outcome": "traceback"}
    again = {**case, "way": faults.REPRODUCED, "damage": "rot", "outcome": "verify"}
    around = [
        {"surroundings": "no $HOME", "outcome": "harmless", "said": ""},
        {"surroundings": "disk full: boxes", "outcome": "not run", "said": "mount: permission denied"},
    ]
    lines, missed = faults.table({"files": [case, worse, again], "surroundings": around})
    assert "| a list | named | – | – | **traceback** |" in lines
    assert "| a list | – | verify | – | – | – |" in lines
    assert "| no $HOME | harmless |" in lines
    assert "disk full: boxes: not run (mount: permission denied)" in lines
    assert missed == ["a list, older, program: traceback"]
    assert faults.table({"files": [case], "surroundings": around})[1] == []


def test_what_cannot_be_mounted_is_said_to_be_not_run(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = project.path.parent / "programs"
    folder.mkdir()
    (folder / "mount").write_text("#!/bin/sh\necho mount: permission denied >&2\nexit 32\n")
    (folder / "mount").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    case = surroundings.cases()["disk full: boxes"]
    found = surroundings.run("disk full: boxes", case, project)
    assert (found["outcome"], found["said"]) == ("not run", "mount: mount: permission denied")


@pytest.mark.integration
def test_a_damaged_scene_manifest_or_list_of_arrays_is_named_by_the_program_that_reads_it(tmp_path: Path) -> None:
    root = tmp_path / "project"
    shutil.copytree(ROOT / "configs", root / "configs")
    (root / "stages").symlink_to(ROOT / "stages")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, root)
    yaml = YAML()
    profiles = yaml.load(root / "configs" / "datasets.yaml")
    profiles["profiles"]["synthetic"]["scenes"]["images"] = {"train": 24, "val": 4}
    yaml.dump(profiles, root / "configs" / "datasets.yaml")
    first = Project(root)
    for program in ("stages.download", "stages.boxes"):
        assert first.run(sys.executable, "-m", program).status == 0
    project = Project(shutil.copytree(root, tmp_path / "made" / "project", symlinks=True))
    scene = next((root / damages.SCENES).rglob("*leftImg8bit.png")).relative_to(root).as_posix()
    read = [
        Kind("scene", scene, ("stages.boxes",), "boxes", damages.smaller),
        Kind("manifest", f"{damages.SCENES}/manifest.json", ("stages.boxes",), "boxes", damages.without("images")),
        Kind("arrays", f"{damages.PACKED}/arrays.json", damages.TRAIN, "train", damages.without("train/masks.npy")),
    ]
    for kind in read:
        for damage in ("truncated", "empty", "older"):
            case = faults.read_damaged(project, kind, faults.ALONE, damage)
            assert case["outcome"] == "named", case
            assert str(tmp_path) not in case["said"] and "PROJECT/data/synthetic/" in case["said"]
    assert project.differing() == []
    assert not set(DEFECTS) & {faults.read_damaged(project, read[0], faults.ALONE, "bit")["outcome"]}
