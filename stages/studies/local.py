"""A grid's trainings without DVC, for machines that lack it: each in a folder of its own, several at a time."""

import functools
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from filelock import FileLock

from stages import paths
from stages.beside import end_with
from stages.download.place import describe
from stages.errors import NotFinite, UserError
from stages.fields import Scenes
from stages.studies import queue
from stages.studies.grids import KEEPS_STOPPED, Run, missing, write, write_stopped


def study(root: Path, chosen: Sequence[Run], jobs: int) -> None:
    """Train and evaluate what has no result yet, `jobs` at a time, on one device.

    Raises:
        UserError: A run failed, the others are kept; or the data cannot be made.
    """
    left = missing(root, chosen)
    with tempfile.TemporaryDirectory() as folder:
        data = {key: _make_data(root, run) for key, run in {_data(root, run): run for run in left}.items()}
        rows = ((run, run.settings.rows.get(run.row)) for run in left)
        for key, run in {_data(root, run): run for run, row in rows if row and row.proposed}.items():
            _make_proposals(run, data[key])
        context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
        threads = max(1, len(os.sched_getaffinity(0)) // jobs)
        failed, to_go = [], len(left)
        with ProcessPoolExecutor(jobs, context, initializer=_prepare, initargs=(os.getpid(), threads)) as pool:
            waiting = {
                pool.submit(_run, root, run, Path(folder) / run.experiment, data[_data(root, run)]): run for run in left
            }
            for done in as_completed(waiting):
                run, to_go = waiting[done], to_go - 1
                if problem := done.exception():
                    failed.append(f"{run.experiment} failed: {problem}")
                    print(failed[-1], file=sys.stderr, flush=True)
                else:
                    print(f"{run.experiment}: kept, {to_go} to go", flush=True)
    if failed:
        raise UserError(failed[0])


def _data(root: Path, run: Run) -> tuple[str, ...]:
    """Return what decides the data of a run: where they lie and what lies there, too."""
    profile = run.settings.profile
    return (
        run.dataset,
        run.state,
        _place(root, run.dataset, profile.scenes),
        profile.scenes.model_dump_json(),
        profile.boxes.model_dump_json(),
        str(run.settings.params.data_seed),
    )


@functools.cache
def _place(root: Path, dataset: str, scenes: Scenes) -> str:
    return json.dumps(describe(scenes, dataset, paths.scenes(dataset, root), _environ(root), {})[0], sort_keys=True)


def _environ(root: Path) -> dict[str, str]:
    return os.environ | {"DVC_ROOT": os.environ.get("DVC_ROOT", str(root))}


def _make_data(root: Path, run: Run) -> Path:
    """Make scenes and packed arrays of a run; they stay for the next study."""
    from stages.boxes.pack import pack
    from stages.download.run import download

    folder = root / ".clones" / f"data-{queue.fingerprint(*_data(root, run))}"
    packed = paths.packed(run.dataset, folder)
    folder.parent.mkdir(exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not (packed / "arrays.json").exists():
            shutil.rmtree(folder, ignore_errors=True)
            out = paths.scenes(run.dataset, folder)
            manifest = download(run.settings.profile, run.dataset, out, _environ(root))
            pack(run.settings.profile.boxes, run.settings.params.data_seed, run.dataset, manifest, packed)
    return folder / "data"


def _make_proposals(run: Run, data: Path) -> None:
    """Make the labels that some rows are trained on, beside the packed arrays."""
    from stages.proposals.make import make

    folder = data.parent
    with FileLock(folder.with_suffix(".lock")):
        out = paths.proposals(run.dataset, folder)
        if not (out / "proposals.json").exists():
            make(paths.packed(run.dataset, folder), out)


def _prepare(parent: int, threads: int) -> None:
    """Make a process ready for trainings that end with the study."""
    import torch

    end_with(parent)
    torch.set_num_threads(threads)


def _run(root: Path, run: Run, folder: Path, data: Path) -> None:
    from stages.evaluate.run import evaluate_run
    from stages.train.loop import train

    folder.mkdir(parents=True)
    (folder / "data").symlink_to(data)
    try:
        train(run.settings, run.row, run.seed, folder)
    except NotFinite as end:
        if run.grid not in KEEPS_STOPPED:
            raise
        write_stopped(root, run, end.step)
        return
    evaluate_run(run.settings, run.row, run.seed, folder)
    write(root, run, lambda name: (folder / name).read_bytes())
