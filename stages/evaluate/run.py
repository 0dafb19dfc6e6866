"""Evaluate one trained run on disk."""

from pathlib import Path

import numpy as np

from stages import paths
from stages.arrays import open_packed, read_npz
from stages.evaluate.files import write_json
from stages.evaluate.scores import evaluate
from stages.evaluate.traces import trace_metrics
from stages.params import Settings, UserError
from stages.train import model
from stages.train.device import resolve


def evaluate_run(settings: Settings, row: str, seed: int, root: Path = paths.ROOT) -> dict:
    """Measure runs/<row>/seed-<seed>/train on the packed arrays; write metrics.json and pictures.npz to .../evaluate.

    Returns: the metrics, see `scores.evaluate`.

    Raises:
        UserError: no such row; not trained yet or unreadable, or trained on another dataset than params.yaml names.
    """
    dataset, trained = settings.params.dataset, paths.train(row, seed, root)
    if row not in settings.rows:
        raise UserError(f"--row is {row}; allowed: {', '.join(settings.order)}")
    device = resolve(settings.params.device)
    predictor = model.load(trained, device)
    if predictor.run["dataset"] != dataset:
        raise UserError(
            f"{trained}: is of dataset {predictor.run['dataset']}, params.yaml says {dataset}; "
            f"run `dvc repro`, or `python -m stages.train --row {row} --seed {seed}`"
        )
    packed = open_packed(paths.packed(dataset, root))
    metrics, pictures = evaluate(predictor, packed, settings.rows[row], device)
    metrics["trace"] = trace_metrics(
        read_npz(trained / "trace.npz", "train this run first"), packed.train, settings.rows[row]
    )
    out = paths.evaluate(row, seed, root)
    write_json(out / "metrics.json", metrics)
    np.savez_compressed(paths.fresh(out / "pictures.npz"), **pictures)
    return metrics
