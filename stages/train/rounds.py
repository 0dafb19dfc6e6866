"""Labels of box images by a network that was trained before: self-training, and recursive training.

`self_training`: a teacher learns from the masks alone, for as many steps as the row has. It labels the inside of each
box, the best share as its class, by the class's fill rate; then the row starts anew, on both kinds of images.

`recursive`: Simple Does It (Khoreva et al. 2017, section 3.1). The row's steps are split into ROUNDS rounds. The first
learns from the boxes; each other goes on from the weights before it, on labels that these give to the inside of boxes,
after that paper's clean-up rules: outside of a box all is background; a dense CRF smooths the rest; where less than
half of a box is its class then, it is the whole box again. Resolutions: the paper does not say whether a round starts
from the weights of the one before; here it does, since rounds are short. It names the CRF last; here the half is
counted after it, so that the rule holds for what is trained on. Each round draws the same images in the same order.
"""

import functools
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stages.arrays import Packed
from stages.config import Row
from stages.model.flipping import may_flip
from stages.model.predictor import Predictor
from stages.proposals import crf, grabcut
from stages.train.batches import fill_rate, label_shares
from stages.train.checkpoints import Checkpoint
from stages.train.distributed import Ranks
from stages.train.trainer import Job, Trainer

ROUNDS = 3
IMAGES = 16  # that are labelled at a time


def taught(job: Job, device: torch.device, folder: Path | None, ranks: Ranks, label: str, shown: bool = True) -> Job:
    """Return a job with the labels that its earlier rounds make, which are trained first, or resumed.

    Args:
        job: Of a row whose labels are `self_training` or `recursive`; any other is returned as it is.
        device: Where to train.
        folder: Of the row's checkpoint; each round has one of its own within. None for processes that write nothing.
        ranks: This process's place among those that share the training.
        label: Shown beside the progress bar.
        shown: Whether there is a progress bar.

    Returns:
        The job of the last round, with its steps, labels, first weights, and the seconds of the rounds before and of
        the labels that they gave.
    """
    labels = job.chosen.row.labels
    if labels == "self_training":
        row = job.chosen.row.model_copy(update={"box": 0, "labels": "boxes"})
        teacher = _fit(
            _round(job, row, job.chosen.steps), device, folder and folder / "teacher", ranks, f"{label}, teacher", shown
        )
        return _next(
            job,
            teacher,
            job.chosen.steps,
            functools.partial(ranked, teacher.predictor, job.packed, job.chosen.row, job.pp, job.box),
        )
    if labels == "recursive":
        steps = [len(part) for part in np.array_split(np.arange(job.chosen.steps), min(ROUNDS, job.chosen.steps))]
        row, current = job.chosen.row.model_copy(update={"labels": "boxes"}), job
        for number, of_round in enumerate(steps[:-1], start=1):
            one = replace(_round(current, row, of_round), proposals=current.proposals)
            done = _fit(one, device, folder and folder / f"round-{number}", ranks, f"{label}, round {number}", shown)
            made = functools.partial(cleaned, done.predictor, job.packed, job.box, crf.USUAL)
            start = {name: value.cpu() for name, value in done.network.state_dict().items()}
            current = replace(_next(current, done, steps[number], made), start=start)
        return current
    return job


