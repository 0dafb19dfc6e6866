"""Scenes -> a packed folder: boxes.json, split.json, statistics.json, arrays.json and the arrays.

Images stream through, one per worker process at a time; a worker writes an image's arrays in place and hands back its
boxes and counts, so memory does not grow with the dataset. The bytes written do not depend on the number of workers.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from stages import arrays
from stages.arrays import VOID
from stages.boxes import fit, scenes
from stages.boxes.classes import LabelIds, label_ids
from stages.boxes.draw import draw_boxes, shrink_image, shrink_mask
from stages.boxes.instances import Instance, find
from stages.boxes.split import pp_order, split, val_parts
from stages.boxes.statistics import Tally, table
from stages.config import Boxes
from stages.errors import UserError
from stages.progress import bar

IMAGES_PER_MESSAGE = 8
"""Images that a worker is given at a time."""

Packing = tuple[fit.Window, list[Instance], Tally]
"""What packing one image gives: the window of it that was packed, the boxes in that, and its counts."""


@dataclass(frozen=True)
class Job:
    """One image and its place in the packed folder."""

    entry: scenes.Entry
    split: str
    index: int
    image_id: int
    """Its id in boxes.json."""


def pack(
    profile: Boxes, data_seed: int, dataset: str, manifest: Path, out: Path, workers: int | None = None
) -> dict[str, Any]:
    """Write the packed folder `out` of the scenes that `manifest` lists and return what statistics.json holds.

    `workers`: processes; by default one per CPU core up to 8, and none beside this one for a few images.

    Raises UserError that names the file or setting at fault; if writing had begun, `out` has no arrays.json and cannot
    be opened.
    """
    entries = scenes.read_manifest(manifest)
    scenes.check(entries, profile)
    ids = label_ids(profile, scenes.read_classes(manifest), manifest)
    parts = split(entries, profile, data_seed, manifest)
    counts = {name: len(part) for name, part in parts.items()}
    arrays.create(out, counts, profile.size, ids.classes.tasks)
    places = [(name, index, entry) for name, part in parts.items() for index, entry in enumerate(part)]
    jobs = [Job(entry, name, index, number) for number, (name, index, entry) in enumerate(places, start=1)]
    tallies = {name: Tally(ids.classes) for name in parts}
    packings = _run(jobs, profile, ids, out, workers, tallies)
    arrays.write_json(out / "boxes.json", _coco(dataset, ids, packings))
    statistics = {
        "dataset": dataset,
        "data_seed": data_seed,
        "settings": profile.model_dump(mode="json"),
        "images": counts,
        **{name: tally.summary() for name, tally in tallies.items()},
    }
    content = {name: [entry.id for entry in part] for name, part in parts.items()} | {
        "val_parts": val_parts(parts["val"]),
        "pp_order": pp_order(parts["train"], data_seed),
        "masked": sum(entry.pixel_perfect for entry in parts["train"]),
        "classes": ids.classes.boxed,
        "masks_only": ids.classes.masks_only,
    }
    arrays.write_json(out / "split.json", content)
    arrays.write_json(out / "statistics.json", statistics)
    arrays.seal(out)
    return statistics


def describe(statistics: dict[str, Any]) -> str:
    """Return the text table of what `pack` returned."""
    return table(statistics["dataset"], statistics["images"], {name: statistics[name] for name in arrays.SPLITS})


def pack_image(job: Job, profile: Boxes, ids: LabelIds, out: Path) -> Packing:
    """Write one image's arrays and return its boxes (instances of the minimum area) and counts.

    Raises:
        UserError: A file of it cannot be read or is not what it should be, or it has too many boxes; names the file.
    """
    scene = scenes.read_scene(job.entry, instances=profile.instances == "ids")
    part = fit.window(job.entry.size, profile.size, profile.fit)
    scene = fit.cut(scene, part)
    found = find(scene, job.entry, profile, ids, part)
    kept = [instance for instance in found.instances if instance.area >= profile.min_area]
    masks = {task: shrink_mask(mask, profile.size) for task, mask in found.masks.items()}
    packed = {"images": shrink_image(scene.image, profile.size)}
    tally = Tally(ids.classes)
    for task in ids.classes.tasks:
        mask = masks["all" if task == "all" else "few"]
        boxes = [instance for instance in kept if instance.label <= len(ids.classes.of_boxes(task))]
        try:
            target, index = draw_boxes(boxes, (part.width, part.height), profile.size, profile.overlap)
        except UserError as problem:
            raise UserError(f"{job.entry.labels}: {problem}") from None
        if not job.entry.pixel_perfect:
            mask, target = _partly_masked(mask, target, index, len(ids.classes.names(task)))
        packed |= {f"targets-{task}": target, f"indices-{task}": index}
        packed["masks-all" if task == "all" else "masks"] = mask
        tally.add_pixels(task, mask, target)
    for label, name in enumerate(ids.classes.boxed, start=1):
        tally.images[name] = int(any(instance.label == label for instance in found.instances))
    for instance in found.instances:
        counts = tally.counts[ids.classes.boxed[instance.label - 1]]
        counts["instances"] += 1
        counts["groups"] += instance.group
        counts["boxes" if instance.area >= profile.min_area else "dropped"] += 1
    arrays.write(out, job.split, job.index, packed)
    return part, kept, tally


def _partly_masked(
    mask: np.ndarray, target: np.ndarray, index: np.ndarray, n_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mask and the target of an image that has not every mask: inside of its boxes the mask is void.

    Outside of these boxes the masks that there are, and void regions, are its target.
    """
    inside = index > 0
    return np.where(inside, np.uint8(VOID), mask), np.where(inside, target, arrays.task_masks(mask, n_classes))


