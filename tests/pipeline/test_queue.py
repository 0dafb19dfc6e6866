"""Rows through DVC's queue, on stages that are stubs: what it trains, the pipeline finds in DVC's cache."""

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from stages import config
from stages.config import load, stage_name
from stages.errors import UserError
from stages.reproduce import reproduce, train_in_queue
from stages.studies import queue
from tests.pipeline.clones import TWO_ROWS, ran


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(queue, "POLL_SECONDS", 1.0)
    monkeypatch.setattr(queue, "PATIENCE", 60)


@pytest.mark.slow
def test_the_pipeline_trains_nothing_after_the_queue_and_a_second_queue_has_nothing_to_do(small, quick, capsys):
    assert reproduce(small.path, "boxes") == 0
    with contextlib.chdir(small.path):
        train_in_queue(small.path, config.load(small.path), 2)
    assert {line.split(":")[0] for line in capsys.readouterr().out.splitlines() if "to go" in line} == {
        stage_name("evaluate", row, load().rows[row], 0) for row in TWO_ROWS
    }
    assert small.dvc("exp", "list", "--name-only").stdout == ""
    output = small.dvc("repro", "gather").stdout
    assert not any(stage.startswith(("train", "evaluate")) for stage in ran(output))
    for row in TWO_ROWS:
        assert (small.path / "runs" / row / "seed-0" / "record.json").is_file()
    train_in_queue(small.path, config.load(small.path), 2)
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_a_training_that_fails_is_named_and_the_others_end(small, quick):
    stub = small.path / "stub.py"
    guard = "if any('runs/bce-500/' in word for word in sys.argv):\n    sys.exit('out of luck')\n"
    stub.write_text(stub.read_text() + guard)
    small.commit()
    assert reproduce(small.path, "boxes") == 0
    with pytest.raises(UserError, match=r"bce-500-0 failed: `dvc queue logs rows-\w+-bce-500-0` says why"):
        train_in_queue(small.path, config.load(small.path), 2)
    assert not ran(small.dvc("repro", "evaluate-bootstrap@bootstrap-500-2280-0").stdout)


@pytest.mark.parametrize("jobs", [0, -1])
def test_a_number_of_trainings_that_is_none_is_refused(jobs):
    with pytest.raises(UserError, match=rf"^--jobs {jobs}: allowed: a whole number from 1$"):
        queue.check(config.load(), jobs)


@pytest.mark.parametrize("changed", [{"processes": 2}, {"device": "cuda:1"}])
def test_several_trainings_at_a_time_leave_the_devices_to_the_queue(changed):
    settings = config.load()
    settings = replace(settings, params=settings.params.model_copy(update=changed))
    queue.check(settings, 1)
    with pytest.raises(
        UserError, match=r"^params.yaml: processes is \d and device is [\w:]+; allowed with 2 trainings"
    ):
        queue.check(settings, 2)


STATES = {
    "rows-12345678-bce-500-0": "Running",
    "rows-12345678-bce-2780-0": "Queued",
    "reference-camvid-bce-500-0": "Failed",
}


@pytest.mark.integration
def test_the_queues_state_is_read_by_name(small):
    assert queue.look(small.path) == ({}, 0)
    small.dvc("exp", "run", "--queue", "--name", "one", "validate")
    assert queue.look(small.path) == ({"one": "Queued"}, 0)


def test_tasks_of_another_state_leave_the_queue_unless_they_run(monkeypatch):
    asked = []
    monkeypatch.setattr(queue, "look", lambda _: (STATES, 1))
    monkeypatch.setattr(queue, "ask", lambda _, *words: asked.append(words))
    queue.forget(Path(), "rows-", ["rows-99999999-bce-500-0"])
    assert asked == [("queue", "remove", "rows-12345678-bce-2780-0")]
    asked.clear()
    queue.forget(Path(), "rows-", ["rows-12345678-bce-2780-0"])
    assert asked == []


def test_a_fingerprint_follows_every_file_and_text(tmp_path):
    files = [tmp_path / "a", tmp_path / "b"]
    for file in files:
        file.write_text(file.name)
    before = queue.fingerprint(files, "tau=1.0")
    assert queue.fingerprint(reversed(files), "tau=1.0") == before
    assert queue.fingerprint(files, "tau=2.0") != before
    files[1].write_text("c")
    assert queue.fingerprint(files, "tau=1.0") != before


class Dvc:
    """Stands for dvc's queue: the states and the number of workers of each look, the last for all later ones."""

    def __init__(self, monkeypatch, *looks):
        self.looks, self.asked, self.started = list(looks), [], 0
        monkeypatch.setattr(queue, "look", self.look)
        monkeypatch.setattr(queue, "ask", lambda _, *words: self.asked.append(words))
        monkeypatch.setattr(queue, "_start_workers", self.start)
        monkeypatch.setattr(queue.time, "sleep", lambda _: None)

    def look(self, _):
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def start(self, *_):
        self.started += 1


TASK = queue.Task("a", "boxes", ("tau=1.0",))
QUEUED = ("exp", "run", "--queue", "--name", "a", "--set-param", "tau=1.0", "boxes")


def test_workers_that_vanish_are_started_again_some_times_and_then_told_in_one_line(monkeypatch, capsys):
    dvc = Dvc(monkeypatch, ({}, 0))
    with pytest.raises(UserError, match=rf"^dvc's workers were gone {queue.RESTARTS + 1} times, 1 runs to go: run"):
        queue.work(Path(), [TASK], 2, lambda *_: None)
    assert QUEUED in dvc.asked and dvc.started == queue.RESTARTS + 1
    assert capsys.readouterr().err.count("note: dvc's workers are gone, 1 runs to go: starting others\n") == 3


def test_what_a_killed_worker_left_is_ended_and_queued_again(monkeypatch):
    """A worker that answers late is none that is gone: what it runs is left alone."""
    left, ended, done = ({"a": "Running"}, 0), ({"a": "Failed"}, 0), ({"a": "Success"}, 1)
    dvc = Dvc(monkeypatch, *[left] * (queue.PATIENCE + 1), ended, done)
    succeeded = []
    queue.work(Path(), [TASK], 1, lambda task, left: succeeded.append((task, left)))
    assert dvc.asked == [("queue", "kill", "a"), ("queue", "remove", "a"), QUEUED]
    assert succeeded == [(TASK, 0)] and dvc.started == 1
    late = Dvc(monkeypatch, *[left] * queue.PATIENCE, ({"a": "Running"}, 1), done)
    queue.work(Path(), [TASK], 1, lambda *_: None)
    assert late.asked == []


@pytest.mark.parametrize(
    ("visible", "found", "expected"),
    [
        (None, 0, [None]),
        (None, 1, [None]),
        (None, 2, ["0", "1", "0"]),
        ("3,5", 8, ["3", "5", "3"]),
        ("4", 1, [None]),
    ],
)
def test_each_worker_has_one_device_where_there_are_several(monkeypatch, visible, found, expected):
    started = []

    class Done:
        def wait(self):
            return 0

    def dvc(_, *words, stdout, **environ):
        started.append((words[-1], environ.get("CUDA_VISIBLE_DEVICES")))
        return Done()

    monkeypatch.setattr(queue, "dvc", dvc)
    monkeypatch.setattr(queue, "look", lambda _: ({}, len(started)))
    monkeypatch.setattr("torch.cuda.device_count", lambda: found)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    queue._start_workers(Path(), 3)
    assert [device for _, device in started] == expected
    assert started[-1][0] == "3"
