"""The whole pipeline: `python -m stages.reproduce` is `dvc repro`, told stage by stage, and a short table.

With `--jobs 2`, two rows at a time are trained and evaluated through DVC's queue first; the pipeline then finds them in
DVC's cache.
"""

import argparse
import contextlib
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from stages import params, paths, queue
from stages.params import Settings
from stages.report import paper
from stages.report.records import results

STARTS = re.compile(r"Running stage '(.+)':")
CACHED = re.compile(r"Stage '(.+)' is cached")
UNCHANGED = re.compile(r"Stage '.+' didn't change")
CHATTER = re.compile(
    r"(> |Generating lock file|Updating lock file|To track the changes|\tgit add |To enable auto staging"
    r"|\tdvc config |Use `dvc push`|Data and pipelines are up to date|\s*$)"
)


def main() -> None:
    """Check the user's files, run what is not up to date, and print what came out. Exits with dvc's own status.

    Raises:
        UserError: what the user's files say is not allowed, nothing has run then; or a queued training failed.
    """
    parser = argparse.ArgumentParser(prog="python -m stages.reproduce", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--jobs", type=int, default=1, help="rows that are trained at a time, above 1 through DVC's queue"
    )
    jobs = parser.parse_args().jobs
    settings = params.load()
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
        UserError: one failed, the others have ended.
    """
    state = queue.fingerprint([*root.glob("*.yaml"), *root.glob("stages/**/*.py")])
    changed = set(json.loads(queue.ask(root, "status", "--json")))
    tasks = [
        queue.Task(f"rows-{state}-{row}-{seed}", f"evaluate@{row}-{seed}")
        for row in settings.order
        for seed in settings.params.seeds
        if changed & {f"evaluate@{row}-{seed}", f"train-{settings.rows[row].trains.replace('_', '-')}@{row}-{seed}"}
    ]
    queue.forget(root, "rows-", [task.name for task in tasks])
    succeeded = []

    def ended(task: queue.Task, left: int) -> None:
        succeeded.append(task.name)
        print(f"{task.target}: done, {left} to go", flush=True)

    try:
        queue.work(root, tasks, jobs, ended)
    finally:
        if succeeded:
            queue.ask(root, "exp", "remove", *succeeded)


def reproduce(root: Path, *targets: str) -> int:
    """Run `dvc repro` in `root`, print `[k/n]` and each stage's name as it starts, and return dvc's exit status.

    `targets`: the stages to bring up to date, with what they need; without any, all. The stages' own progress bars go
    straight to the terminal: their stderr is this process's.
    """
    names = queue.dvc(root, "stage", "list", "--name-only")
    listed = names.communicate()[0].split()
    if names.returncode:
        return names.returncode
    process = queue.dvc(root, "repro", *targets)
    try:
        for line in told(process.stdout, len(listed)):
            print(line, flush=True)
    except KeyboardInterrupt:  # the terminal has sent it to dvc and to the stage as well: let them end
        with contextlib.suppress(KeyboardInterrupt):
            process.communicate()
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return 130
    return process.wait()


def told(lines: Iterable[str], n: int) -> Iterator[str]:
    """What dvc says, shorter: `[k/n] stage` for each that starts, one line for neighbours that did not change."""
    k = unchanged = 0
    for line in lines:
        starts, cached = STARTS.match(line), CACHED.match(line)
        if UNCHANGED.match(line):
            unchanged += 1
            continue
        if (starts or cached) and unchanged:
            yield _skipped(k, unchanged, n)
            k, unchanged = k + unchanged, 0
        if starts or cached:
            k += 1
            yield f"[{k}/{n}] {starts[1]}" if starts else f"[{k}/{n}] {cached[1]}: taken from dvc's cache"
        elif not CHATTER.match(line):
            yield line.rstrip("\n")
    if unchanged:
        yield _skipped(k, unchanged, n)


def _skipped(k: int, unchanged: int, n: int) -> str:
    first = f"{k + 1}-" if unchanged > 1 else ""
    return f"[{first}{k + unchanged}/{n}] unchanged"


def table(settings: Settings, root: Path = paths.ROOT) -> str:
    """Each row's IoU (car, or the classes' mean) and what the paper prints for it, in percent.

    Raises:
        UserError: a result or paper.yaml is missing or unreadable.
    """
    printed, measured = paper.load(root), results(settings, root)
    seeds = len(settings.params.seeds)
    ours = f"{settings.params.dataset}, {'one seed' if seeds == 1 else f'mean of {seeds} seeds'}"
    lines = [("row", ours, "paper, Cityscapes")]
    for name in settings.order:
        row = settings.rows[name]
        label = "car" if row.task == "car" else "mean"
        entry = printed.row(name, row.recipe)
        number = entry.iou.get(label) if entry else None
        lines.append((name, str(measured[name].iou(label)), "–" if number is None else f"{number:.2f}"))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    title = "IoU in percent: of cars, and the mean over background, car and person in rows that start with ce"
    body = [f"{name:<{widths[0]}}  {iou:>{widths[1]}}  {paper_iou:>{widths[2]}}" for name, iou, paper_iou in lines]
    return "\n".join([title, *body])


if __name__ == "__main__":
    params.run(main)
