"""`python -m stages.train`: its command line, its messages, and a dataset larger than memory."""

import os
import resource
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages import arrays, paths
from stages.beside import WAITS
from stages.train import __main__ as program
from tests.train.processes import start, torchrun, train
from tests.train.tiny import change
from tests.two_classes import CLASSES, content

LIMIT = 1 << 30  # bytes that a process may hold of its own; memory maps of files do not count
IMAGES = 24_000  # of 160x120: 1.4 GB of pictures, 0.5 GB of masks and 2.7 GB of targets and box numbers


CONTENTS = arrays.Contents({"train": ("a", "b"), "val": ("c",)}, np.arange(2), 2, CLASSES)


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """What the program would train, or start as other processes."""
    found: list[tuple] = []
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setattr("stages.train.loop.train", lambda settings, row, seed, wait: found.append((row, seed, wait)))
    monkeypatch.setattr("stages.train.loop.prepare", lambda settings, row, seed: found.append(("prepare", row, seed)))
    monkeypatch.setattr(program.arrays, "read_contents", lambda folder: CONTENTS)
    monkeypatch.setattr(program.os, "execv", lambda file, words: found.append(tuple(words)))
    monkeypatch.setattr(sys, "argv", ["train", "--row", "bce-500", "--seed", "3"])
    return found


def test_the_row_and_the_seed_are_trained(called, settings, monkeypatch):
    monkeypatch.setattr(program.config, "load", lambda: settings)
    monkeypatch.delenv(WAITS, raising=False)
    program.main()
    monkeypatch.setenv(WAITS, "3")  # as in make reproduce, beside trainings ahead of DVC's
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    program.main()
    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert called == [("bce-500", 3, False), ("bce-500", 3, True)]


def test_several_processes_are_started_by_torchrun_after_the_checks(called, settings, monkeypatch):
    several = settings.params.model_copy(update={"processes": 2})
    monkeypatch.setattr(program.config, "load", lambda: replace(settings, params=several))
    program.main()
    first, second, _ = called
    assert first == ("prepare", "bce-500", 3)
    assert second[1:] == (
        *("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
        *("-m", "stages.train", "--row", "bce-500", "--seed", "3"),
    )
    called.clear()
    monkeypatch.setenv("WORLD_SIZE", "2")  # one of these processes
    program.main()
    assert called == [("bce-500", 3, False)]


@pytest.mark.parametrize("words", [[], ["--row", "bce-500"], ["--seed", "0"], ["--row", "bce-500", "--seed", "x"]])
def test_a_wrong_command_line_is_a_line_of_usage(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train", *words])
    with pytest.raises(SystemExit) as stopped:
        program.main()
    assert stopped.value.code == 2
    assert "usage: python -m stages.train" in capsys.readouterr().err


@pytest.mark.integration
def test_more_processes_than_images_in_a_batch_are_refused(project):
    change(project / "params.yaml", ("batch_size: 4", "batch_size: 1"))
    done = train(project, 2, "bce-500")
    assert done.returncode == 1
    assert done.stderr == "error: params.yaml: processes is 2; allowed: at most batch_size, 1\n"


@pytest.mark.integration
def test_a_mistake_is_one_line_before_processes_start(project):
    done = train(project, 2, "bce-501")
    assert done.returncode == 1
    assert done.stderr.startswith("error: --row bce-501: no such row; ")
    assert done.stderr.count("\n") == 1


@pytest.mark.integration
def test_more_processes_than_images_are_refused_under_torchrun_as_well(project):
    change(project / "params.yaml", ("batch_size: 4", "batch_size: 1"))
    (project / "dvc.yaml").touch()
    done = torchrun(2, "-m", "stages.train", "--row", "bce-500", "--seed", "0", cwd=project)
    assert done.returncode
    assert "error: params.yaml: batch_size is 1; allowed with 2 processes: 2 or more" in done.stderr


@pytest.fixture
def large(project: Path) -> Path:
    """The project with many more images, black ones, in files with holes: on disk they take nearly nothing."""
    folder = paths.packed("synthetic", project)
    counts, size = {"train": IMAGES, "val": 1}, (160, 120)
    arrays.create(folder, counts, size, CLASSES.tasks)
    record = {
        f"{split}/{name}": {"shape": list(shape), "dtype": dtype, "sha256": ""}
        for split, count in counts.items()
        for name, (shape, dtype) in arrays.specs(count, size, CLASSES.tasks).items()
    }
    names = {split: [f"{split}{i}" for i in range(count)] for split, count in counts.items()}
    arrays.write_json(folder / "split.json", content(names, list(range(IMAGES))))
    arrays.write_json(folder / "arrays.json", record)
    (project / "dvc.yaml").touch()  # what makes a folder a project
    return project


@pytest.mark.integration
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems do not limit a process's own memory")
@pytest.mark.parametrize("row", ["bce-2780", "bootstrap-500-2280-stable"])
def test_a_dataset_larger_than_the_memory_allowed_trains(large: Path, row: str) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))

    pictures = paths.packed("synthetic", large) / "train" / "images.npy"
    read = start("-c", f"import numpy; numpy.load({str(pictures)!r})", cwd=large, before=limit)
    assert "MemoryError" in read.stderr, "the limit is no limit: the pictures alone fit in it"

    trained = start("-m", "stages.train", "--row", row, "--seed", "0", cwd=large, before=limit)
    assert trained.returncode == 0, trained.stderr
    assert len((paths.train(row, 0, large) / "history.jsonl").read_text().splitlines()) > 0
