"""Synthetic street scenes: drawn by stages/synthetic into Cityscapes' folders and file names, without a network."""

from collections.abc import Mapping
from pathlib import Path

from stages.download import cityscapes
from stages.download.listing import Listing
from stages.download.registry import DataSource
from stages.synthetic.schema import SyntheticScenes

INSTANCE_IDS = cityscapes.INSTANCE_IDS | {19, 20}  # drawn traffic lights and signs are counted too


def find(scenes: SyntheticScenes, out: Path, environ: Mapping[str, str]) -> Listing:
    """Draw every scene into `out` and return the pairs.

    Raises:
        UserError: `out` holds something that was not drawn.
    """
    from stages.synthetic.dataset import draw_all  # numpy, and all that draws: not for who reads the schema

    draw_all(scenes, out)
    return cityscapes.pairs_of(out, INSTANCE_IDS, published=None)


SOURCE = DataSource(SyntheticScenes, "synthetic street scenes", find)
