"""The processes that train ahead of DVC: how many, with which rows, and that none outlives what started them."""

import os
import select
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stages.beside import WAITS, trained_ahead
from stages.paths import ROOT

STUB = """
import os, sys, time
assert os.environ["TRAINS_AHEAD_OF"] == str(os.getppid())
open(f"started-{os.getpid()}", "w").write(" ".join([os.environ.get("OMP_NUM_THREADS", "-"), *sys.argv[1:]]))
time.sleep(600)
"""
RUNS = [("bce-500", 0), ("bce-500", 1), ("ce-500", 0)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project whose `stages.train.ahead` says that it has started, and sleeps."""
    package = tmp_path / "stages" / "train"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package / "ahead.py").write_text(STUB)
    return tmp_path


def started(root: Path, count: int) -> dict[int, str]:
    """The numbers of processes that have started, and what each was told."""
    end = time.monotonic() + 60
    while len(found := [file for file in root.glob("started-*") if file.read_text()]) < count:
        assert time.monotonic() < end
        time.sleep(0.05)
    return {int(file.name.split("-")[1]): file.read_text() for file in found}


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.integration
def test_helpers_get_the_rows_from_the_end_and_end_with_the_block(root, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    with trained_ahead(root, RUNS, 3) as environ:
        told = started(root, 2)
        assert environ == {WAITS: "2"}
    assert set(told.values()) == {"2 ce-500:0 bce-500:1 bce-500:0"}
    assert not any(map(is_running, told))


def test_one_training_at_a_time_needs_no_helper(root, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    with trained_ahead(root, RUNS, 1) as environ:
        assert environ == {}
    with trained_ahead(root, RUNS[:1], 2):
        pass


@pytest.mark.integration
def test_a_helper_ends_when_its_parent_is_killed():
    """Also when the parent is gone before the helper has loaded what it needs, and so before it can ask for it."""
    helper = (
        "import sys; print(flush=True); import time, torch; from stages.beside import end_with; "
        "end_with(int(sys.argv[1])); time.sleep(600)"
    )
    code = (
        "import os, subprocess, sys, time; "
        f"subprocess.Popen([sys.executable, '-c', {helper!r}, str(os.getpid())]); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline() == b"\n"
        parent.kill()
        parent.wait()
        # The pipe is closed once nobody is left to write to it. A process's number stays where nobody reaps orphans.
        assert select.select([parent.stdout], [], [], 60)[0]
        assert parent.stdout.read() == b""


@pytest.mark.integration
def test_a_stages_process_ends_when_the_dvc_that_started_it_is_killed_and_no_other_does(tmp_path):
    """Through a shell as well, which lives on."""
    stage = "import time; from stages.beside import end_with_dvc; end_with_dvc(); print(flush=True); time.sleep(600)"
    shell = f"{shlex.quote(sys.executable)} -c {shlex.quote(stage)}; true"
    starter = f"import subprocess, time; subprocess.Popen(['sh', '-c', {shell!r}]); time.sleep(600)"
    for name, ends in (("dvc", True), ("other", False)):
        (tmp_path / name).write_text(starter)
        environment = os.environ | {"DVC_STAGE": "train", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, str(tmp_path / name)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, start_new_session=True) as parent:
            assert parent.stdout.readline() == b"\n"
            parent.kill()
            parent.wait()
            gone = bool(select.select([parent.stdout], [], [], 60 if ends else 3)[0])
            if not gone:
                os.killpg(parent.pid, signal.SIGKILL)
            assert gone == ends
