"""JSON files of results: numbers are rounded, so that the same measurements give the same bytes."""

import math
from pathlib import Path
from typing import Any

from stages import arrays
from stages.errors import UserError

DECIMALS = 4  # of a percentage: far below any difference between seeds, far above rounding noise


def write_rounded(path: Path, content: dict[str, Any]) -> None:
    """Write `content` with floats rounded to 4 decimals and NaN as null, making the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays.write_json(path, _printable(content))


def read_object(path: Path, remedy: str) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        path: The file.
        remedy: What the user can do where it is missing or broken; ends the message.

    Raises:
        UserError: No such file, or not a JSON object.
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
