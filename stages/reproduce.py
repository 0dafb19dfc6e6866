"""The whole pipeline: `python -m stages.reproduce` is `dvc repro`, and a short table.

While DVC runs one stage at a time, further processes train the rows that come later. With `--queue`, rows are trained
and evaluated through DVC's queue instead, before the pipeline, which then finds them in DVC's cache.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from voluptuous import Invalid

from stages import config, paths
from stages.analysis import paper
from stages.analysis.naming import FIRST, class_name
from stages.analysis.results import results
from stages.beside import trained_ahead
from stages.config import Settings, stage_name
from stages.errors import run
from stages.studies import queue

WRITES_SECONDS = 1.0  # that another dvc may take to write a short file


def main() -> None:
    """Check the user's files, run what is not up to date, and print what came out. Exits with dvc's own status.

    Raises:
        UserError: What the user's files say is not allowed, nothing has run then; or a queued training failed.
    """
    parser = argparse.ArgumentParser(prog="python -m stages.reproduce", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--jobs", type=int, help="rows that are trained at a time; without it, 2 on a CPU with 2 cores or more, else 1"
    )
    parser.add_argument("--queue", action="store_true", help="through DVC's queue, each on a GPU of its own")
    arguments = parser.parse_args()
    settings = config.load()
    jobs = default_jobs(settings) if arguments.jobs is None else arguments.jobs
    queue.check(settings, jobs)
    mend(paths.ROOT)
    status = reproduce(paths.ROOT, "proposals") if jobs > 1 or arguments.queue else 0
    if not status and arguments.queue:
        train_in_queue(paths.ROOT, settings, jobs)
        jobs = 1
    status = status or reproduce_beside(paths.ROOT, settings, jobs)
    if status:
        sys.exit(status)
    print(f"\n{table(settings)}\n\nThe report: {paths.reports() / 'index.html'}")


def mend(root: Path) -> list[str]:
    """Take away what dvc cannot read since a kill has cut it, and return the names of these files.

    dvc writes these files piece by piece, and refuses to run when one is cut or empty. dvc.lock is put aside; without
    it, dvc takes what has run from its cache. The other kind says which process is at which file.

    Args:
        root: The project.
    """
    cut = []
    file = root / "dvc.lock"
    if file.is_file() and not _is_lock(file):
        aside = root / ".dvc" / "tmp" / "dvc.lock.cut"
        aside.parent.mkdir(parents=True, exist_ok=True)
        file.replace(aside)
        cut.append(f"{file.name} (now {aside.relative_to(root)})")
    for file in (root / ".dvc" / "tmp" / "rwlock", root / ".dvc" / "tmp" / "exps" / "rwlock"):
        if file.is_file() and not _is_json(file):
            time.sleep(WRITES_SECONDS)
            if not _is_json(file):
                file.unlink(missing_ok=True)
                cut.append(str(file.relative_to(root)))
    if cut:
        print(f"note: cut, as by a kill, so taken away: {', '.join(cut)}; dvc writes it anew", file=sys.stderr)
    return cut


def _is_lock(file: Path) -> bool:
    """Return whether dvc can read a file as dvc.lock."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA

    try:
        COMPILED_LOCKFILE_SCHEMA(YAML(typ="safe").load(file.read_text(encoding="utf-8")))
    except (Invalid, YAMLError, ValueError):
        return False
    return True


def _is_json(file: Path) -> bool:
    """Return whether a file, if it is there, holds JSON."""
    try:
        json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return True
    except ValueError:
        return False
    return True


def default_jobs(settings: Settings) -> int:
    """Return how many rows to train at a time: on a CPU two threads in one training wait for each other too often."""
    if settings.params.processes > 1 or settings.params.device.startswith("cuda"):
        return 1
    from stages.device import resolve  # imports torch

    on_cpu = resolve(settings.params.device).type == "cpu"
    return min(2, len(os.sched_getaffinity(0))) if on_cpu else 1


