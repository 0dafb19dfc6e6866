"""What the tests of boxes share."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.boxes.painted import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty folder of scenes."""
    (tmp_path / "scenes").mkdir()
    return Folder(tmp_path / "scenes")


@pytest.fixture
def boxes_of(folder: Folder, tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Pack one painted image (and an empty validation image) and return its annotations."""

    def make(regions: list[tuple[tuple[slice, slice], int]], **changes: Any) -> list[dict[str, Any]]:
        folder.add("a", regions)
        folder.add("b", split="val")
        return json.loads((folder.pack(tmp_path / "packed", **changes) / "boxes.json").read_text())["annotations"]

    return make
