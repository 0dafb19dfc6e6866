"""From pictures of nuclei with a mask each to label pictures, instance ids and a split."""

import shutil
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from stages import pictures, progress
from stages.download import nuclei_split, user_paths
from stages.download.listing import Listing, Pair, is_text, refuse, unwritable
from stages.download.nuclei_split import Crop
from stages.errors import UserError

NUCLEUS, IDS_PER_LABEL = 1, 1000
IMAGES, MASKS = "images", "masks"
MASK_MODES = ("1", "L", "P")
PUBLISHED = 664


def listing(root: Path, folder: str, out: Path) -> Listing:
    """Draw each picture's labels (1 nucleus) and instance ids (1000 + n) into `out`; return the pairs with a split.

    Args:
        root: Where `folder` lies.
        folder: Of <id>/images/<id>.png and <id>/masks/*.png.
        out: A folder of this project's own.

    Raises:
        UserError: naming the first picture or mask that is missing, broken, empty or of another size.
    """
    masks = _files(root / folder)
    for kind in ("labels", "instances"):
        shutil.rmtree(out / kind, ignore_errors=True)
        (out / kind).mkdir(parents=True)
    crops: dict[str, Crop] = {}
    problems = []
    with ThreadPoolExecutor() as pool, progress.bar(len(masks), "drawing labels") as bar:
        drawn = pool.map(partial(_draw, root / folder, out), masks, masks.values())
        for name, result in zip(masks, drawn, strict=True):
            bar.update()
            if isinstance(result, str):
                problems.append(result)
            else:
                crops[name] = result
    refuse(problems)
    groups = nuclei_split.groups(crops)
    val = nuclei_split.validation(groups, crops)
    slide = {name: group[0] for group in groups for name in group}
    pairs = [
        Pair(
            name,
            "val" if name in val else "train",
            f"{folder}/{name}/{IMAGES}/{name}.png",
            f"labels/{name}.png",
            f"instances/{name}.png",
            group=slide[name],
        )
        for name in sorted(crops)
    ]
    notes = [nuclei_split.describe(crops, val)]
    if len(pairs) != PUBLISHED:
        notes.append(f"{root} has {len(pairs)} pictures, the complete nuclei release {PUBLISHED}")
    ids = frozenset({0, NUCLEUS})
    return Listing(
        "nuclei",
        root,
        tuple(pairs),
        ids,
        frozenset({NUCLEUS}),
        labels_root=out,
        classes=("nucleus",),
        notes=tuple(notes),
    )


def _files(folder: Path) -> Mapping[str, list[Path]]:
    """Return the mask files of each picture, after a check that each picture is there and has some."""
    found: dict[str, dict[str, list[Path]]] = defaultdict(lambda: {IMAGES: [], MASKS: []})
    for path in user_paths.files(folder, depth=3):
        name, kind = path.parts[-3:-1]
        if kind in (IMAGES, MASKS):
            found[name][kind].append(path)
    problems = [] if found else [f"{folder}: has no <id>/{IMAGES}/<id>.png"]
    problems += [unwritable(folder / name) for name in found if not is_text(name)]
    for name, files in found.items():
        picture = folder / name / IMAGES / f"{name}.png"
        if picture not in files[IMAGES]:
            problems.append(f"{picture}: no such picture, though its folder is there")
        if not files[MASKS]:
            problems.append(f"{folder / name / MASKS}: no mask; each nucleus needs one, or take the picture away")
        if len(files[MASKS]) > IDS_PER_LABEL:
            problems.append(f"{folder / name / MASKS}: {len(files[MASKS])} masks; allowed: at most {IDS_PER_LABEL}")
    refuse(problems)
    return {name: files[MASKS] for name, files in found.items()}


def _draw(folder: Path, out: Path, name: str, masks: list[Path]) -> Crop | str:
    """Draw one picture's label ids and instance ids; return what its split needs, or what is wrong.

    Masks that share pixels are drawn large to small, so that the smaller nucleus lies on top.
    """
    try:
        image = pictures.open_rgb(folder / name / IMAGES / f"{name}.png")
        nuclei = sorted((_mask(path, image.size) for path in masks), key=lambda mask: -int(mask.sum()))
    except UserError as error:
        return str(error)
    ids = np.zeros(image.size[::-1], np.uint16)
    for number, mask in enumerate(nuclei):
        ids[mask] = NUCLEUS * IDS_PER_LABEL + number
    Image.fromarray(np.where(ids, np.uint8(NUCLEUS), np.uint8(0))).save(out / "labels" / f"{name}.png")
    Image.fromarray(ids).save(out / "instances" / f"{name}.png", compress_level=1)
    return nuclei_split.crop(np.asarray(image))


def _mask(path: Path, size: tuple[int, int]) -> np.ndarray:
    """Read one nucleus' mask, bool (H, W)."""
    image = pictures.open_stored(path)
    if image.mode not in MASK_MODES:
        raise UserError(f"{path}: a mask must be one channel of 0 and 255, not mode {image.mode}")
    if image.size != size:
        raise UserError(
            f"{path}: {image.width}x{image.height} pixels, but its picture has {size[0]}x{size[1]}; "
            "both must have the same size"
        )
    mask = np.asarray(image) > 0
    if not mask.any():
        raise UserError(f"{path}: an empty mask; delete it, or fetch it anew")
    return mask
