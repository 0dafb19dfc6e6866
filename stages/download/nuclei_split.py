"""Which pictures of nuclei validate: some of each kind of staining, and crops of one slide in one part.

The release does not say which pictures are crops of one slide. Neighbouring crops show: the last column (or row) of
pixels of one continues in the first of the other. Two pictures of a kind are taken for neighbours when these correlate
by 0.8 or more, and each is the other's best match. Chance joins some strangers, which does no harm. Crops whose common
border shows nothing cannot be told.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from stages.shuffling import shuffled

SHARE = 0.2
"""Of each kind's pictures, about so many validate."""
CORRELATION = 0.8


@dataclass(frozen=True)
class Crop:
    """What the split needs of a picture."""

    kind: str
    """Its staining and size."""
    borders: dict[str, np.ndarray]
    """`right`, `left`, `bottom`, `top`: float32 (pixels * 3,), channels of mean 0, all of length 1 (0 where flat)."""


def crop(image: np.ndarray) -> Crop:
    """Return what the split needs of a picture, uint8 (H, W, 3)."""
    lines = {"right": image[:, -1], "left": image[:, 0], "bottom": image[-1], "top": image[0]}
    return Crop(
        f"{staining(image)} {image.shape[1]}x{image.shape[0]}", {side: _unit(line) for side, line in lines.items()}
    )


def staining(image: np.ndarray) -> str:
    """Return how a picture is stained, by the median of each channel, which is its background's colour.

    Dark: fluorescence. Light and all grey: grey stain. Redder than blue: pink tissue. Else purple stain, on white where
    the background is nearly grey, on lilac where not.
    """
    red, green, blue = np.median(image.reshape(-1, 3), axis=0)
    if (red + green + blue) / 3 < 100:
        return "fluorescence"
    if np.ptp(image.astype(int), axis=-1).mean() < 1:
        return "grey stain"
    if red > blue + 4:
        return "pink tissue"
    return "purple on white" if max(red, green, blue) - min(red, green, blue) < 30 else "purple on lilac"


def groups(crops: Mapping[str, Crop]) -> list[list[str]]:
    """Return the pictures' ids, those that seem to be crops of one slide together."""
    parent = {name: name for name in crops}

    def top(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for names in _by_kind(crops).values():
        for ahead, behind in (("right", "left"), ("bottom", "top")):
            for first, second in _neighbours(names, crops, ahead, behind):
                parent[top(first)] = top(second)
    found = defaultdict(list)
    for name in sorted(crops):
        found[top(name)].append(name)
    return sorted(found.values())


def validation(groups: Iterable[list[str]], crops: Mapping[str, Crop]) -> set[str]:
    """Choose groups, in an order by hashes, so that about a fifth of each kind validates.

    A kind of two groups or more has some in both parts.
    """
    by_kind: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for group in groups:
        by_kind[crops[group[0]].kind][group[0]] = group
    chosen: set[str] = set()
    for members in by_kind.values():
        wanted, taken = SHARE * sum(map(len, members.values())), 0
        order = shuffled(members, "nuclei")
        for first in order:
            if abs(taken + len(members[first]) - wanted) < abs(taken - wanted):
                chosen.update(members[first])
                taken += len(members[first])
        if not taken and len(members) > 1:
            chosen.update(members[min(order, key=lambda first: len(members[first]))])
    return chosen


def describe(crops: Mapping[str, Crop], val: set[str]) -> str:
    """Return a line with the pictures for training and validation of each kind."""
    counts = Counter((item.kind, name in val) for name, item in crops.items())
    kinds = sorted({kind for kind, _ in counts}, key=lambda kind: (-counts[kind, False], kind))
    return "training + validation: " + ", ".join(
        f"{kind} {counts[kind, False]} + {counts[kind, True]}" for kind in kinds
    )


def _by_kind(crops: Mapping[str, Crop]) -> dict[str, list[str]]:
    names = defaultdict(list)
    for name in sorted(crops):
        names[crops[name].kind].append(name)
    return names


def _neighbours(names: list[str], crops: Mapping[str, Crop], ahead: str, behind: str) -> list[tuple[str, str]]:
    """Return pairs of pictures of one size, of which the second goes on where the first ends."""
    if len(names) < 2:
        return []
    ends, starts = (np.stack([crops[name].borders[side] for name in names]) for side in (ahead, behind))
    match = np.round(ends @ starts.T, 4)
    np.fill_diagonal(match, -1)
    best, best_back = match.argmax(axis=1), match.argmax(axis=0)
    return [(names[i], names[j]) for i, j in enumerate(best) if best_back[j] == i and match[i, j] >= CORRELATION]


def _unit(line: np.ndarray) -> np.ndarray:
    """Return a line of pixels with each channel's mean taken away, scaled to length 1."""
    values = line.astype(np.float32)
    values = (values - values.mean(axis=0)).ravel()
    return values / max(float(np.linalg.norm(values)), 1e-6)
