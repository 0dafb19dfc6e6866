"""The sources of data, each a module of this package with one entry, `SOURCE`.

They are imported by name, when they are asked for: what reads settings or titles does not depend on a source's code, so
a change of one source runs `download` again and retrains nothing (see stages/fingerprint.py).
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.fields import Scenes

SOURCES = ("synthetic", "camvid", "cityscapes", "nuclei", "coco")
"""The names of the modules, as a profile's `scenes.source` gives them."""


@dataclass(frozen=True)
class DataSource:
    """What the project knows of a source."""

    schema: type[Scenes]
    """What the section `scenes` of its profiles may say."""
    title: str
    """How titles name its dataset."""
    find: Callable[[Any, Path, Mapping[str, str]], Any]
    """From the profile's `scenes`, the folder that `download` writes and the environment to a
    `stages.download.listing.Listing`; may write label pictures into the folder."""
    place: Callable[[Any, Path, Mapping[str, str]], Any] | None = None
    """From the same arguments to the `stages.download.user_paths.Place` where the data lie, fetched there first if
    nothing names a copy. None: the project makes the data itself."""
    variable: str | None = None
    """The environment variable that names a copy of the data."""


def source(name: str) -> DataSource:
    """Return a source by its name, one of SOURCES."""
    return importlib.import_module(f"{__package__}.{name}").SOURCE
