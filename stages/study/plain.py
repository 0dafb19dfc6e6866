"""A grid's trainings without DVC, for machines that lack it: each in a folder of its own, several at a time.

The results are those of `grids.study`, but nothing is committed; `grids.study` commits what it finds.
"""

import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from filelock import FileLock
from ruamel.yaml import YAML

from stages import params, paths, queue
from stages.params import Settings, UserError
from stages.study.grids import Run, write

FILES = ("params.yaml", "rows.yaml", "datasets.yaml")


def study(root: Path, chosen: Sequence[Run], jobs: int) -> None:
    """Train and evaluate what has no result yet, `jobs` at a time, on one device.

    Raises:
        UserError: a run failed, the others are kept; or the data cannot be made.
    """
    missing = [run for run in chosen if not run.file(root).exists()]
    print(f"{len(chosen) - len(missing)} of {len(chosen)} runs are there", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        data = {key: _make_data(root, run) for key, run in {_data(run): run for run in missing}.items()}
        context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
        threads = max(1, len(os.sched_getaffinity(0)) // jobs)
        failed, left = [], len(missing)
        with ProcessPoolExecutor(jobs, context, initializer=_use_threads, initargs=(threads,)) as pool:
            waiting = {
                pool.submit(_run, root, run, Path(folder) / run.experiment, data[_data(run)]): run for run in missing
            }
            for done in as_completed(waiting):
                run, left = waiting[done], left - 1
                if problem := done.exception():
                    failed.append(f"{run.experiment} failed: {problem}")
                    print(failed[-1], file=sys.stderr, flush=True)
                else:
                    print(f"{run.experiment}: kept, {left} to go", flush=True)
    if failed:
        raise UserError(failed[0])


def write_settings(root: Path, run: Run, folder: Path) -> Settings:
    """Write the three files of settings, with the run's changes, into a new folder, and read them."""
    yaml, by_file = YAML(typ="safe", pure=True), {name: [] for name in FILES}
    for change in run.changes:
        file, separator, override = change.partition(".yaml:")
        by_file[f"{file}.yaml" if separator else "params.yaml"].append(override if separator else change)
    folder.mkdir(parents=True)
    for name, overrides in by_file.items():
        content = params.read_yaml(root / name)
        for override in overrides:
            key, _, value = override.removeprefix("++").partition("=")
            *above, last = key.split(".")
            place = content
            for part in above:
                place = place.setdefault(part, {})
            place[last] = yaml.load(value)
        with (folder / name).open("w") as stream:
            yaml.dump(content, stream)
    return params.load(folder)


def _data(run: Run) -> tuple[str, ...]:
    """What decides the data of a run: its changes of `boxes`, and of the seed that splits them."""
    of_data = (change for change in run.changes if ".boxes." in change or change.startswith("data_seed="))
    return (run.dataset, run.state, *of_data)


def _make_data(root: Path, run: Run) -> Path:
    """Scenes and packed arrays of a run, kept for the next study; photographs are found as the project finds them."""
    from stages.boxes.pack import pack
    from stages.download import download

    folder = root / ".clones" / f"data-{queue.fingerprint(*_data(run))}"
    packed = paths.packed(run.dataset, folder)
    folder.parent.mkdir(exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not (packed / "arrays.json").exists():
            shutil.rmtree(folder, ignore_errors=True)
            settings = write_settings(root, run, folder)
            environ = os.environ | {"DVC_ROOT": os.environ.get("DVC_ROOT", str(root))}
            manifest = download(settings.profile, run.dataset, paths.scenes(run.dataset, folder), environ)
            pack(settings.profile.boxes, settings.params.data_seed, run.dataset, manifest, packed)
    return folder / "data"


def _use_threads(count: int) -> None:
    import torch

    torch.set_num_threads(count)


def _run(root: Path, run: Run, folder: Path, data: Path) -> None:
    from stages.evaluate.run import evaluate_run
    from stages.train.loop import train

    settings = write_settings(root, run, folder)
    (folder / "data").symlink_to(data)
    train(settings, run.row, run.seed, folder)
    evaluate_run(settings, run.row, run.seed, folder)
    write(root, run, lambda name: (folder / name).read_bytes())
