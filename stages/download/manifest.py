"""What was found, written down: manifest.json lists every image with its labels, sizes and checksums.

{"dataset": name, "layout": the source's name, "root": "." (the manifest's folder) or an absolute path,
 "labels_root": null (labels lie below root too) or "." (`download` has drawn them into the manifest's folder),
 "classes": null or the names of the label ids 1, 2 ...,
 "images": [{"id", "split", "image" (path from root), "labels", "instances" (paths from labels_root, or null),
             "width", "height" (pixels, upright), "bytes" (sizes of those files), "sha256" (of the label file),
             "boxes": null or [{"label", "bbox": [x, y, width, height], "crowd", "masked"}, ...], "pixel_perfect",
             "group": null or a name that images of one drive, city or slide share},
            ...] sorted by id,
 "checks": {"images": {split: count}, "published": {split: count} or null, "sizes": {"WxH": count}, "label_ids": [...]}}
"""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stages.arrays import write_json
from stages.download.checks import InspectedFiles, inspect_all
from stages.download.listing import Listing, Pair


def write(listing: Listing, dataset: str, out: Path) -> tuple[Path, list[str]]:
    """Check every file of `listing` and write its manifest into the folder `out`.

    Returns the manifest's path, and notes for the user (an incomplete copy is used as it is, but not in silence).

    Raises:
        UserError: a file is broken or is not what it should be.
    """
    inspected = inspect_all(listing)
    found = dict(sorted(Counter(pair.split for pair in listing.pairs).items()))
    content = {
        "dataset": dataset,
        "layout": listing.layout,
        "root": _root(listing.root, out),
        "labels_root": None if listing.labels_root is None else _root(listing.labels_root, out),
        "classes": listing.classes,
        "images": [_entry(pair, files) for pair, files in sorted(zip(listing.pairs, inspected, strict=True), key=_id)],
        "checks": {
            "images": found,
            "published": listing.published,
            "sizes": dict(sorted(Counter(f"{item.width}x{item.height}" for item in inspected).items())),
            "label_ids": sorted(set().union(*(item.label_ids for item in inspected))),
        },
    }
    out.mkdir(parents=True, exist_ok=True)
    path = out / "manifest.json"
    write_json(path, content)
    return path, [*listing.notes, *_incomplete(listing, found)]


def _root(folder: Path, out: Path) -> str:
    return "." if folder == out else str(folder)


def _id(item: tuple[Pair, InspectedFiles]) -> str:
    return item[0].id


def _entry(pair: Pair, files: InspectedFiles) -> dict[str, Any]:
    return {
        "id": pair.id,
        "split": pair.split,
        "image": pair.image,
        "labels": pair.labels,
        "instances": pair.instances,
        "width": files.width,
        "height": files.height,
        "bytes": list(files.bytes),
        "sha256": files.sha256,
        "boxes": None if pair.boxes is None else [asdict(box) for box in pair.boxes],
        "pixel_perfect": pair.pixel_perfect,
        "group": pair.group,
    }


def _incomplete(listing: Listing, found: dict[str, int]) -> list[str]:
    published = listing.published or {}
    return [
        f"{listing.root} has {found.get(split, 0)} {split} images, the complete {listing.layout} release {count}"
        for split, count in published.items()
        if found.get(split, 0) != count
    ]
