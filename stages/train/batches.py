"""Which images a training draws, and the batches made of them.

The whole plan of draws is made before the first step from the seed alone, so a resumed run goes on exactly where it
was, and every row with the same pools and seed sees the same images.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stages.arrays import VOID, Packed, task_masks
from stages.params import Row
from stages.train.objectives import Supervision


@dataclass(frozen=True)
class Plan:
    """What every step draws.

    Attributes:
        image: (steps, batch) int64, index into the training images.
        pixel_perfect: (steps, batch) bool, whether the draw brings its mask; else its box target.
        mirrored: (steps, batch) bool, whether the draw is flipped left to right.
    """

    image: np.ndarray
    pixel_perfect: np.ndarray
    mirrored: np.ndarray


def plan(
    pp: np.ndarray,
    box: np.ndarray,
    *,
    steps: int,
    batch_size: int,
    seed: int,
    pp_chance: float = 0.25,
    sampler: str = "coin",
    pp_only: float = 0.0,
    flip: float = 0.0,
) -> Plan:
    """Draw `steps` batches from the pools of pixel-perfect and box images (either may be empty, not both).

    Each pool is gone through in random order, again and again. Section 4.1.1 gives the sampling chance of 25 %. `coin`
    draws by that chance (so 10 % of the batches of 8 hold no pixel-perfect image); `fixed` puts
    round(batch_size * pp_chance), at least 1 of either kind, into every batch. In the first round(pp_only * steps)
    steps every draw is pixel-perfect.
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
        pixel_perfect[: round(pp_only * steps)] = True
    image = np.empty(shape, np.int64)
    image[pixel_perfect] = _rounds(pp, int(pixel_perfect.sum()), rng)
    image[~pixel_perfect] = _rounds(box, int((~pixel_perfect).sum()), rng)
    return Plan(image, pixel_perfect, rng.random(shape) < flip)