def _run(
    jobs: list[Job], profile: Boxes, ids: LabelIds, out: Path, workers: int | None, tallies: dict[str, Tally]
) -> Iterator[tuple[Job, fit.Window, list[Instance]]]:
    """Pack every image; yield its window and boxes in the order of the jobs and add its counts to its split's tally."""
    if workers is None:
        workers = min(8, os.cpu_count() or 1) if len(jobs) > 4 * IMAGES_PER_MESSAGE else 1
    results = _map(partial(pack_image, profile=profile, ids=ids, out=out), jobs, workers)
    with bar(len(jobs), "boxes") as progress:
        for job, (part, kept, tally) in zip(jobs, results, strict=True):
            tallies[job.split] += tally
            progress.update()
            yield job, part, kept


def _map(work: Callable[[Job], Packing], jobs: list[Job], workers: int) -> Iterator[Packing]:
    if workers == 1:
        yield from map(work, jobs)
        return
    # spawn: a child starts clean, whatever threads the parent runs.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
        yield from executor.map(work, jobs, chunksize=IMAGES_PER_MESSAGE)


def _coco(dataset: str, ids: LabelIds, packings: Iterator[tuple[Job, fit.Window, list[Instance]]]) -> dict[str, Any]:
    """Return what boxes.json holds, in COCO's format and in pixels of the whole pictures.

    `window` of an image is the part that was packed, [x, y, width, height]: beyond the picture where it is padded.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for job, part, kept in packings:
        width, height = job.entry.size
        window = [part.left, part.top, part.width, part.height]
        about = {"file_name": job.entry.id, "height": height, "id": job.image_id, "width": width}
        images.append(about | {"window": window})
        annotations += [
            {
                "id": len(annotations) + number,
                "area": instance.area,
                "bbox": [instance.bbox[0] + part.left, instance.bbox[1] + part.top, *instance.bbox[2:]],
                "category_id": instance.label,
                "image_id": job.image_id,
                "iscrowd": int(instance.group),
            }
            for number, instance in enumerate(kept, start=1)
        ]
    return {
        "annotations": annotations,
        "categories": [{"id": value, "name": name} for value, name in enumerate(ids.classes.boxed, start=1)],
        "images": images,
        "info": {"description": f"{dataset}: boxes of visible extents"},
    }
