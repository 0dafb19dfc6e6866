"""The drills themselves: that they see a defect where there is one, and small ones of each."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.reliability import advisories, attempts, clones, fuzz, kills, page
from stages.errors import UserError
from stages.paths import ROOT


def test_where_a_kill_fell_is_read_from_dvcs_output(tmp_path: Path) -> None:
    log = "Running stage 'train-mixed@bce-500-2280-0':\n> python -m stages.train\n"
    assert kills.running(log, tmp_path) == "train-mixed"
    assert kills.running(log + "Updating lock file 'dvc.lock'\n", tmp_path) == "dvc"
    assert kills.running("", tmp_path) == "dvc"


def test_times_are_no_difference_and_anything_else_is_one(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    file.write_text(json.dumps({"runs": [{"seconds": 1.0, "iou": 3}], "started": "now"}))
    first = clones.content(file)
    file.write_text(json.dumps({"started": "later", "runs": [{"iou": 3, "seconds": 2.0}]}))
    assert clones.content(file) == first
    file.write_text(json.dumps({"runs": [{"seconds": 1.0, "iou": 4}]}))
    assert clones.content(file) != first


def test_what_works_in_a_clone_is_found_and_ended(tmp_path: Path, monkeypatch) -> None:
    code = "import time; print(flush=True); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"\n"  # it is another program by now
    assert list(clones.processes(tmp_path)) == [child.pid]
    assert list(kills.of_command(tmp_path, "sleep(600)", of=os.getpid())) == [child.pid]
    assert list(kills.of_command(tmp_path, "sleep(601)")) == []
    monkeypatch.setattr(kills, "ORPHAN_SECONDS", 0.2)
    assert kills.until_gone(tmp_path) == -1  # it does not end by itself
    assert child.wait(timeout=60) == -signal.SIGKILL
    child.stdout.close()
    assert kills.until_gone(tmp_path) == 0.0
    assert os.getpid() not in list(clones.processes(tmp_path))


@pytest.mark.parametrize("kind", kills.KINDS)
def test_each_kind_of_kill_finds_what_it_is_for(tmp_path: Path, kind: str) -> None:
    assert any(kind in chances for chances in kills.CHANCES.values())
    inner = "import time; print(flush=True); time.sleep(600)  # queue-worker stages.train"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    command = [sys.executable, "-c", outer if kind == "rank" else inner]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"\n"
        assert kills.kill(tmp_path, process, kind, random.Random(0))
        assert process.wait(timeout=60) == (0 if kind == "rank" else -signal.SIGKILL)
    assert kills.until_gone(tmp_path) >= 0
    if kind in ("worker", "rank"):
        assert not kills.kill(tmp_path, process, kind, random.Random(0))


def test_kills_fall_at_random_until_there_are_enough_and_then_where_they_are_aimed() -> None:
    passes: list[dict] = []
    while command := kills.next_pass(passes):
        passes.append({"command": command, "kills": [None] * 30})
    assert [one["command"] for one in passes] == ["repro", "queue", "repro", "repro", "aimed"]


@pytest.mark.parametrize("saves", [True, False])
def test_an_aimed_kill_stops_a_training_while_it_saves(tmp_path: Path, monkeypatch, saves: bool) -> None:
    monkeypatch.setattr(kills, "AIM_SECONDS", 30.0 if saves else 0.2)
    place = tmp_path / ".checkpoints" / "a-row"
    place.mkdir(parents=True)
    (place.parent / "a-row.lock").touch()
    name = "state.tmp" if saves else "state.pt"
    code = f"import time\nprint(flush=True)\ntime.sleep(1)\nopen({str(place / name)!r}, 'w').close()\ntime.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"\n"
        assert kills.aimed(tmp_path, process, tmp_path / "log", "save") == saves
        assert (psutil.Process(process.pid).status() == psutil.STATUS_STOPPED) == saves
        assert kills.kill(tmp_path, process, "save", random.Random(0))
    assert kills.unfinished(tmp_path) == ({(place / name, (place / name).stat().st_mtime_ns)} if saves else set())
    assert not kills.aimed(tmp_path, process, tmp_path / "log", "save")  # it has ended


def test_the_table_of_kills_counts_them_and_names_what_is_missed() -> None:
    fallen = [
        {"kind": "all", "stage": "gather", "saving": True, "lived": 0.0},
        {"kind": "dvc", "stage": "train-mixed", "saving": False, "lived": 1.4},
        {"kind": "dvc", "stage": "train-mixed", "saving": False, "lived": -1.0},
        {"kind": "worker", "stage": "queue: train", "saving": None, "lived": None},
    ]
    passes = [{"command": "repro", "kills": fallen, "seconds": 140.0, "differ": ["runs/a"]}]
    lines, missed = kills.table({"seconds": 100.0, "files": 50, "timed": ["b"], "passes": passes})
    text = "\n".join(lines)
    assert text.startswith("4 kills in 1 run; an undisturbed one takes 100 s.")
    assert "Differences: 1. Of 50 outputs 1 hold times" in text and "Lost by a kill of `dvc repro`: 10 s" in text
    assert (
        "Of 3 kills of everything 1 left an unfinished file" in text
        and "within 1 s; 1 times it was not within 60 s" in text
    )
    assert "| `train-mixed` | 2 |" in text and "| `gather` | 1 |" in text
    never = ["no kill of everything while a checkpoint was saved", "no kill of everything while results were gathered"]
    never += ["no kill of `make queue`'s program alone", "no kill of one of two processes of torchrun"]
    assert missed == ["4 of 100 kills", *never, "1 outputs differ, such as runs/a", "1 orphans"]
    every = [fallen[0] | {"kind": kind} for kind in kills.KINDS] * 20
    none = [one | {"differ": [], "kills": every} for one in passes]
    assert kills.table({"seconds": 100.0, "files": 50, "timed": [], "passes": none})[1] == []


@pytest.mark.parametrize(
    ("outcome", "program"),
    [
        ("accepted", lambda: None),
        ("refused", lambda: fail(UserError("params.yaml: tau is 0"))),
        ("refused", lambda: fail(FileNotFoundError(2, "No such file or directory", "a"))),
        ("traceback", lambda: fail(ValueError("oh"))),
        ("traceback", lambda: fail(RecursionError())),
        ("status 0", lambda: sys.exit(0)),
        ("no message", lambda: sys.exit(3)),
        ("several lines", lambda: sys.exit("error: a\nb")),
        ("changed files", lambda: (Path("made").touch(), fail(UserError("late")))),
    ],
)
def test_each_outcome_of_wrong_input_is_told_from_the_others(tmp_path: Path, monkeypatch, outcome, program) -> None:
    monkeypatch.chdir(tmp_path)
    assert attempts.attempt(program, [])[0] == outcome


def fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=pytest.mark.slow) for kind in fuzz.CASES])
def test_wrong_input_ends_in_one_line(tmp_path: Path, kind: str) -> None:
    found = fuzz.tried(ROOT, tmp_path, kind, 60, seed=1)
    assert found["defects"] == []
    assert found["outcomes"]["refused"] > 10, found


def test_the_table_of_wrong_input_counts_and_names_what_is_missed() -> None:
    found = {"params": {"outcomes": {"refused": 8, "accepted": 1, "traceback": 1}}, "commit": "a"}
    lines, missed = fuzz.table(found)
    assert "| params.yaml | 10 | 8 | 1 | 1 |" in lines and "| all | 10 | 8 | 1 | 1 |" in lines
    assert missed == ["8 of 2000 cases refused", "1 defects"]


def test_the_known_faults_are_those_of_the_locked_versions() -> None:
    found = advisories.drill(ROOT, ROOT, {}, lambda _: None)
    assert found["outdated"] == [] and found["packages"] > 100
    assert {entry["affected"] for entry in found["known"]} <= {"yes", "no", "unknown"}
    assert all(entry["what"] and entry["here"] and entry["source"].startswith("https://") for entry in found["known"])


def test_a_drill_that_did_not_run_is_missed_on_the_page() -> None:
    text, missed = page.page({"fuzz": {"commit": "abc"}}, {"fuzz": lambda _: (["all is well"], ["a bar"])})
    assert "commit abc.\n\nall is well\n" in text and "## What no drill covers" in text
    assert missed == [
        "kills: has not run",
        "faults: has not run",
        "fuzz: a bar",
        "load: has not run",
        "advisories: has not run",
    ]
