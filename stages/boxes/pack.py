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

from stages import arrays
from stages.boxes import scenes
from stages.boxes.draw import draw_boxes, shrink_image, shrink_mask
from stages.boxes.instances import Instance, find
from stages.boxes.split import pp_order, split
from stages.boxes.statistics import FOREGROUND, Tally, table
from stages.config import Boxes
from stages.progress import bar

CATEGORIES = [{"id": label, "name": name} for label, name in enumerate(FOREGROUND, start=1)]

IMAGES_PER_MESSAGE = 8
"""Images that a worker is given at a time."""

Packing = tuple[list[Instance], Tally]
"""What packing one image gives: its boxes and its counts."""


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
    parts = split(entries, profile, data_seed, manifest)
    counts = {name: len(part) for name, part in parts.items()}
    arrays.create(out, counts, profile.size)
    places = [(name, index, entry) for name, part in parts.items() for index, entry in enumerate(part)]
    jobs = [Job(entry, name, index, number) for number, (name, index, entry) in enumerate(places, start=1)]
    tallies = {name: Tally() for name in parts}
    arrays.write_json(out / "boxes.json", _coco(dataset, jobs, _run(jobs, profile, out, workers, tallies)))
    statistics = {
        "dataset": dataset,
        "data_seed": data_seed,
        "settings": profile.model_dump(mode="json"),
        "images": counts,
        **{name: tally.summary() for name, tally in tallies.items()},
    }
    ids = {name: [entry.id for entry in part] for name, part in parts.items()}
    arrays.write_json(out / "split.json", {**ids, "pp_order": pp_order(parts["train"], data_seed)})
    arrays.write_json(out / "statistics.json", statistics)
    arrays.seal(out)
    return statistics


def describe(statistics: dict[str, Any]) -> str:
    """Return the text table of what `pack` returned."""
    return table(statistics["dataset"], statistics["images"], {name: statistics[name] for name in arrays.SPLITS})


def pack_image(job: Job, profile: Boxes, out: Path) -> Packing:
    """Write one image's arrays and return its boxes (instances of the minimum area) and counts."""
    scene = scenes.read_scene(job.entry, instances=profile.instances == "ids")
    found, full_mask = find(scene, job.entry, profile)
    kept = [instance for instance in found if instance.area >= profile.min_area]
    mask = shrink_mask(full_mask, profile.size)
    packed = {"images": shrink_image(scene.image, profile.size), "masks": mask}
    tally = Tally()
    for task, classes in arrays.TASKS.items():
        boxes = [instance for instance in kept if FOREGROUND[instance.label - 1] in classes]
        target, index = draw_boxes(boxes, job.entry.size, profile.size, profile.overlap)
        packed |= {f"targets-{task}": target, f"indices-{task}": index}
        tally.add_pixels(task, mask, target)
    for instance in found:
        counts = tally.counts[FOREGROUND[instance.label - 1]]
        counts["instances"] += 1
        counts["groups"] += instance.group
        counts["boxes" if instance.area >= profile.min_area else "dropped"] += 1
    arrays.write(out, job.split, job.index, packed)
    return kept, tally


def _run(
    jobs: list[Job], profile: Boxes, out: Path, workers: int | None, tallies: dict[str, Tally]
) -> Iterator[tuple[Job, list[Instance]]]:
    """Pack every image; yield its boxes in the order of the jobs and add its counts to its split's tally."""
    if workers is None:
        workers = min(8, os.cpu_count() or 1) if len(jobs) > 4 * IMAGES_PER_MESSAGE else 1
    results = _map(partial(pack_image, profile=profile, out=out), jobs, workers)
    with bar(len(jobs), "boxes") as progress:
        for job, (kept, tally) in zip(jobs, results, strict=True):
            tallies[job.split] += tally
            progress.update()
            yield job, kept


def _map(work: Callable[[Job], Packing], jobs: list[Job], workers: int) -> Iterator[Packing]:
    if workers == 1:
        yield from map(work, jobs)
        return
    # spawn: a child starts clean, whatever threads the parent runs.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
        yield from executor.map(work, jobs, chunksize=IMAGES_PER_MESSAGE)


def _coco(dataset: str, jobs: list[Job], results: Iterator[tuple[Job, list[Instance]]]) -> dict[str, Any]:
    """Return what boxes.json holds, in COCO's format."""
    annotations = [
        {
            "area": instance.area,
            "bbox": list(instance.bbox),
            "category_id": instance.label,
            "image_id": job.image_id,
            "iscrowd": int(instance.group),
        }
        for job, kept in results
        for instance in kept
    ]
    return {
        "annotations": [{"id": number, **annotation} for number, annotation in enumerate(annotations, start=1)],
        "categories": CATEGORIES,
        "images": [_coco_image(job) for job in jobs],
        "info": {"description": f"{dataset}: boxes of visible extents"},
    }


def _coco_image(job: Job) -> dict[str, Any]:
    width, height = job.entry.size
    return {"file_name": job.entry.id, "height": height, "id": job.image_id, "width": width}