def ranked(predictor: Predictor, packed: Packed, row: Row, pp: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return the labels (M, H, W) uint8 of box images: in each box its best share by the mean, the fill rate.

    Args:
        predictor: Of the teacher.
        packed: The data.
        row: Names the task.
        pp: (N,) int64, the training indices whose boxes and masks give the fill rate.
        box: (M,) int64, the training indices to label.
    """
    rate = fill_rate(packed, row, pp)
    found = []
    for chosen in np.array_split(box, max(1, -(-len(box) // IMAGES))):
        mean, numbers, target = _means(predictor, packed, row, chosen)
        inside = numbers > 0
        of_image = torch.arange(len(numbers)).view(-1, 1, 1) * (int(numbers.max()) + 1)
        share = 1 - torch.tensor(rate)[target[inside]]
        low = may_flip(mean[inside], (numbers + of_image)[inside], share)
        target[inside] = torch.where(low, 0, target[inside])
        found.append(target.numpy().astype(np.uint8))
    return np.concatenate(found)


def cleaned(predictor: Predictor, packed: Packed, box: np.ndarray, settings: crf.Settings) -> np.ndarray:
    """Return the labels (M, H, W) uint8 of box images by the network, after the three clean-up rules.

    Args:
        predictor: Of the round before.
        packed: The data.
        box: (M,) int64, the training indices to label.
        settings: Of the dense CRF.
    """
    found = []
    for chosen in np.array_split(box, max(1, -(-len(box) // IMAGES))):
        mean, numbers, target = _means(predictor, packed, predictor.chosen.row, chosen)
        for of_image, number, drawn, index in zip(mean, numbers, target, chosen, strict=True):
            cost = torch.stack([torch.zeros_like(of_image), -of_image], dim=-1).double()
            cost[number == 0] = torch.tensor([0.0, crf.SURE], dtype=torch.float64)
            q = crf.mean_field(packed.train.images[index], cost.reshape(-1, 2).numpy(), settings)
            labels = q.argmax(axis=1).reshape(drawn.shape) * (number.numpy() > 0)
            found.append(put_back(labels.astype(np.uint8), number.numpy(), drawn.numpy().astype(np.uint8)))
    return np.stack(found)


def put_back(labels: np.ndarray, numbers: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return labels whose boxes are whole again where less than `grabcut.LEAST` of them is their class.

    Args:
        labels: (H, W) uint8.
        numbers: (H, W) integer, 1 + the number of the box on top, 0 outside.
        target: (H, W) uint8, the box target.
    """
    right = np.bincount(numbers.ravel(), (labels == target).ravel())
    share = right / np.maximum(np.bincount(numbers.ravel()), 1)
    return np.where((numbers > 0) & (share < grabcut.LEAST)[numbers], target, labels)


def _means(predictor: Predictor, packed: Packed, row: Row, chosen: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    """Return mu (n, H, W) fp32 of some training images, their box numbers and targets as int64, all on the CPU."""
    split = packed.train
    images = torch.from_numpy(np.array(split.images[chosen]))
    numbers = torch.from_numpy(np.array(split.indices(row.classes)[chosen]).astype(np.int64))
    target = torch.from_numpy(np.array(split.targets(row.classes)[chosen]).astype(np.int64))
    return predictor(images).mean[:, 0].float().cpu(), numbers, target * (numbers > 0)


def _round(job: Job, row: Row, steps: int) -> Job:
    """Return the job of an earlier round: another row, of some steps."""
    chosen = replace(job.chosen, row=row, steps=steps)
    box = job.box if row.box else job.box[:0]
    if not row.mixes:
        chosen = replace(chosen, pp_chance=None, sampler=None)
    return replace(job, chosen=chosen, box=box, label_shares=label_shares(job.packed, row, job.pp, box), fill_rate=None)


def _next(job: Job, done: Trainer, steps: int, made: Callable[[], np.ndarray]) -> Job:
    """Return the job of the round after a finished one, of some steps, on the labels that are made of box images."""
    started = time.monotonic()
    proposals = np.array(job.packed.train.targets(job.chosen.row.classes))
    proposals[job.box] = made()
    return replace(
        job,
        chosen=replace(job.chosen, steps=steps),
        label_shares=label_shares(job.packed, job.chosen.row, job.pp, job.box, proposals),
        proposals=proposals,
        seconds=done.seconds + time.monotonic() - started,
        earlier_steps=job.earlier_steps + done.steps,
    )


def _fit(job: Job, device: torch.device, folder: Path | None, ranks: Ranks, label: str, shown: bool) -> Trainer:
    """Train a round to its end, or take it from its checkpoint in a folder; without one, keep none."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(job, device, Checkpoint(folder) if folder else None, ranks)
    trainer.fit(label, shown)
    trainer.save()
    return trainer
