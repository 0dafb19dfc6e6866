"""Which images train and which validate, and the order in which training images become pixel-perfect."""

import hashlib
from pathlib import Path

from stages.boxes.scenes import Entry
from stages.params import Boxes, UserError


def split(entries: list[Entry], profile: Boxes, data_seed: int, source: Path) -> dict[str, list[Entry]]:
    """The entries of "train" and "val", each in the order of the ids.

    `official`: the source's train, and everything else as val. `random` (the paper's, section 4.1): all images pooled
    and re-split, round(val_share * images) of them, at least one, as val.

    Raises UserError that names `source`, the manifest, when a split would be empty.
    """
    if profile.split == "random":
        order = shuffled([entry.id for entry in entries], f"split/{data_seed}")
        held_out = set(order[: max(1, round(profile.val_share * len(order)))])
    else:
        held_out = {entry.id for entry in entries if entry.split != "train"}
    ordered = sorted(entries, key=lambda entry: entry.id)
    parts = {
        "train": [entry for entry in ordered if entry.id not in held_out],
        "val": [entry for entry in ordered if entry.id in held_out],
    }
    for name, part in parts.items():
        if not part:
            raise UserError(f"{source}: its {len(entries)} images leave none for {name} (boxes.split: {profile.split})")
    return parts


def pp_order(train: list[Entry], data_seed: int) -> list[int]:
    """A permutation of the training images' places: a set of k pixel-perfect images is its first k, so sets nest."""
    place = {entry.id: index for index, entry in enumerate(train)}
    return [place[name] for name in shuffled(list(place), f"pixel-perfect/{data_seed}")]


def shuffled(names: list[str], key: str) -> list[str]:
    """Names in the order of the SHA-256 of key and name: as good as random, on any platform and library version.

    Adding an image keeps the order of the others.
    """
    return sorted(names, key=lambda name: hashlib.sha256(f"{key}/{name}".encode()).digest())
