"""The classes of most tests' packed folders: cars and people, as in the paper."""

from typing import Any

from stages.arrays import Classes

CLASSES = Classes(("car", "person"))
TASKS = {"one": ("car",), "few": ("car", "person")}
"""The classes with boxes of each task."""


def content(ids: dict[str, list[str]], pp_order: list[int]) -> dict[str, Any]:
    """What split.json holds where every training image has a mask."""
    order = {"pp_order": pp_order, "masked": len(pp_order)}
    return {**ids, **order, "val_parts": [], "classes": ["car", "person"], "masks_only": []}
