"""A finished run, as the command line names it."""

import math
from pathlib import Path
from typing import Any

import torch

from stages.device import resolve
from stages.errors import UserError
from stages.model.predictor import Predictor, load
from stages.pictures import LARGEST
from stages.predict.scales import MULTIPLE


def device_of(name: str) -> torch.device:
    """Return the device that `--device` names, see `device.resolve`.

    Raises:
        UserError: Not a device's name, or a CUDA device that this machine lacks.
    """
    try:
        return resolve(name)
    except UserError as error:
        raise UserError("--" + str(error).removeprefix("params.yaml: ")) from None


def open_run(run: Path, device: torch.device) -> Predictor:
    """Return the predictor of a run.

    Args:
        run: Its folder, runs/<row>/seed-<k>.
        device: Where the network goes.

    Raises:
        UserError: There is no such folder, no finished training in it, or a damaged one.
    """
    if not run.is_dir():
        raise UserError(f"--run {run}: no such folder; `dvc repro` makes runs/<row>/seed-<k>")
    predictor = load(run / "train", device)
    _check_record(run / "train" / "run.json", predictor)
    if not all(bool(values.isfinite().all()) for values in predictor.network.state_dict().values()):
        raise UserError(f"{run / 'train' / 'weights.pt'}: the weights are not finite numbers; train this run again")
    return predictor


def _check_record(file: Path, predictor: Predictor) -> None:
    """Check what `load` takes from run.json unread, so that a damaged one is found before anything is written.

    Raises:
        UserError: A value is missing, or none that a training writes.
    """
    run, chosen = predictor.run, predictor.chosen
    count, rates = len(chosen.classes), run["fill_rate"]
    allowed = {
        "seed": (_is_whole(run.get("seed")), "a whole number"),
        "task": (run.get("task") == chosen.row.classes, f"{chosen.row.classes}, as in its spec"),
        "row": (isinstance(chosen.name, str), "a name"),
        "dataset": (isinstance(chosen.dataset, str), "a name"),
        "classes": (isinstance(run["classes"], list) and all(isinstance(c, str) for c in chosen.classes), "names"),
        "settings.size": (
            len(chosen.size) == 2
            and all(_is_whole(side) and side > 0 and side % MULTIPLE == 0 for side in chosen.size)
            and math.prod(chosen.size) <= LARGEST,
            f"width and height, multiples of {MULTIPLE}, at most {LARGEST // 10**6} million pixels",
        ),
        "settings.tau": (not chosen.row.bootstraps or _is_number(chosen.tau), "a number"),
        "settings.temperature": (chosen.temperature is None or _is_number(chosen.temperature), "a number"),
        "fill_rate": (
            not (chosen.row.bootstraps or chosen.row.ranks)
            or isinstance(rates, list)
            and len(rates) == count
            and all(_is_number(rate) and 0 <= rate <= 1 for rate in rates),
            f"{count} numbers from 0 to 1",
        ),
    }
    for name, (good, what) in allowed.items():
        if not good:
            raise UserError(f"{file}: {name} is missing or damaged; allowed: {what}; train this run again")


def _is_whole(value: Any) -> bool:
    return type(value) is int  # a bool is an int, too


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
