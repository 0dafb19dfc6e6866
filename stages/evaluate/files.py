"""The JSON files of this room: the same measurements give the same bytes."""

import math
from pathlib import Path
from typing import Any

from stages import arrays
from stages.params import UserError

DECIMALS = 4  # of a percentage: far below any difference between seeds, far above rounding noise


def write_json(path: Path, content: dict) -> None:
    """Write `content` with floats rounded to 4 decimals and NaN as null, making the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays.write_json(path, _printable(content))


def read_json(path: Path, remedy: str) -> dict:
    """Read an object.

    Raises:
        UserError: no such file, or not a JSON object; one line that names the file and ends with `remedy`.
    """
    content = arrays.read_json(path, remedy)
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds no JSON object; {remedy}")
    return content


def _printable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _printable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(item) for item in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, DECIMALS)
    return value
