"""A finished run, as the command line names it."""

from pathlib import Path

import torch

from stages.device import resolve
from stages.errors import UserError
from stages.model.predictor import Predictor, load


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
        UserError: There is no such folder, or no finished training in it.
    """
    if not run.is_dir():
        raise UserError(f"--run {run}: no such folder; `dvc repro` makes runs/<row>/seed-<k>")
    return load(run / "train", device)
