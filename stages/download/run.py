"""The stage itself: find, fetch or draw a dataset's scenes, check them, list them."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from stages.config import Profile
from stages.download.manifest import write
from stages.download.registry import source
from stages.errors import OF_DISK, UserError


def download(profile: Profile, dataset: str, out: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Find, fetch or draw the scenes of a dataset, check every file, and write `out`/manifest.json; return its path.

    Raises:
        UserError: The data is not there and cannot be had, or a file of it is missing, broken or not what it should be.
    """
    try:
        found = source(profile.scenes.source).find(profile.scenes, out, environ)
        manifest, notes = write(found, dataset, out)
    except OSError as error:
        if error.filename is None or error.errno in OF_DISK:  # of what is written here, not of the data
            raise
        raise UserError(f"{error.filename}: {error.strerror}; `download` must be able to read and list it") from None
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    return manifest
