"""A trained network applied to images: classes, variances, label flips and bootstrapped targets."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stages.arrays import Packed
from stages.boxes import covers as box_covers
from stages.errors import UserError
from stages.model.flipping import LabelFlipper
from stages.model.hyperparameters import Hyperparameters
from stages.model.network import build, label_maps, mirrored_maps, normalise
from stages.model.objectives import predict, split_output
from stages.state_files import read_state


@dataclass(frozen=True)
class Prediction:
    """The prediction for N images.

    Attributes:
        mean: (N, logits, H, W) fp32, mu.
        log_variance: s = log sigma^2, the shape of `mean`; None where the row has no variance.
        output: (N, H, W) int64, the class.
    """

    mean: Tensor
    log_variance: Tensor | None
    output: Tensor

    @property
    def variance(self) -> Tensor | None:
        """sigma^2 in logit^2 (L2 rows: in units of the squared target), the shape of `mean`; None without variance."""
        return None if self.log_variance is None else self.log_variance.exp()


class Predictor:
    """A network with what is needed to read its output.

    Attributes:
        network: Any module that maps images as `normalise` returns them to (N, channels, H, W).
        chosen: The row's hyperparameters.
        flipper: Its rule of label flips; None where the row does not bootstrap.
        teacher: The network that decides about flips; None where the row's own does.
        run: The content of the run.json of a finished run, else empty.
    """

    def __init__(
        self,
        network: nn.Module,
        chosen: Hyperparameters,
        flipper: LabelFlipper | None,
        run: Mapping[str, Any] | None = None,
        teacher: nn.Module | None = None,
    ):
        self.network, self.chosen, self.flipper, self.run = network, chosen, flipper, run or {}
        self.teacher = teacher

    @torch.inference_mode()
    def __call__(self, images: Tensor, target: Tensor | None = None, box: Tensor | None = None) -> Prediction:
        """Predict on the network's device and in evaluation mode, which is left on.

        Args:
            images: (N, H, W, 3) uint8.
            target: (N, H, W) integer, the box targets, which the variances of some recipes see; None for no label.
            box: (N, H, W) integer, 1 + the number of the box on top, 0 outside.
        """
        self.network.eval()
        return self._read(self.network(self._ready(images), *self._seen(target, box)))

    @torch.inference_mode()
    def decider(self, images: Tensor, own: Prediction, target: Tensor, box: Tensor) -> Prediction:
        """Return the prediction that decides about flips: the teacher's, where the row has one, else its own.

        Args:
            images, target, box: As for a call.
            own: What the call returned for them.
        """
        if self.teacher is None:
            return own
        return self._read(teach(self.teacher, self._ready(images), *self._seen(target, box)))

    def _seen(self, target: Tensor | None, box: Tensor | None) -> tuple[Tensor, ...]:
        if self.chosen.recipe.variance_sees != "label" or target is None or box is None:
            return ()
        device = next(self.network.parameters()).device
        return (label_maps(target.to(device), box.to(device), self.chosen.boxed),)

    def _ready(self, images: Tensor) -> Tensor:
        return normalise(images.to(next(self.network.parameters()).device))

    def _read(self, output: Tensor) -> Prediction:
        mean, log_variance = split_output(output, self.chosen)
        return Prediction(mean, log_variance, predict(mean, self.chosen))

    @torch.inference_mode()
    def label_flips(self, prediction: Prediction, target: Tensor, box: Tensor, covers: Tensor | None = None) -> Tensor:
        """Return 1 - W of Eq 11, or 1 where Eq 16 gives a new class, under the row's recipe; 0 outside boxes.

        Args:
            prediction: Of N images, by `decider`.
            target: (N, H, W) integer, the box targets.
            box: (N, H, W) integer, 1 + the number of the box on top, 0 outside.
            covers: (N, H, W) integer, see `spans.draw_covers`; of rows with `flip_to: covered`.

        Returns:
            (N, H, W) fp32 in [0, 1].

        Raises:
            ValueError: The row does not bootstrap, or lacks `covers`.
        """
        if self.flipper is None:
            raise ValueError(f"loss {self.chosen.loss} flips nothing")
        mean = prediction.mean
        log_variance = torch.zeros_like(mean) if prediction.log_variance is None else prediction.log_variance
        target, box = target.to(mean.device).long(), box.to(mean.device).long()
        inside = box > 0
        number = (box + torch.arange(len(box), device=box.device).view(-1, 1, 1) * (box.amax() + 1))[inside]
        flips = torch.zeros(box.shape, device=mean.device)
        if self.chosen.multi_class:
            means, log_variances = (x.movedim(1, -1)[inside] for x in (mean, log_variance))
            known = None if covers is None else covers.to(mean.device).long()[inside]
            reachable = self.flipper.reachable(means, known)
            flip = self.flipper.multi_class(reachable, log_variances, target[inside], number)
            flips[inside] = (flip & (reachable.argmax(dim=-1) != target[inside])).float()
        else:
            flips[inside] = self.flipper.binary(mean[:, 0][inside], log_variance[:, 0][inside], number)
        return flips

    @torch.inference_mode()
    def relabel(
        self, prediction: Prediction, target: Tensor, label_flips: Tensor, covers: Tensor | None = None
    ) -> Tensor:
        """Return the bootstrapped targets: y* of Eq 10 or Eq 16 where a label flips by over one half, else the target.

        Args:
            prediction: Of N images, by `decider`.
            target: (N, H, W) integer, the box targets.
            label_flips: (N, H, W), what `label_flips` returned for them.
            covers: As for `label_flips`.

        Returns:
            (N, H, W) int64.
        """
        target = target.to(label_flips.device).long()
        if not self.chosen.multi_class and self.chosen.recipe.flip_target == "opposite":
            return torch.where(label_flips > 0.5, 1 - target, target)
        new = prediction.output
        if self.flipper is not None and self.chosen.recipe.flip_to != "any":
            known = None if covers is None else covers.to(new.device).long()
            new = self.flipper.reachable(prediction.mean.movedim(1, -1), known).argmax(dim=-1)
        return torch.where(label_flips > 0.5, new, target)

    @torch.inference_mode()
    def label_log_variance(self, prediction: Prediction, target: Tensor) -> Tensor:
        """Return the log sigma^2 of each label that is compared with tau.

        Multi-class: the largest of the classes', or that of the target's class, by the recipe's trigger.

        Args:
            prediction: Of N images, by `decider` for what is compared with tau.
            target: (N, H, W) integer, the box targets.

        Returns:
            (N, H, W) fp32.

        Raises:
            ValueError: The row has no variance.
        """
        if prediction.log_variance is None:
            raise ValueError(f"loss {self.chosen.loss} has no variance")
        if not self.chosen.multi_class:
            return prediction.log_variance[:, 0]
        if self.chosen.recipe.trigger == "max":
            return prediction.log_variance.amax(dim=1)
        index = target.to(prediction.log_variance.device).long().unsqueeze(1)
        return prediction.log_variance.gather(1, index).squeeze(1)


def label_margin(prediction: Prediction, target: Tensor) -> Tensor:
    """Return by how much the means speak for each label: the less, the likelier it is wrong by the output alone.

    Args:
        prediction: Of N images.
        target: (N, H, W) integer, classes that have a logit.

    Returns:
        (N, H, W) fp32. Several classes: mu of the label's class less the largest of the others. One: mu where the
        label is the foreground, else -mu.
    """
    target = target.to(prediction.mean.device).long()
    if prediction.mean.shape[1] == 1:
        return prediction.mean[:, 0] * (2 * target - 1)
    index = target.unsqueeze(1)
    rival = prediction.mean.scatter(1, index, -math.inf).amax(dim=1)
    return prediction.mean.gather(1, index).squeeze(1) - rival


def covers_of(chosen: Hyperparameters, packed: Packed, indices: Sequence[int] | np.ndarray) -> Tensor | None:
    """Return which classes cover the pixels of training images, (N, H, W) int64, where the row's recipe asks for it.

    Args:
        chosen: The row's hyperparameters.
        packed: The data.
        indices: Of the training images.

    Raises:
        UserError: boxes.json is missing or broken.
    """
    if chosen.recipe.flip_to == "any":
        return None
    return torch.from_numpy(box_covers.covers(packed, chosen.row.classes, indices).astype(np.int64))


def teach(teacher: nn.Module, images: Tensor, maps: Tensor | None = None) -> Tensor:
    """Return a teacher's raw output for images and their mirror images, averaged.

    In evaluation mode, which is left on, and without gradient.

    Args:
        teacher: The network.
        images: (N, 3, H, W).
        maps: (N, maps, H, W), see `network.label_maps`, for a teacher that sees labels.

    Returns:
        (N, channels, H, W) fp32.
    """
    teacher.eval()
    seen = () if maps is None else (maps,)
    mirrored = () if maps is None else (mirrored_maps(maps),)
    with torch.no_grad():
        return (teacher(images, *seen).float() + teacher(images.flip(3), *mirrored).flip(3).float()) / 2


def flipper_of(
    chosen: Hyperparameters, fill_rate: Sequence[float] | None, fill_range: Sequence[float] | None = None
) -> LabelFlipper | None:
    """Return the row's rule of label flips, or None where no label of the row flips.

    Args:
        chosen: The row's hyperparameters.
        fill_rate: (C,) of each class, see `batches.fill_rate`; None for rows that change no label.
        fill_range: See `batches.fill_range`; of rows with `decides: posterior`.
    """
    if fill_rate is None or not (chosen.row.bootstraps or chosen.row.ranks):
        return None
    ends = None if fill_range is None else (fill_range[0], fill_range[1])
    return LabelFlipper(chosen.recipe, chosen.tau, chosen.temperature, tuple(fill_rate), chosen.masks_only, ends)


def load(folder: Path, device: torch.device) -> Predictor:
    """Return the predictor of a finished training.

    Args:
        folder: The training's outs, with run.json and weights.pt.
        device: Where the network goes.

    Raises:
        UserError: The folder holds no finished training, or its weights cannot be read.
    """
    try:
        run = json.loads((folder / "run.json").read_text())
        chosen = Hyperparameters.restore(run)
        network = _read_network(folder / "weights.pt", chosen, device)
        teacher = _read_network(folder / "teacher.pt", chosen, device) if chosen.recipe.teacher_decay else None
        flipper = flipper_of(chosen, run["fill_rate"], run.get("fill_range"))
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: no such file; train this run first") from None
    except Exception as error:  # noqa: BLE001 - broken bytes lead torch's unpickler to raise anything
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(":")
        raise UserError(f"{folder}: cannot read this run: {reason}; train it again") from None
    return Predictor(network, chosen, flipper, run, teacher)


def _read_network(file: Path, chosen: Hyperparameters, device: torch.device) -> nn.Module:
    network = build(chosen)
    network.load_state_dict(read_state(file, "cpu"))
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
