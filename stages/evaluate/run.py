"""The evaluation of one run on disk."""

from pathlib import Path
from typing import Any

import numpy as np

from stages import left_out, paths
from stages.arrays import open_packed, read_npz
from stages.config import Settings
from stages.device import resolve
from stages.errors import UserError, writing
from stages.evaluate.result_files import write_rounded
from stages.evaluate.scores import evaluate
from stages.evaluate.traces import trace_metrics
from stages.model.predictor import load


def evaluate_run(settings: Settings, row: str, seed: int, root: Path = paths.ROOT) -> dict[str, Any]:
    """Measure runs/<row>/seed-<seed>/train on the packed arrays; write metrics.json and pictures.npz to .../evaluate.

    Args:
        settings: The content of the user's three files.
        row: A row's name in configs/rows.yaml.
        seed: The training's.
        root: The project's folder.

    Returns:
        The metrics, see `scores.evaluate`; `trace`, see `traces.trace_metrics`.

    Raises:
        UserError: No such row; not trained yet or unreadable, or trained on another dataset than params.yaml names.
    """
    dataset, trained = settings.params.dataset, paths.train(row, seed, root)
    if row not in settings.rows:
        raise UserError(f"--row is {row}; allowed: {', '.join(settings.rows)}")
    device = resolve(settings.params.device)
    predictor = load(trained, device)
    if predictor.run["dataset"] != dataset:
        raise UserError(
            f"{trained}: is of dataset {predictor.run['dataset']}, params.yaml says {dataset}; "
            f"run `dvc repro`, or `python -m stages.train --row {row} --seed {seed}`"
        )
    packed = open_packed(paths.packed(dataset, root))
    metrics, pictures = evaluate(predictor, packed, device)
    trace = read_npz(trained / "trace.npz", ("steps", "images", "pixels"), "train this run first")
    metrics["trace"] = trace_metrics(trace, packed, predictor.chosen.row)
    out = paths.evaluate(row, seed, root)
    (out / left_out.FILE).unlink(missing_ok=True)
    write_rounded(out / "metrics.json", metrics)
    with writing(out / "pictures.npz"):
        np.savez_compressed(paths.reset(out / "pictures.npz"), **pictures)
    return metrics
