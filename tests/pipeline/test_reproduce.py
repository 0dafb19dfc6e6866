"""What `make reproduce` prints, and that it ends as dvc ends."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from stages import reproduce as reproducing
from stages.config import load
from stages.paths import ROOT, result, results
from stages.reproduce import changed, default_jobs, mend, reproduce, table
from stages.studies import queue
from tests.two_classes import CLASSES


def project(root: Path, command: str) -> Path:
    """A dvc project of one stage."""
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    (root / "dvc.yaml").write_text(f"stages:\n  only:\n    cmd: {command}\n    outs: [out.txt]\n")
    return root


@pytest.mark.integration
def test_the_stage_runs_with_this_interpreter_and_a_second_run_does_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = project(
        tmp_path, "python -c \"import sys; open('out.txt', 'w').write(sys.prefix); sys.stderr.write('bar')\""
    )
    assert reproduce(root) == 0
    out, err = capfd.readouterr()
    assert "Running stage 'only'" in out
    assert "bar" in err
    assert (root / "out.txt").read_text() == sys.prefix
    assert reproduce(root) == 0
    assert "Running stage" not in capfd.readouterr().out


@pytest.mark.integration
def test_a_failing_stage_is_dvcs_exit_status(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert reproduce(project(tmp_path, "python -c 1/0")) != 0
    assert "failed to reproduce 'only'" in capfd.readouterr().err


def heed_ctrl_c() -> None:
    """Undo what a shell does to jobs in the background, whose children inherit a deaf ear for Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.integration
def test_ctrl_c_ends_the_stage_and_says_that_it_can_go_on(tmp_path: Path) -> None:
    code = "import sys, pathlib, stages.reproduce as r; sys.exit(r.reproduce(pathlib.Path(sys.argv[1])))"
    command = [sys.executable, "-c", code, str(project(tmp_path, "sleep 600"))]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, preexec_fn=heed_ctrl_c, **pipes) as process:
        try:
            assert process.stdout.readline() == "Running stage 'only':\n"
            time.sleep(0.5)  # dvc has said that the stage runs a moment before it starts it
            os.killpg(process.pid, signal.SIGINT)  # what a terminal does: dvc and the stage get it as well
            _, err = process.communicate(timeout=60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130
    assert err.endswith("Stopped. The same command goes on from here.\n")
    assert "Traceback" not in err


@pytest.mark.integration
def test_a_broken_pipeline_file_is_dvcs_exit_status(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = project(tmp_path, "true")
    (root / "dvc.yaml").write_text("stages: 1\n")
    assert reproduce(root) != 0
    assert "dvc.yaml" in capfd.readouterr().err


def test_the_table_has_every_row_beside_the_papers_number(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "paper", tmp_path / "paper")
    settings = load(ROOT)
    results(tmp_path).mkdir()
    (results(tmp_path) / "left_out.json").write_text("{}")
    for name, row in settings.rows.items():
        names = list(CLASSES.names(row.classes))
        runs = [{"seed": 0, "iou": dict.fromkeys(names, 61.25), "mean_iou": 52.5}]
        content = {"row": name, "dataset": settings.params.dataset, "task": row.classes, "recipe": row.recipe}
        content |= {"classes": names, "runs": runs}
        result(name, tmp_path).write_text(json.dumps(content))
    title, head, *lines = table(settings, tmp_path).splitlines()
    assert "IoU in percent" in title
    assert head.split()[:2] == ["row", f"{settings.params.dataset},"]
    cells = {line.split()[0]: line.split()[1:] for line in lines}
    assert list(cells) == list(settings.rows)
    assert cells["bce-2780"] == ["61.25", "86.90"]
    assert cells["bootstrap-500-2280-stable"] == ["61.25", "85.45"]
    assert cells["ce-500"] == ["52.50", "73.36"]
    assert cells["uncertainty-500-2280"] == ["61.25", "–"]
    assert len({len(line) for line in [head, *lines]}) == 1


@pytest.mark.parametrize(
    ("params", "cores", "jobs"),
    [({}, 2, 2), ({}, 64, 2), ({}, 1, 1), ({"processes": 2}, 8, 1), ({"device": "cuda"}, 8, 1)],
)
def test_two_rows_at_a_time_on_a_cpu_of_two_cores_or_more(params, cores, jobs, monkeypatch) -> None:
    settings = load(ROOT)
    settings = replace(settings, params=settings.params.model_copy(update={"device": "cpu"} | params))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert default_jobs(settings) == jobs


def test_the_rows_that_are_not_up_to_date_come_in_dvcs_order(monkeypatch) -> None:
    settings = load(ROOT)
    settings = replace(settings, params=settings.params.model_copy(update={"seeds": [3, 1]}))
    stale = [
        f"{kind}@{name}"
        for kind, name in [("train-bootstrap", "bootstrap-500-2280-3"), ("train-one-pool", "bce-500-1")]
        + [("train-one-pool", "bce-500-3"), ("evaluate-one-pool", "bce-2780-1")]
    ]
    monkeypatch.setattr(queue, "ask", lambda *_: json.dumps(dict.fromkeys([*stale, "gather", "source"])))
    assert changed(ROOT, settings, ("train",)) == [("bce-500", 3), ("bce-500", 1), ("bootstrap-500-2280", 3)]
    assert changed(ROOT, settings, ("train", "evaluate"))[0] == ("bce-2780", 1)


@pytest.mark.parametrize(
    ("content", "cut"),
    [
        ("", True),
        ("schema: '2.0'\n", False),
        ("schema: '2.0'\nstages:\n  a:\n    cmd: b\n", False),
        ("schema: '2.0'\nstages:\n  a:\n    cm", True),
        ("schema: '2.0'\nstages:\n  a:\n    outs:\n", True),
        ("sche", True),
        ("- 'open", True),
    ],
)
def test_a_lock_that_a_kill_has_cut_is_put_aside(tmp_path: Path, capsys, content: str, cut: bool) -> None:
    lock = tmp_path / "dvc.lock"
    lock.write_text(content)
    assert mend(tmp_path) == (["dvc.lock (now .dvc/tmp/dvc.lock.cut)"] if cut else [])
    assert lock.exists() != cut
    aside = tmp_path / ".dvc" / "tmp" / "dvc.lock.cut"
    assert (aside.read_text() if aside.exists() else None) == (content if cut else None)
    assert ("note: cut, as by a kill, so taken away: dvc.lock" in capsys.readouterr().err) == cut


@pytest.mark.parametrize(("content", "cut"), [("", True), ('{"a": ', True), ("{}", False)])
def test_a_list_of_dvcs_processes_that_a_kill_has_cut_is_taken_away(tmp_path: Path, monkeypatch, content, cut) -> None:
    monkeypatch.setattr(reproducing, "WRITES_SECONDS", 0.0)
    for folder in (".dvc/tmp", ".dvc/tmp/exps"):
        file = tmp_path / folder / "rwlock"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        assert mend(tmp_path) == ([f"{folder}/rwlock"] if cut else [])
        assert file.exists() != cut


def test_a_list_that_another_dvc_is_writing_is_left_alone(tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / ".dvc" / "tmp" / "rwlock"
    file.parent.mkdir(parents=True)
    file.touch()
    monkeypatch.setattr(reproducing.time, "sleep", lambda _: file.write_text("{}"))
    assert mend(tmp_path) == [] and file.read_text() == "{}"


def test_where_nothing_has_run_nothing_is_taken_away(tmp_path: Path) -> None:
    assert mend(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
