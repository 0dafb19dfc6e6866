"""The whole pipeline: `python -m stages.reproduce` is `dvc repro`, and a short table.

With `--jobs 2`, two rows at a time are trained and evaluated through DVC's queue first; the pipeline then finds them in
DVC's cache.
"""

import argparse
import json
import sys
from pathlib import Path

from stages import config, paths
from stages.analysis import paper
from stages.analysis.naming import FIRST, class_name
from stages.analysis.results import results
from stages.config import Settings, stage_name
from stages.errors import run
from stages.studies import queue


def main() -> None:
    """Check the user's files, run what is not up to date, and print what came out. Exits with dvc's own status.

    Raises:
        UserError: What the user's files say is not allowed, nothing has run then; or a queued training failed.
    """
    parser = argparse.ArgumentParser(prog="python -m stages.reproduce", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--jobs", type=int, default=1, help="rows that are trained at a time, above 1 through DVC's queue"
    )
    jobs = parser.parse_args().jobs
    settings = config.load()
    queue.check(settings, jobs)
    status = reproduce(paths.ROOT, "boxes") if jobs > 1 else 0
    if not status and jobs > 1:
        train_in_queue(paths.ROOT, settings, jobs)
    status = status or reproduce(paths.ROOT)
    if status:
        sys.exit(status)
    print(f"\n{table(settings)}\n\nThe report: {paths.reports() / 'index.html'}")


def train_in_queue(root: Path, settings: Settings, jobs: int) -> None:
    """Train and evaluate every row and seed that is not up to date, `jobs` at a time, each as an experiment of DVC.

    Those that succeeded are removed at the end; what they made stays in DVC's cache.

    Raises:
        UserError: One failed, the others have ended.
    """
    state = queue.fingerprint([*root.glob("*.yaml"), *root.glob("configs/*.yaml"), *root.glob("stages/**/*.py")])
    changed = set(json.loads(queue.ask(root, "status", "--json")))
    tasks = [
        queue.Task(f"rows-{state}-{name}-{seed}", stage_name("evaluate", name, row, seed))
        for name, row in settings.rows.items()
        for seed in settings.params.seeds
        if changed & {stage_name(kind, name, row, seed) for kind in ("train", "evaluate")}
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


def reproduce(root: Path, *targets: str) -> int:
    """Run `dvc repro` in `root` and return its exit status.

    Args:
        root: The project.
        targets: The stages to bring up to date, with what they need; without any, all.
    """
    process = queue.dvc(root, "repro", *targets, stdout=None)
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
