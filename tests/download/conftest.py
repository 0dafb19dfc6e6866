"""What the tests of sources share; fabricated.py makes their data."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.boxes.scenes import Entry, read_manifest
from stages.download.run import download
from stages.errors import UserError
from tests.download.fabricated import COCO, Coco


@pytest.fixture
def out(tmp_path) -> Path:
    """Where the stage writes."""
    return tmp_path / "data" / "dataset" / "scenes"


@pytest.fixture
def coco(tmp_path) -> Coco:
    """An empty folder of own data."""
    return Coco(tmp_path / "own")


@pytest.fixture
def entries(coco, out) -> Callable[..., dict[str, Entry]]:
    """List a folder of own data, with a profile of its own or the default; entries by id, as `boxes` reads them."""

    def read(profile: Any = COCO, **environ: str) -> dict[str, Entry]:
        manifest = download(profile, "mine", out, {"COCO_ROOT": str(coco.root)} | environ)
        return {entry.id: entry for entry in read_manifest(manifest)}

    return read


@pytest.fixture
def manifest(entries, out) -> Callable[..., dict[str, Any]]:
    """List a folder of own data and return the manifest's content."""

    def read(*arguments: Any, **environ: str) -> dict[str, Any]:
        entries(*arguments, **environ)
        return json.loads((out / "manifest.json").read_text())

    return read


@pytest.fixture
def refusal(entries, out) -> Callable[..., str]:
    """The one line that refuses a folder of own data."""

    def read(*arguments: Any, **environ: str) -> str:
        with pytest.raises(UserError) as error:
            entries(*arguments, **environ)
        assert "\n" not in str(error.value)
        assert not (out / "manifest.json").exists()
        return str(error.value)

    return read
