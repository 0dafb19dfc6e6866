"""What was found, written down: manifest.json lists every image with its labels, sizes and checksums.

{"dataset": name, "layout": "cityscapes" | "camvid", "root": "." (the manifest's folder) or an absolute path,
 "images": [{"id", "split", "image", "labels", "instances" (paths from root, or null), "width", "height" (pixels),
             "bytes" (sizes of those files), "sha256" (of the label file)}, ...] sorted by id,
 "checks": {"images": {split: count}, "published": {split: count} or null, "sizes": {"WxH": count}, "label_ids": [...]}}
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from stages.arrays import write_json
from stages.download.checks import InspectedFiles, Pair, inspect_all


@dataclass(frozen=True)
class Source:
    """A folder of photographs with labels. `published` counts the images of the complete release, by split."""

    layout: str
    root: Path
    pairs: tuple[Pair, ...]
    known_ids: frozenset[int]
    published: dict[str, int] | None


def write(source: Source, dataset: str, out: Path) -> tuple[Path, list[str]]:
    """Check every file of `source` and write its manifest into the folder `out`.

    Returns the manifest's path, and notes for the user (an incomplete copy is used as it is, but not in silence).

    Raises:
        UserError: a file is broken, is not what it should be, or lies in a folder that is not `out`'s own.
    """
    inspected = inspect_all(source.root, source.pairs, source.known_ids)
    found = dict(sorted(Counter(pair.split for pair in source.pairs).items()))
    content = {
        "dataset": dataset,
        "layout": source.layout,
        "root": "." if source.root == out else str(source.root),
        "images": [_entry(pair, files) for pair, files in sorted(zip(source.pairs, inspected, strict=True), key=_id)],
        "checks": {
            "images": found,
            "published": source.published,
            "sizes": dict(sorted(Counter(f"{item.width}x{item.height}" for item in inspected).items())),
            "label_ids": sorted(set().union(*(item.label_ids for item in inspected))),
        },
    }
    out.mkdir(parents=True, exist_ok=True)
    path = out / "manifest.json"
    write_json(path, content)
    return path, _notes(source, found)


def _id(item: tuple[Pair, InspectedFiles]) -> str:
    return item[0].id


def _entry(pair: Pair, files: InspectedFiles) -> dict:
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
    }


def _notes(source: Source, found: dict[str, int]) -> list[str]:
    published = source.published or {}
    return [
        f"{source.root} has {found.get(split, 0)} {split} images, the complete {source.layout} release {count}"
        for split, count in published.items()
        if found.get(split, 0) != count
    ]
