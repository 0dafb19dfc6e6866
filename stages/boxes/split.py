"""Which images train and which validate, and the order in which training images become pixel-perfect."""

from pathlib import Path

from stages.boxes.scenes import Entry
from stages.config import Boxes
from stages.errors import UserError
from stages.shuffling import shuffled

RUN = 16  # images, where the source knows no groups
MOST = 1.5  # times the share, where whole groups do not give it exactly


def split(entries: list[Entry], profile: Boxes, data_seed: int, source: Path) -> dict[str, list[Entry]]:
    """Return the entries of "train" and "val", each in the order of the ids.

    `official`: the source's train, and everything else as val. `random` (the paper's, section 4.1): all images pooled
    and re-split, round(val_share * images) of them, at least one, as val. `holdout`: the source's train alone, with
    val_share of it as val, so that something can be chosen without a look at the source's val. Whole groups are held
    out, such as drives, where the source knows some; else runs of neighbouring images, which may be frames of one film.
    `auto`: the source's where it has images for validation, else as `random`. Validation needs masks: where some images
    have boxes alone, val_share is of the pixel-perfect ones.

    Raises UserError that names `source`, the manifest, when a split would be empty, no training image has masks, or an
    image that the source gives for validation has boxes alone.
    """
    ordered = sorted(entries, key=lambda entry: entry.id)
    way = profile.split
    if way == "auto":
        way = "official" if any(entry.split != "train" for entry in entries) else "random"
    if way == "holdout":
        ordered = [entry for entry in ordered if entry.split == "train"]
        held_out = _held_out([entry for entry in ordered if entry.pixel_perfect], profile.val_share, data_seed)
    elif way == "random":
        order = shuffled([entry.id for entry in entries if entry.pixel_perfect], f"split/{data_seed}")
        held_out = set(order[: max(1, round(profile.val_share * len(order)))])
    else:
        held_out = {entry.id for entry in entries if entry.split != "train"}
    parts = {
        "train": [entry for entry in ordered if entry.id not in held_out],
        "val": [entry for entry in ordered if entry.id in held_out],
    }
    for name, part in parts.items():
        if not part:
            raise UserError(f"{source}: its {len(entries)} images leave none for {name} (boxes.split: {profile.split})")
    if not any(entry.pixel_perfect for entry in parts["train"]):
        masks = sum(entry.pixel_perfect for entry in entries)
        raise UserError(
            f"{source}: no image for training has masks of all its objects, {masks} for validation have (boxes.split: "
            f"{profile.split}); draw masks on some more, or give some of these to training"
        )
    if boxes_alone := [entry for entry in parts["val"] if not entry.pixel_perfect]:
        raise UserError(
            f"{boxes_alone[0].image}: is for validation and has boxes alone; validation needs a mask of every object"
        )
    return parts


def val_parts(val: list[Entry]) -> list[str]:
    """Return the source's own split of each validation image; [] where all are of one, or some are of its train."""
    named = [entry.split for entry in val]
    return named if len(set(named)) > 1 and "train" not in named else []


def _held_out(entries: list[Entry], share: float, data_seed: int) -> set[str]:
    """Choose about `share` of the entries: whole groups, of which none takes more than half as many again."""
    key, names = f"holdout/{data_seed}", [entry.id for entry in entries]
    groups: dict[str, list[str]] = {}
    for entry in entries:
        groups.setdefault(entry.group or "", []).append(entry.id)
    if "" in groups or len(groups) < 2:
        return _neighbours(names, share, key)
    chosen: set[str] = set()
    for group in shuffled(groups, key):
        if len(chosen) < share * len(names) and len(chosen) + len(groups[group]) <= MOST * share * len(names):
            chosen.update(groups[group])
    smallest: list[str] = min(groups.values(), key=len)
    return chosen or set(smallest)


def _neighbours(names: list[str], share: float, key: str) -> set[str]:
    """Choose at least `share` of the names, in runs of RUN neighbours, fewer where the names are few."""
    length = max(1, min(RUN, round(share * len(names) / 2)))
    runs = {names[start]: names[start : start + length] for start in range(0, len(names), length)}
    chosen: set[str] = set()
    for first in shuffled(list(runs), key):
        if len(chosen) >= share * len(names):
            break
        chosen.update(runs[first])
    return chosen


def pp_order(train: list[Entry], data_seed: int) -> list[int]:
    """Return a permutation of the training images' places: k pixel-perfect images are its first k, so sets nest.

    Images without a mask come last.
    """
    place = {entry.id: index for index, entry in enumerate(train)}
    order = [place[name] for name in shuffled(list(place), f"pixel-perfect/{data_seed}")]
    return sorted(order, key=lambda index: not train[index].pixel_perfect)