def _rounds(pool: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """`draws` items of a pool, in random order without repetition until the pool is used up, then anew."""
    if draws == 0:
        return np.empty(0, np.int64)
    rounds = [rng.permutation(pool) for _ in range(-(-draws // len(pool)))]
    return np.concatenate(rounds)[:draws]


class Batches:
    """The training images and labels of one row, and the batches that a plan draws from them.

    On a GPU the arrays are put there once, if they leave room for the network; else, and on the CPU, they stay memory
    maps, of which a batch reads what it draws: so a dataset may be larger than any memory.

    Only the masks of the row's pixel-perfect images are ever read: those of box images never reach the device, the loss
    or any other part of training.
    """

    def __init__(self, packed: Packed, row: Row, pp: np.ndarray, drawn: Plan, device: torch.device, mine=slice(None)):
        """`mine`: which draws of a batch this process takes."""
        split = packed.train
        image, pixel_perfect = drawn.image[:, mine], drawn.pixel_perfect[:, mine]
        self._classes = len(row.classes)
        maps = [split.images, split.targets(row.task), split.indices(row.task).view(np.int16)]
        held = _fits(sum(x.nbytes for x in maps) + split.masks[0].nbytes * len(pp), device)
        self._home = device if held else torch.device("cpu")
        self._images, self._box_targets, self._box_numbers = (_tensor(x).to(self._home) for x in maps)
        self._masks = torch.from_numpy(split.masks[pp]).to(device) if held else _tensor(split.masks)
        place = np.full(len(split.images), -1, np.int64)
        place[pp] = np.arange(len(pp)) if held else pp
        # The whole plan lies where it is used, with the pixel-perfect draws as places in a list of all steps': copying
        # a step's part of it, or finding these by flags, would make the host wait for the GPU.
        step, clean = np.nonzero(pixel_perfect)
        self._first = np.searchsorted(step, np.arange(len(image) + 1))
        self._clean = torch.from_numpy(clean).to(device)
        self._mask = torch.from_numpy(place[image[step, clean]]).to(self._home)
        self._image = torch.from_numpy(np.ascontiguousarray(image)).to(self._home)
        self._pixel_perfect, self._mirrored = (
            torch.from_numpy(np.ascontiguousarray(x)).to(device) for x in (pixel_perfect, drawn.mirrored[:, mine])
        )
        self._device = device
        self._room = None
        if device.type == "cuda":
            self._room = self._most_in_boxes(row, image, pixel_perfect)

    def _most_in_boxes(self, row: Row, image: np.ndarray, pixel_perfect: np.ndarray) -> int:
        """The most pixels that any batch has in boxes, or in box images where the loss is about all of theirs."""
        if row.pixels == "all":
            inside = np.full(len(self._box_numbers), self._box_numbers[0].numel())
        else:
            inside = np.array([int((numbers != 0).sum()) for numbers in self._box_numbers])
        return max(1, int(np.where(pixel_perfect, 0, inside[image]).sum(axis=1).max()))

    def __len__(self) -> int:
        return len(self._image)

    def __getitem__(self, step: int) -> tuple[Tensor, Supervision]:
        """Images (N, H, W, 3) uint8 and labels of a step, counted from 0."""
        drawn, mine = self._image[step], slice(self._first[step], self._first[step + 1])
        masks = self._masks[self._mask[mine]]
        arrays = (self._images[drawn], self._box_targets[drawn], self._box_numbers[drawn], masks)
        images, target, box, masks = (x.to(self._device) for x in arrays)
        pixel_perfect, mirrored, clean = self._pixel_perfect[step], self._mirrored[step], self._clean[mine]
        target[clean] = masks.masked_fill((masks >= self._classes) & (masks != VOID), 0)  # as `arrays.task_masks`
        box[clean] = 0
        images, target, box = (torch.where(_like(mirrored, x), x.flip(2), x) for x in (images, target, box))
        return images, Supervision(target.long(), box.long(), pixel_perfect, self._room)


def _fits(size: int, device: torch.device) -> bool:
    """Whether arrays of `size` bytes leave half of a GPU's free memory to the network."""
    return device.type == "cuda" and 2 * size <= torch.cuda.mem_get_info(device)[0]


def _like(flags: Tensor, x: Tensor) -> Tensor:
    return flags.view(-1, *(1,) * (x.dim() - 1))


def _tensor(array: np.ndarray) -> Tensor:
    """A tensor on the memory of a read-only memory map; nothing here writes to it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def label_shares(packed: Packed, row: Row, pp: np.ndarray, box: np.ndarray) -> tuple[float, ...]:
    """The share of each class in the row's labels: the masks of the images `pp` (void left out), the box targets of
    the images `box`.

    Returns: (C,) in (0, 1), sum 1. Every class counts one pixel more than it has, so that each has a logarithm.
    """
    split, counts = packed.train, np.ones(len(row.classes), np.int64)
    for i in pp:
        seen = np.bincount(task_masks(split.masks[i], len(row.classes)).ravel(), minlength=VOID + 1)
        counts += seen[: len(row.classes)]
    for i in box:
        counts += np.bincount(np.asarray(split.targets(row.task)[i]).ravel(), minlength=len(row.classes))
    return tuple((counts / counts.sum()).tolist())


def fill_rate(packed: Packed, row: Row, pp: np.ndarray, quantile: float | None = None) -> tuple[float, ...]:
    """rho: the share of a box's pixels whose mask is the box's class, on the images `pp` (void left out).

    Args:
        quantile: of the shares of a class's boxes, from 0, the emptiest, to 1; None: that of all their pixels together.

    Returns: one share for each class; background's, and that of a class that has no box there, is 1 (nothing flips).
    """
    split = packed.train
    boxes: dict[int, list[tuple[int, int]]] = {label: [] for label in range(1, len(row.classes))}  # (right, all) pixels
    for i in pp:
        target, box, mask = (np.asarray(x[i]) for x in (split.targets(row.task), split.indices(row.task), split.masks))
        known = (mask != VOID) & (box > 0)
        numbers, first, sizes = np.unique(box[known], return_index=True, return_counts=True)
        right = np.bincount(box[known & (mask == target)], minlength=int(numbers.max(initial=0)) + 1)
        for number, label, size in zip(numbers, target[known][first], sizes, strict=True):
            boxes[int(label)].append((int(right[number]), int(size)))
    return (1.0, *(_share(counts, quantile) for counts in boxes.values()))


def _share(boxes: list[tuple[int, int]], quantile: float | None) -> float:
    if not boxes:
        return 1.0
    right, size = np.array(boxes).T
    return float(right.sum() / size.sum() if quantile is None else np.quantile(right / size, quantile))
