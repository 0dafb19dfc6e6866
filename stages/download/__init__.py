"""From a data source to data/<dataset>/scenes. The user's own files are read, never written, moved or copied."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from stages.config import Profile, SyntheticScenes
from stages.download import camvid, cityscapes
from stages.download.manifest import Source, write
from stages.synthetic.dataset import draw_all


def download(profile: Profile, dataset: str, out: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Find, fetch or draw the scenes of a dataset, check every file, and write `out`/manifest.json; return its path.

    Raises:
        UserError: The data is not there and cannot be had, or a file of it is missing, broken or not what it should be.
    """
    manifest, notes = write(_source(profile, out, environ), dataset, out)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    return manifest


def _source(profile: Profile, out: Path, environ: Mapping[str, str]) -> Source:
    if isinstance(profile.scenes, SyntheticScenes):
        draw_all(profile.scenes, out)
        return cityscapes.source(out, published=None)
    find = {"camvid": camvid.find, "cityscapes": cityscapes.find}[profile.scenes.source]
    return find(out.parent, environ)
