"""Drawn street scenes, written in Cityscapes' folders, file names and ids.

A scene is a function of (seed, split, index, size, difficulty, things) alone, whichever process draws it.
"""

import multiprocessing
import os
import shutil
import zlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from stages import progress
from stages.errors import UserError
from stages.synthetic.scene import draw
from stages.synthetic.schema import SyntheticScenes
from stages.synthetic.world import Difficulty

CITIES = {
    "train": ("ahrbach", "brunnen", "dornfeld", "eichstedt", "falkenau", "grunwald", "hainburg", "ilmtal"),
    "val": ("kaltenbach", "lindau", "moosheim"),
}
SPLIT_IDS = {"train": 0, "val": 1}
FRAME = 19  # the labelled frame of each of Cityscapes' 30-frame snippets
PNG = {"compress_level": 1, "compress_type": zlib.Z_RLE}  # labels come in runs, and noise repeats nowhere
WORTH_A_POOL = 24  # scenes; for fewer, starting processes takes longer than drawing


@dataclass(frozen=True)
class Order:
    """One scene to be drawn and written."""

    seed: int
    split: str
    index: int
    size: tuple[int, int]
    difficulty: Difficulty
    things: tuple[str, ...]
    out: Path


def draw_all(scenes: SyntheticScenes, out: Path, workers: int | None = None) -> None:
    """Draw every scene of the profile into `out`, with as many processes as the machine lends CPU cores.

    Raises:
        UserError: `out` holds something that this stage does not write, and so would not delete.
    """
    _clear(out)
    difficulty = Difficulty(**scenes.difficulty.model_dump())
    orders = [
        Order(scenes.seed, split, index, tuple(scenes.size), difficulty, scenes.things, out)
        for split in SPLIT_IDS
        for index in range(getattr(scenes.images, split))
    ]
    for order in orders:
        for kind in ("leftImg8bit", "gtFine"):
            (out / kind / order.split / _city(order)).mkdir(parents=True, exist_ok=True)
    workers = min(workers or len(os.sched_getaffinity(0)), len(orders))
    with progress.bar(len(orders), "drawing scenes") as bar:
        if workers == 1 or len(orders) < WORTH_A_POOL:
            for order in orders:
                draw_one(order)
                bar.update()
        else:
            with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
                for _ in pool.map(draw_one, orders, chunksize=8):
                    bar.update()


def draw_one(order: Order) -> None:
    """Draw one scene and write its photograph, label ids and instance ids."""
    rng = np.random.default_rng([order.seed, SPLIT_IDS[order.split], order.index])
    picture, ids = draw(rng, order.size, order.difficulty, order.things)
    name = f"{order.split}/{_city(order)}/{_city(order)}_{order.index:06d}_{FRAME:06d}"
    labels = np.where(ids >= 1000, ids // 1000, ids).astype(np.uint8)
    picture.save(order.out / "leftImg8bit" / f"{name}_leftImg8bit.png", **PNG)
    Image.fromarray(labels).save(order.out / "gtFine" / f"{name}_gtFine_labelIds.png", **PNG)
    Image.fromarray(ids.astype(np.uint16)).save(order.out / "gtFine" / f"{name}_gtFine_instanceIds.png", **PNG)


def _city(order: Order) -> str:
    cities = CITIES[order.split]
    return cities[order.index % len(cities)]


def _clear(out: Path) -> None:
    """Remove what an earlier run drew, and nothing else."""
    if not out.exists():
        return
    own = {"leftImg8bit", "gtFine", "manifest.json"}
    for path in sorted(out.iterdir()):
        if path.name not in own or (path.is_symlink() and path.is_dir()):  # DVC's cache links files alone
            raise UserError(f"{path} was not drawn by this project; move it away, {out} is written anew")
    for path in out.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
