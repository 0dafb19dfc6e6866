"""`python -m benchmarks.fast_path`: compare whole trainings on the fast path with trainings on the plain one.

The fast path is the one of `python -m stages.train`: channels last, and bf16 where the device has units for it. The
plain path is fp32 in contiguous memory. Each row is trained on both with the same seeds, on params.yaml's dataset,
which `dvc repro boxes` has packed, and the IoU of cars on its validation images is compared, paired by seed.
"""

import argparse
from collections.abc import Mapping, Sequence

import pandas as pd
import torch

from stages import config
from stages.analysis.results import first_iou
from stages.analysis.statistics import Measured, estimate
from stages.device import keep_freed_memory, name, precision
from stages.device import resolve as resolve_device
from stages.errors import UserError, run
from stages.evaluate.scores import evaluate
from stages.model.hyperparameters import row_of
from stages.model.predictor import Predictor
from stages.train.loop import Job, Trainer, prepare

ROWS = ("bce-2780", "bootstrap-500-2280-stable")


def main() -> None:
    """Read the command line, train, print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fast_path", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", default=ROWS, metavar="ROW", help="rows of configs/rows.yaml")
    parser.add_argument("--seeds", nargs="+", type=int, default=range(5), metavar="SEED", help="default 0 to 4")
    arguments = parser.parse_args()
    settings = config.load()
    device = resolve_device(settings.params.device)
    for row in arguments.rows:
        row_of(settings, row)
    if precision(device) == torch.float32:
        raise UserError(f"{name(device)} has no bf16 units; allowed: a device whose fast path is in bf16")
    jobs = {row: [prepare(settings, row, seed) for seed in arguments.seeds] for row in arguments.rows}
    keep_freed_memory()
    print(f"{name(device)}, torch {torch.__version__}, {settings.params.dataset}, {settings.steps} steps\n")
    print(table({row: [compare(job, device) for job in of_row] for row, of_row in jobs.items()}))


def compare(job: Job, device: torch.device) -> tuple[float, float]:
    """Return the first class's IoU in percent after a training on the fast path, and after one on the plain path."""
    return train_and_evaluate(job, device, plain=False), train_and_evaluate(job, device, plain=True)


def train_and_evaluate(job: Job, device: torch.device, plain: bool) -> float:
    """Return the IoU of the first class in percent on the validation images after a training."""
    trainer = Trainer(job, device)
    if plain:
        make_plain(trainer)
    trainer.fit(f"{job.chosen.name} seed {job.seed}, {'plain' if plain else 'fast'}")
    predictor = Predictor(trainer.network, job.chosen, trainer.predictor.flipper, job.record())
    metrics, _ = evaluate(predictor, job.packed, device)
    return first_iou(metrics)


def make_plain(trainer: Trainer) -> None:
    """Put a training that has not begun on the plain path."""
    trainer.precision = torch.float32
    trainer.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def table(found: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Return a line for each row: means with standard deviations, and the difference with its 95 % interval.

    Args:
        found: By row, for each seed the IoU in percent on the fast path and on the plain one.
    """
    lines = {}
    for row, pairs in found.items():
        fast, plain = zip(*pairs, strict=True)
        difference = estimate({seed: a - b for seed, (a, b) in enumerate(pairs)}, 0.95)
        interval = "" if difference.low is None else f" [{difference.low:.2f}, {difference.high:.2f}]"
        lines[row] = (str(Measured(fast)), str(Measured(plain)), f"{difference.mean:+.2f}{interval}", str(len(pairs)))
    return pd.DataFrame.from_dict(lines, orient="index", columns=["fast", "plain", "fast - plain", "n"]).to_string()


if __name__ == "__main__":
    run(main)