def reproduce_beside(root: Path, settings: Settings, jobs: int) -> int:
    """Run `dvc repro` with `jobs` rows in training at a time, and return its exit status.

    Args:
        root: The project, its boxes and proposals up to date.
        settings: Of the project.
        jobs: How many, DVC's own one included.
    """
    runs = changed(root, settings, ("train",)) if jobs > 1 else []
    # Trained from the last one on: first what trains twice, or all others would wait for it at the end
    runs.sort(key=lambda run: settings.rows[run[0]].labels == "self_training")
    with trained_ahead(root, runs, jobs if len(runs) > 1 else 1) as environ:
        return reproduce(root, **environ)


def changed(root: Path, settings: Settings, kinds: Sequence[str]) -> list[tuple[str, int]]:
    """Return the rows and seeds of which a stage of these kinds is not up to date, in DVC's order."""
    stale = set(json.loads(queue.ask(root, "status", "--json")))
    return [
        (name, seed)
        for name, row in settings.rows.items()
        for seed in settings.params.seeds
        if stale & {stage_name(kind, name, row, seed) for kind in kinds}
    ]


def train_in_queue(root: Path, settings: Settings, jobs: int) -> None:
    """Train and evaluate every row and seed that is not up to date, `jobs` at a time, each as an experiment of DVC.

    Those that succeeded are removed at the end; what they made stays in DVC's cache.

    Raises:
        UserError: One failed, the others have ended.
    """
    state = queue.fingerprint([*root.glob("*.yaml"), *root.glob("configs/*.yaml"), *root.glob("stages/**/*.py")])
    tasks = [
        queue.Task(f"rows-{state}-{name}-{seed}", stage_name("evaluate", name, settings.rows[name], seed))
        for name, seed in changed(root, settings, ("train", "evaluate"))
    ]
    queue.forget(root, "rows-", [task.name for task in tasks])
    succeeded = []

    def on_success(task: queue.Task, left: int) -> None:
        succeeded.append(task.name)
        print(f"{task.target}: done, {left} to go", flush=True)

    try:
        queue.work(root, tasks, jobs, on_success)
    finally:
        if succeeded:
            queue.ask(root, "exp", "remove", *succeeded)


def reproduce(root: Path, *targets: str, **environ: str) -> int:
    """Run `dvc repro` in `root` and return its exit status.

    Args:
        root: The project.
        targets: The stages to bring up to date, with what they need; without any, all.
        environ: What dvc and its stages see besides this process's environment.
    """
    process = queue.dvc(root, "repro", *targets, stdout=None, **environ)
    try:
        return process.wait()
    except KeyboardInterrupt:  # the terminal has sent it to dvc and to the stage as well: let them end
        process.wait()
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return 130


def table(settings: Settings, root: Path = paths.ROOT) -> str:
    """Return each row's IoU (of the first class, or the classes' mean) and what the paper prints for it, in percent.

    Raises:
        UserError: A result or a file of paper/ is missing or unreadable.
    """
    printed, measured = paper.load(root), results(settings, root)
    seeds = len(settings.params.seeds)
    ours = f"{settings.params.dataset}, {'one seed' if seeds == 1 else f'mean of {seeds} seeds'}"
    lines = [("row", ours, "paper, Cityscapes")]
    for name in measured:
        row = settings.rows[name]
        label = FIRST if row.classes == "one" else "mean"
        entry = printed.row(name, row.recipe)
        number = entry.iou.get(label) if entry else None
        lines.append((name, str(measured[name].iou(label)), "–" if number is None else f"{number:.2f}"))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    named = class_name(FIRST, next(iter(measured.values())).classes)
    title = f"IoU in percent: of {named}, and the mean over all classes in rows that start with ce"
    body = [f"{name:<{widths[0]}}  {iou:>{widths[1]}}  {paper_iou:>{widths[2]}}" for name, iou, paper_iou in lines]
    return "\n".join([title, *body])


if __name__ == "__main__":
    run(main)
