"""Files of tensors, read with a check that `torch.load` leaves out."""

import io
import zipfile
from pathlib import Path
from typing import Any

import torch


def read_state(file: Path, device: torch.device | str) -> Any:
    """Return what `torch.save` wrote into a file.

    It is a zip archive, whose checksums torch writes and does not compare: it would load a lost bit as a weight.

    Args:
        file: To read.
        device: Where its tensors go.

    Raises:
        OSError: It cannot be read.
        Exception: It is damaged; zip's reader and torch's unpickler raise anything.
    """
    content = file.read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if archive.testzip() is not None:
            raise ValueError(f"the checksums of {file.name} are not those of its content")
    return torch.load(io.BytesIO(content), map_location=device, weights_only=True)
