"""Packed arrays -> a folder of proposals: a label map of every training image by each method, and what that cost.

Images are shared out to processes; the bytes written do not depend on their number. `proposals.json` is written last: a
folder that has one is whole.
"""

import functools
import os
import resource
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from stages.arrays import VOID, Packed, allocate, open_packed, pools, task_masks, write_json
from stages.config import PROPOSED, Row
from stages.progress import bar
from stages.proposals import crf, grabcut
from stages.proposals.boxes import packed_boxes
from stages.proposals.files import TASK, file

MASKED = Row(classes=TASK, loss="bce", pp=500, box=0)
"""The row whose pixel-perfect images choose the CRF's parameters."""
TRIALS = tuple(
    replace(crf.USUAL, centre=centre, colour_range=colours, colour_weight=weight)
    for centre, colours, weight in product((0.2, 0.5), (3.0, 10.0), (4.0, 10.0))
)
"""The CRF's parameters that `crf_chosen` is chosen from."""
IMAGES_PER_MESSAGE = 4
MOST_PICTURES = 60
"""Pixel-perfect images on which parameters are chosen, at most."""

Work = Callable[[int], tuple[np.ndarray, float]]


def make(folder: Path, out: Path, names: Collection[str] = PROPOSED, workers: int | None = None) -> dict[str, Any]:
    """Write a label map of every training image by each method, and return what proposals.json holds.

    Args:
        folder: Of the packed arrays.
        out: The folder to write, which is made; an existing file is unlinked, never written through.
        names: The methods, some of PROPOSED.
        workers: Processes; by default one per CPU core up to 8.

    Returns:
        By method: `seconds` of one CPU core an image, `iou` (percent) of the labels with the masks inside boxes, of
        the images with masks, beside the boxes' own; its parameters, the number of trials that chose them, and
        `choosing`, the seconds of one core that these took together. And `memory`, the most that a process held, in
        MiB. Nothing without a method.

    Raises:
        UserError: The packed arrays are missing or broken.
    """
    packed = open_packed(folder)
    out.mkdir(parents=True, exist_ok=True)
    for old in (out / "proposals.json", *(file(out, name) for name in PROPOSED)):
        old.unlink(missing_ok=True)
    workers = workers or min(8, os.cpu_count() or 1)
    methods: dict[str, tuple[Mapping[str, Any], Any]] = {}
    choosing = 0.0
    parameters: dict[str, Any]
    if "grabcut" in names:
        parameters = {"iterations": grabcut.ITERATIONS, "least": grabcut.LEAST}
        methods["grabcut"] = parameters, functools.partial(by_grabcut, folder)
    if "crf" in names:
        methods["crf"] = asdict(crf.USUAL), functools.partial(by_crf, folder, crf.USUAL)
    if "crf_chosen" in names:
        chosen, trials, choosing = choose(packed, folder, workers)
        parameters = asdict(chosen) | {"trials": trials}
        methods["crf_chosen"] = parameters, functools.partial(by_crf, folder, chosen)
    found: dict[str, Any] = {}
    every, masked = range(len(packed.train)), packed.pp_order[: packed.contents.masked]
    for name, (settings, work) in methods.items():
        place = file(out, name)
        maps = allocate(place, "uint8", packed.train.images.shape[:3])
        seconds = 0.0
        for index, (labels, took) in zip(every, _run(work, every, workers, name), strict=True):
            maps[index] = labels
            seconds += took
        maps.flush()
        found[name] = {
            "parameters": dict(settings),
            "seconds": round(seconds / len(packed.train), 4),
            "iou": iou(packed, masked, maps[masked]),
        }
        if name == "crf_chosen":
            found[name]["choosing"] = round(choosing, 2)
    if found:
        kilobytes = resource.getrusage(resource.RUSAGE_SELF if workers == 1 else resource.RUSAGE_CHILDREN).ru_maxrss
        found |= {"boxes": iou(packed, masked, packed.train.targets(TASK)[masked]), "memory": round(kilobytes / 1024)}
    write_json(out / "proposals.json", found)
    return found


def choose(packed: Packed, folder: Path, workers: int) -> tuple[crf.Settings, int, float]:
    """Return the CRF's parameters of TRIALS whose labels agree best with the masks of pixel-perfect images.

    Args:
        packed: The data.
        folder: Where they lie.
        workers: Processes.

    Returns:
        The parameters, how many were tried, and the seconds of one CPU core that the trials took together.
    """
    masked = pools(packed, MASKED)[0][:MOST_PICTURES]
    scores, seconds = [], 0.0
    for number, settings in enumerate(TRIALS, start=1):
        work = functools.partial(by_crf, folder, settings)
        label = f"crf, trial {number} of {len(TRIALS)}"
        done = list(_run(work, masked.tolist(), workers, label))
        scores.append(iou(packed, masked, np.stack([labels for labels, _ in done])) or 0.0)
        seconds += sum(took for _, took in done)
    return TRIALS[int(np.argmax(scores))], len(TRIALS), seconds


def iou(packed: Packed, images: np.ndarray, labels: np.ndarray) -> float | None:
    """Return the IoU of labels with masks inside boxes, in percent; None where there is neither.

    Args:
        packed: The data.
        images: (N,) int64, training indices.
        labels: (N, H, W) uint8.
    """
    both = either = 0
    for index, of_image in zip(images, labels, strict=True):
        mask = task_masks(packed.train.masks(TASK)[index], 2)
        known = (mask != VOID) & (packed.train.indices(TASK)[index] > 0)
        both += int(((mask == 1) & (of_image == 1) & known).sum())
        either += int((((mask == 1) | (of_image == 1)) & known).sum())
    return round(100 * both / either, 2) if either else None


def by_grabcut(folder: Path, index: int) -> tuple[np.ndarray, float]:
    """Return the labels of a training image by GrabCut, and the seconds of CPU that they took."""
    packed, started = _opened(folder), time.process_time()
    labels = grabcut.refine(packed.train.images[index], packed_boxes(packed, TASK, index))
    return labels, time.process_time() - started


def by_crf(folder: Path, settings: crf.Settings, index: int) -> tuple[np.ndarray, float]:
    """Return the labels of a training image by the dense CRF, and the seconds of CPU that they took."""
    packed, started = _opened(folder), time.process_time()
    labels = crf.refine(packed.train.images[index], packed_boxes(packed, TASK, index), 2, settings)
    return labels, time.process_time() - started


@functools.lru_cache(maxsize=1)
def _opened(folder: Path) -> Packed:
    return open_packed(folder)


def _run(work: Work, images: Iterable[int], workers: int, label: str) -> Iterator[tuple[np.ndarray, float]]:
    """Yield what `work` returns of each image, in order, under a progress bar."""
    images = list(images)
    with bar(len(images), label) as progress:
        if workers == 1:
            for index in images:
                yield work(index)
                progress.update()
            return
        # spawn: a child starts clean, whatever threads the parent runs
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_prepare) as pool:
            for result in pool.map(work, images, chunksize=IMAGES_PER_MESSAGE):
                yield result
                progress.update()


def _prepare() -> None:
    """Keep a process to one core, which is what its time is measured in."""
    grabcut.use_one_core()
