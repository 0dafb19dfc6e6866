"""`python -m benchmarks.fast_path`: do whole trainings end alike on the fast path and on the plain one?

The fast path is what `python -m stages.train` takes: channels last, and bf16 where the device has units for it. The
plain one is fp32 in contiguous memory. Each row is trained on both with the same seeds, on params.yaml's dataset, which
`dvc repro boxes` has packed, and the IoU of cars on its validation images is compared, paired by seed.
"""

import argparse
import statistics
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
import torch

from stages import arrays, params, paths
from stages.evaluate.scores import evaluate
from stages.params import Settings, UserError
from stages.report.claims import half_width
from stages.train.device import keep_freed_memory, name, precision, resolve
from stages.train.loop import Trainer, check, describe

ROWS = ("bce-2780", "bootstrap-500-2280-stable")


def main() -> None:
    """Read the command line, train, print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fast_path", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", default=ROWS, metavar="ROW", help="rows of rows.yaml")
    parser.add_argument("--seeds", nargs="+", type=int, default=range(5), metavar="SEED", help="default 0 to 4")
    arguments = parser.parse_args()
    settings = params.load()
    device = resolve(settings.params.device)
    for row in arguments.rows:
        for seed in arguments.seeds:
            check(settings, row, seed)
    if precision(device) == torch.float32:
        raise UserError(f"{name(device)} has no bf16 units; allowed: a device whose fast path is in bf16")
    keep_freed_memory()
    packed = arrays.open_packed(paths.packed(settings.params.dataset))
    print(f"{name(device)}, torch {torch.__version__}, {settings.params.dataset}, {settings.steps} steps\n")
    found = {row: list(both(settings, packed, row, arguments.seeds, device)) for row in arguments.rows}
    print(table(found))


def both(
    settings: Settings, packed: arrays.Packed, row: str, seeds: Sequence[int], device: torch.device
) -> Iterator[tuple[float, float]]:
    """IoU of cars in percent on the fast path and on the plain one, for each seed."""
    for seed in seeds:
        yield tuple(trained(settings, packed, row, seed, device, plain) for plain in (False, True))


def trained(settings: Settings, packed: arrays.Packed, row: str, seed: int, device: torch.device, plain: bool) -> float:
    """IoU of cars in percent after a training of a row."""
    pp, box = arrays.pools(packed, settings.rows[row])
    run = describe(settings, row, seed, packed, pp, box)
    trainer = Trainer(packed, settings.rows[row], run, pp, box, device)
    if plain:
        make_plain(trainer)
    trainer.fit(f"{row} seed {seed}, {'plain' if plain else 'fast'}")
    return evaluate(trainer.predictor, packed, settings.rows[row], device)[0]["iou"]["car"]


def make_plain(trainer: Trainer) -> None:
    """Put a training that has not begun on the plain path."""
    trainer.precision = torch.float32
    trainer.network.to(memory_format=torch.contiguous_format)


def table(found: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """A line for each row: means and standard deviations of both paths, and their difference with its 95 % interval."""
    lines = {}
    for row, pairs in found.items():
        fast, plain = zip(*pairs, strict=True)
        differences = [a - b for a, b in pairs]
        half = half_width(differences)
        mean = statistics.mean(differences)
        interval = "" if half is None else f" [{mean - half:.2f}, {mean + half:.2f}]"
        lines[row] = (_spread(fast), _spread(plain), f"{mean:+.2f}{interval}", str(len(pairs)))
    return pd.DataFrame.from_dict(lines, orient="index", columns=["fast", "plain", "fast - plain", "n"]).to_string()


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.mean(values):.2f}" + (f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else "")


if __name__ == "__main__":
    params.run(main)
