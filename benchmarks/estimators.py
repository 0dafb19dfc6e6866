"""`python -m benchmarks.estimators`: compare what the estimators of the multi-class uncertainty loss cost.

Each draws its noise, computes the loss of a list of box pixels and its gradient by the log-variances, as a training
step does. They run in turn, and a ratio is the median over rounds.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import pandas as pd
import torch

from benchmarks.sides import Timed, count_of, in_turn
from stages.device import keep_freed_memory, name, resolve
from stages.errors import run as run_program
from stages.model import losses
from stages.model.objectives import SAMPLED

ESTIMATORS = (*SAMPLED, "mean_field")
BASE = "monte_carlo"
LOGIT_SCALE = 3.0


def main() -> None:
    """Read the command line, time, print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimators", description=__doc__.splitlines()[0])
    parser.add_argument("--classes", nargs="+", type=count_of, default=(3, 8, 12), help="default 3 8 12")
    parser.add_argument("--pixels", type=count_of, default=20_000, help="in boxes of a batch (default 20000)")
    parser.add_argument("--samples", type=count_of, default=20, help="T (default 20, the paper's)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    parser.add_argument("--threads", type=count_of, help="of torch on the CPU")
    parser.add_argument("--rounds", type=count_of, default=9)
    parser.add_argument("--steps", type=count_of, default=3, help="of each side in a round")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    device = resolve(arguments.device)
    timed = run(arguments.classes, arguments.pixels, arguments.samples, device, arguments.rounds, arguments.steps)
    print(
        f"{name(device)}, {torch.get_num_threads()} threads, torch {torch.__version__}; {arguments.pixels} pixels, "
        f"{arguments.samples} samples, {arguments.rounds} rounds of {arguments.steps} steps\n"
    )
    print(table(timed))


def run(
    classes: Sequence[int], pixels: int, samples: int, device: torch.device, rounds: int, steps: int
) -> dict[int, dict[str, Timed]]:
    """Time every estimator for each number of classes.

    Args:
        classes: Numbers of classes.
        pixels: In the list.
        samples: T of the sampled estimators.
        device: Where they run.
        rounds, steps: See `sides.in_turn`.
    """
    synchronise = torch.cuda.synchronize if device.type == "cuda" else (lambda: None)
    found = {}
    for count in classes:
        sides = {estimator: _step(estimator, pixels, count, samples, device) for estimator in ESTIMATORS}
        found[count] = in_turn(sides, rounds, steps, synchronise=synchronise)
    return found


def table(timed: Mapping[int, Mapping[str, Timed]]) -> str:
    """Return a line for each estimator: for each number of classes milliseconds, and how many times Monte Carlo's."""
    columns = {}
    for count, sides in timed.items():
        columns[f"{count} classes, ms"] = {side: f"{1000 * found.median:.2f}" for side, found in sides.items()}
        columns["x monte_carlo" + " " * len(columns)] = {
            side: f"{sides[BASE].ratio(found):.2f}" for side, found in sides.items()
        }  # blanks, since a column's name stands once
    return pd.DataFrame(columns).to_string()


def _step(estimator: str, pixels: int, classes: int, samples: int, device: torch.device) -> Callable[[], None]:
    """Return a step of one estimator; all have the same pixels."""
    generator = torch.Generator().manual_seed(classes)
    mean = (LOGIT_SCALE * torch.randn(pixels, classes, generator=generator)).to(device)
    log_variance = torch.randn(pixels, classes, generator=generator).to(device).requires_grad_()
    target = torch.randint(classes, (pixels,), generator=generator).to(device)
    return partial(_take, estimator, mean, log_variance, target, samples)


def _take(estimator: str, mean: torch.Tensor, log_variance: torch.Tensor, target: torch.Tensor, samples: int) -> None:
    if estimator in SAMPLED:
        noise = torch.randn(mean.shape[-1], samples, len(mean), device=mean.device).movedim(0, -1)  # as training does
        loss = SAMPLED[estimator](mean, log_variance, target, noise)
    else:
        loss = losses.ce_uncertainty_mean_field(mean, log_variance, target)
    torch.autograd.grad(loss.mean(), log_variance)


if __name__ == "__main__":
    run_program(main)
