"""The plan of the images that a training draws, and the batches made of it.

The draws of all steps are planned before the first one, from the seed alone. So a resumed run continues exactly where
it stopped, and every row with the same pools and seed sees the same images.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stages.arrays import VOID, Packed, task_masks
from stages.boxes.covers import covers
from stages.config import Row
from stages.model.consistency import alike
from stages.model.network import label_maps
from stages.model.objectives import Supervision
from stages.model.recipes import POSTERIOR_QUANTILES, recipe_of

FILL_ENDS = (0.01, 0.99)


@dataclass(frozen=True)
class Plan:
    """The draws of every step.

    Attributes:
        image: (steps, batch) int64, index into the training images.
        pixel_perfect: (steps, batch) bool, whether the draw is labelled with its mask; else with its box target.
        mirrored: (steps, batch) bool, whether the image is flipped left to right.
    """

    image: np.ndarray
    pixel_perfect: np.ndarray
    mirrored: np.ndarray

    def of_rank(self, rank: int, world: int) -> "Plan":
        """Return the part of each batch that process `rank` of `world` takes."""
        return Plan(*(draws[:, rank::world] for draws in (self.image, self.pixel_perfect, self.mirrored)))


def plan(
    pp: np.ndarray,
    box: np.ndarray,
    *,
    steps: int,
    batch_size: int,
    seed: int,
    pp_chance: float = 0.25,
    sampler: str = "coin",
    warmup_share: float = 0.0,
    horizontal_flip: float = 0.0,
) -> Plan:
    """Plan the draws of a training from its pools, each gone through in random order, again and again.

    Args:
        pp: (N,) int64, the pool of pixel-perfect images; either pool may be empty, not both.
        box: (M,) int64, the pool of box images.
        steps: Number of batches.
        batch_size: Images in a batch.
        seed: Of the draws.
        pp_chance: Chance that a draw is pixel-perfect, in (0, 1), where neither pool is empty.
        sampler: `coin` draws by that chance, independently, so some batches have no pixel-perfect image (10 % at 25 %
            and a batch of 8); `fixed` puts round(batch_size * pp_chance), at least 1 of either kind, into every batch.
        warmup_share: Share of the steps, from the first on, in which every draw is pixel-perfect (clean-label
            warm-up), where neither pool is empty.
        horizontal_flip: Chance that an image is mirrored, in [0, 1].

    Source: section 4.1.1 (batches of 8, pixel-perfect sampling chance of 25 %).
    """
    rng = np.random.default_rng([seed, 1])
    shape = (steps, batch_size)
    if len(box) == 0:
        pixel_perfect = np.ones(shape, bool)
    elif len(pp) == 0:
        pixel_perfect = np.zeros(shape, bool)
    elif sampler == "coin":
        pixel_perfect = rng.random(shape) < pp_chance
    else:
        share = min(max(1, round(batch_size * pp_chance)), batch_size - 1)
        pixel_perfect = np.broadcast_to(np.arange(batch_size) < share, shape).copy()
    if len(pp) and len(box):
        pixel_perfect[: round(warmup_share * steps)] = True
    image = np.empty(shape, np.int64)
    image[pixel_perfect] = _rounds(pp, int(pixel_perfect.sum()), rng)
    image[~pixel_perfect] = _rounds(box, int((~pixel_perfect).sum()), rng)
    return Plan(image, pixel_perfect, rng.random(shape) < horizontal_flip)


def _rounds(pool: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return `draws` items of a pool, in random order without repetition until the pool is used up, then anew."""
    if draws == 0:
        return np.empty(0, np.int64)
    rounds = [rng.permutation(pool) for _ in range(-(-draws // len(pool)))]
    return np.concatenate(rounds)[:draws]


class Batches:
    """The training images and labels of one row, gathered into the batches of a plan.

    The arrays are copied to a GPU once, if they leave enough of its memory to the network. Else they stay memory maps,
    of which a batch reads what it draws, so a dataset may be larger than any memory.

    Only the masks of the row's pixel-perfect images are read: those of box images never reach the device, the loss or
    any other part of training. The exception is a row with `oracle: true`, an upper bound of what any correction of box
    labels can reach: inside the boxes, its box images have the labels of their masks. With proposals, they have those.
    """

    def __init__(
        self,
        packed: Packed,
        row: Row,
        pp: np.ndarray,
        drawn: Plan,
        device: torch.device,
        proposals: np.ndarray | None = None,
    ):
        """Open the arrays, and copy them to the device if they fit.

        Args:
            packed: The data.
            row: Names the task and its classes.
            pp: (N,) int64, the row's pixel-perfect training indices.
            drawn: What this process draws.
            device: Where batches go.
            proposals: (N, H, W) uint8, labels of all training images inside their boxes, instead of the boxes'.
        """
        split = packed.train
        image, pixel_perfect = drawn.image, drawn.pixel_perfect
        self._classes = len(packed.classes.names(row.classes))
        masks = split.masks(row.classes)
        maps = [split.images, split.targets(row.classes), split.indices(row.classes).view(np.int16)]
        copied = _fits(sum(x.nbytes for x in maps) + masks[0].nbytes * len(pp), device)
        storage = device if copied else torch.device("cpu")
        self._images, self._box_targets, self._box_numbers = (_tensor(x).to(storage) for x in maps)
        recipe = recipe_of(row)
        self._own_boxes = recipe.own_boxes
        self._pairs = recipe.pairs > 0
        self._boxed = len(packed.classes.of_boxes(row.classes)) if recipe.variance_sees == "label" else None
        self._covers = None
        if recipe.flip_to == "covered":
            found = covers(packed, row.classes, np.arange(len(split)))
            self._covers = torch.from_numpy(found.astype(np.int32)).to(storage)
        inside = masks if row.oracle else proposals
        self._inside = None if inside is None else _tensor(inside).to(storage)
        self._masks = torch.from_numpy(masks[pp]).to(device) if copied else _tensor(masks)
        mask_index = np.full(len(split.images), -1, np.int64)
        mask_index[pp] = np.arange(len(pp)) if copied else pp
        # The whole plan lies where it is used, and the pixel-perfect draws of all steps in one list: copying a step's
        # part of the plan, or finding these draws by their flags, would force a host-device synchronisation.
        step, clean = np.nonzero(pixel_perfect)
        self._first = np.searchsorted(step, np.arange(len(image) + 1))
        self._clean = torch.from_numpy(clean).to(device)
        self._mask = torch.from_numpy(mask_index[image[step, clean]]).to(storage)
        self._image = torch.from_numpy(np.ascontiguousarray(image)).to(storage)
        self._pixel_perfect, self._mirrored = (
            torch.from_numpy(np.ascontiguousarray(x)).to(device) for x in (pixel_perfect, drawn.mirrored)
        )
        self._device = device

    def __len__(self) -> int:
        return len(self._image)

    def __getitem__(self, step: int) -> tuple[Tensor, Supervision]:
        """Return the images (N, H, W, 3) uint8 and the labels of a step, counted from 0."""
        drawn, of_step = self._image[step], slice(self._first[step], self._first[step + 1])
        masks = self._masks[self._mask[of_step]]
        arrays = (self._images[drawn], self._box_targets[drawn], self._box_numbers[drawn], masks)
        images, target, box, masks = (x.to(self._device) for x in arrays)
        pixel_perfect, mirrored, clean = self._pixel_perfect[step], self._mirrored[step], self._clean[of_step]
        own = maps = None
        if self._boxed is not None:
            given, numbers = (torch.where(_like(mirrored, x), x.flip(2), x) for x in (target, box))
            maps = label_maps(given, numbers, self._boxed)
        if self._own_boxes:
            own = torch.where(_like(self._pixel_perfect[step], box) & (box > 0), target, 0)
            own = torch.where(_like(mirrored, own), own.flip(2), own).long()
        if self._inside is not None:
            target = torch.where(box > 0, self._of_task(self._inside[drawn].to(self._device)), target)
        target[clean] = self._of_task(masks)
        box[clean] = 0
        images, target, box = (torch.where(_like(mirrored, x), x.flip(2), x) for x in (images, target, box))
        covers = None
        if self._covers is not None:
            drawn_covers = self._covers[drawn].to(self._device)
            covers = torch.where(_like(mirrored, drawn_covers), drawn_covers.flip(2), drawn_covers).long()
        agreeing = alike(images, box > 0, target != VOID) if self._pairs else None
        return images, Supervision(target.long(), box.long(), pixel_perfect, covers, own, maps, agreeing)

    def _of_task(self, masks: Tensor) -> Tensor:
        """Return masks as `arrays.task_masks` does: classes that the row does not tell apart are background."""
        return masks.masked_fill((masks >= self._classes) & (masks != VOID), 0)


def _fits(size: int, device: torch.device) -> bool:
    """Return whether arrays of `size` bytes leave half of a GPU's free memory to the network; False on the CPU."""
    return device.type == "cuda" and 2 * size <= torch.cuda.mem_get_info(device)[0]


def _like(flags: Tensor, x: Tensor) -> Tensor:
    return flags.view(-1, *(1,) * (x.dim() - 1))


def _tensor(array: np.ndarray) -> Tensor:
    """Return a tensor on the memory of a read-only memory map; nothing here writes to it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def label_shares(
    packed: Packed, row: Row, pp: np.ndarray, box: np.ndarray, proposals: np.ndarray | None = None
) -> tuple[float, ...]:
    """Return the share of each class in the row's labels.

    Args:
        packed: The data.
        row: Names the task and its classes.
        pp: (N,) int64, training indices whose masks count, without their void pixels.
        box: (M,) int64, training indices whose box targets count.
        proposals: (N, H, W) uint8, labels of all training images; they count instead of box targets.

    Returns:
        (C,) in (0, 1), sum 1. Each class counts one pixel more than it has, so that each share has a logarithm.
    """
    split, n_classes = packed.train, len(packed.classes.names(row.classes))
    counts = np.ones(n_classes, np.int64)
    for i in pp:
        seen = np.bincount(task_masks(split.masks(row.classes)[i], n_classes).ravel(), minlength=VOID + 1)
        counts += seen[:n_classes]
    outside = 1 if row.classes == "all" and packed.classes.masks_only else 0  # whose class a box image leaves open
    for i in box:
        labels = split.targets(row.classes) if proposals is None else proposals
        seen = np.bincount(np.asarray(labels[i]).ravel(), minlength=VOID + 1)
        counts[outside:] += seen[outside:n_classes]
    return tuple((counts / counts.sum()).tolist())


def fill_rate(packed: Packed, row: Row, pp: np.ndarray, quantile: float | None = None) -> tuple[float, ...]:
    """Return rho: the share of a box's pixels whose mask is the box's class, without void pixels.

    Args:
        packed: The data.
        row: Names the task and its classes.
        pp: (N,) int64, the training indices whose boxes and masks are compared.
        quantile: Of the shares of a class's boxes, from 0, the emptiest, to 1; None: the share of all their pixels
            together.

    Returns:
        (C,) in [0, 1]; 1, so that nothing flips, for the background, for classes without boxes, and for a class that
        has no box in these images.
    """
    boxes = _box_pixels(packed, row, pp)
    masks_only = len(packed.classes.names(row.classes)) - 1 - len(boxes)
    return (1.0, *(_share(counts, quantile) for counts in boxes.values()), *[1.0] * masks_only)


def fill_range(packed: Packed, row: Row, pp: np.ndarray) -> tuple[float, float]:
    """Return the fill rates of the first class's boxes at the quantiles POSTERIOR_QUANTILES.

    Args:
        packed, row, pp: As for `fill_rate`.

    Returns:
        Two numbers in [0.01, 0.99], so that either has a logit; the ends of that range where there is no box.
    """
    of_first = _box_pixels(packed, row, pp)[1]
    if not of_first:
        return FILL_ENDS
    low, high = (float(np.clip(_share(of_first, quantile), *FILL_ENDS)) for quantile in POSTERIOR_QUANTILES)
    return low, high


def _box_pixels(packed: Packed, row: Row, pp: np.ndarray) -> dict[int, list[tuple[int, int]]]:
    """Return by class the (right, all) pixels of each of its boxes."""
    split = packed.train
    boxes: dict[int, list[tuple[int, int]]] = {
        label: [] for label in range(1, len(packed.classes.of_boxes(row.classes)) + 1)
    }
    for i in pp:
        maps = (split.targets(row.classes), split.indices(row.classes), split.masks(row.classes))
        target, box, mask = (np.asarray(x[i]) for x in maps)
        known = (mask != VOID) & (box > 0)
        numbers, first, sizes = np.unique(box[known], return_index=True, return_counts=True)
        right = np.bincount(box[known & (mask == target)], minlength=int(numbers.max(initial=0)) + 1)
        for number, label, size in zip(numbers, target[known][first], sizes, strict=True):
            boxes[int(label)].append((int(right[number]), int(size)))
    return boxes


def _share(boxes: list[tuple[int, int]], quantile: float | None) -> float:
    if not boxes:
        return 1.0
    right, size = np.array(boxes).T
    return float(right.sum() / size.sum() if quantile is None else np.quantile(right / size, quantile))
