"""From a data source to data/<dataset>/scenes. The user's own files are read, never written, moved or copied."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from stages.download import camvid, cityscapes, synthetic
from stages.download.manifest import Source, write
from stages.params import Profile


def download(profile: Profile, dataset: str, out: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Find, fetch or draw the scenes of a dataset, check every file, and write `out`/manifest.json; give its path.

    Raises:
        UserError: the data is not there and cannot be had, or a file of it is missing, broken or not what it should be.
    """
    source = _source(profile, out, environ)
    manifest, notes = write(source, dataset, out)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    return manifest


def _source(profile: Profile, out: Path, environ: Mapping[str, str]) -> Source:
    match profile.scenes.source:
        case "synthetic":
            return synthetic.draw_all(profile.scenes, out)
        case "camvid":
            return camvid.find(out.parent, environ)
        case "cityscapes":
            return cityscapes.find(out.parent, environ)
        case other:
            raise ValueError(f"no source of scenes is called {other}")
