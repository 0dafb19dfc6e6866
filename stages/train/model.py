"""A trained network and what it says of pictures: for the evaluation, the figures, and whoever wants the masks."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from stages.params import Row, UserError
from stages.train.erfnet import ERFNet
from stages.train.objectives import MULTI_CLASS, UNCERTAIN, channels, predict, split_output
from stages.train.recipes import Flipper, raw_start, recipe_of


def build(row: Row, width: float, tau: float | None = None, shares: Sequence[float] | None = None) -> ERFNet:
    """A new ERFNet for the row; its last layer starts at what is known of the labels, and with one variance everywhere.

    Args:
        tau: of a row that bootstraps. shares: (C,) of each class in the row's labels, see `batches.label_shares`; None
            leaves torch's biases (for a network whose weights are to be loaded).

    Resolution: the paper gives no initialisation. Most pixels are background, so with torch's biases, near zero, the
    first steps move all weights of an object's output the same way. Where all of them end below zero, objects are where
    every feature is zero, and ReLU lets no gradient through that could tell them apart: on CamVid, 4 of 16 trainings of
    plain CE with all or 18 % of the masks ended without a single car. A mean that starts at the best constant (the
    logarithm of a class's share, binary its log-odds, for the L2 loss the share itself) has nothing of that to learn;
    Lin et al. 2017 (Focal Loss), section 3.3, use a small constant to the same end. The log-variance channels start at
    the recipe's sigma^2, the last layer's weights as its `last_layer` says.
    """
    network = ERFNet(channels(row), width)
    head = network.head
    recipe = recipe_of(row)
    with torch.no_grad():
        if recipe.last_layer == "icnr":
            head.weight[:] = head.weight[:, :, :1, :1]
        if shares is not None:
            first = head.bias.new_tensor(first_means(row, shares))
            head.bias[: len(first)] = first
        if row.loss in UNCERTAIN:
            means = channels(row) // 2
            head.weight[:, means:] = 0
            head.bias[means:] = raw_start(recipe, tau)
    return network


def first_means(row: Row, shares: Sequence[float]) -> list[float]:
    """The constant outputs of least loss for labels in these shares: (C,) in (0, 1) -> one for each mean of the row."""
    if row.loss in MULTI_CLASS:
        return [math.log(share) for share in shares]
    return [shares[1] if row.loss == "regression" else math.log(shares[1] / (1 - shares[1]))]


def normalise(images: Tensor) -> Tensor:
    """uint8 RGB (N, H, W, 3) -> fp32 (N, 3, H, W) in [-1, 1], channels last in memory."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


@dataclass(frozen=True)
class Prediction:
    """mean: (N, logits, H, W) fp32. log_variance: the same shape, or None. output: (N, H, W) int64, the class."""

    mean: Tensor
    log_variance: Tensor | None
    output: Tensor

    @property
    def variance(self) -> Tensor | None:
        """sigma^2 in logit^2 (L2 rows: in units of the target squared), the shape of `mean`, or None."""
        return None if self.log_variance is None else self.log_variance.exp()


class Predictor:
    """A network with what its row needs to read its output. Calling it switches the network to evaluation mode.

    `run` is the content of run.json, of a finished run.
    """

    def __init__(self, network: nn.Module, row: Row, flipper: Flipper | None, run: dict | None = None):
        self.network, self.row, self.flipper, self.run = network, row, flipper, run
        self.recipe = recipe_of(row)

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Prediction:
        """Predict for uint8 images (N, H, W, 3), on the network's device."""
        self.network.eval()
        device = next(self.network.parameters()).device
        mean, log_variance = split_output(self.network(normalise(images.to(device))), self.row, self.recipe)
        return Prediction(mean, log_variance, predict(mean, self.row))

    @torch.inference_mode()
    def flips(self, prediction: Prediction, target: Tensor, box: Tensor) -> Tensor:
        """1 - W of Eq 11, or 1 where Eq 16 gives a new class, under the row's recipe; 0 outside boxes.

        Args:
            target: (N, H, W) the box targets. box: (N, H, W) 1 + the number of the box on top, 0 outside.

        Returns: (N, H, W) fp32 in [0, 1].

        Raises:
            ValueError: the row does not bootstrap.
        """
        if self.flipper is None:
            raise ValueError(f"loss {self.row.loss} flips nothing")
        mean, log_variance = prediction.mean, prediction.log_variance
        target, box = target.to(mean.device).long(), box.to(mean.device).long()
        inside = box > 0
        number = (box + torch.arange(len(box), device=box.device).view(-1, 1, 1) * (box.amax() + 1))[inside]
        flips = torch.zeros(box.shape, device=mean.device)
        if self.row.loss == "bootstrap":
            flips[inside] = self.flipper.binary(mean[:, 0][inside], log_variance[:, 0][inside], number)
        else:
            means, log_variances = (x.movedim(1, -1)[inside] for x in (mean, log_variance))
            flip = self.flipper.multi_class(means, log_variances, target[inside], number)
            flips[inside] = (flip & (means.argmax(dim=-1) != target[inside])).float()
        return flips

    @torch.inference_mode()
    def relabel(self, prediction: Prediction, target: Tensor, flips: Tensor) -> Tensor:
        """The bootstrapped targets: y* of Eq 10 or Eq 16 where `flips` is above one half, else the target.

        Args:
            target: (N, H, W) integer, the box targets. flips: what `flips` returned for them.

        Returns: (N, H, W) int64.
        """
        target = target.to(flips.device).long()
        opposite = self.row.loss == "bootstrap" and self.recipe.flip_target == "opposite"
        return torch.where(flips > 0.5, 1 - target if opposite else prediction.output, target)

    @torch.inference_mode()
    def doubt(self, prediction: Prediction, target: Tensor) -> Tensor:
        """log sigma^2 of a label, the one that is compared with tau: (N, H, W) fp32 for targets (N, H, W).

        Multi-class: the largest of the classes' or that of the target's class, by the recipe's trigger.
        """
        if self.row.loss not in MULTI_CLASS:
            return prediction.log_variance[:, 0]
        if self.recipe.trigger == "max":
            return prediction.log_variance.amax(dim=1)
        index = target.to(prediction.log_variance.device).long().unsqueeze(1)
        return prediction.log_variance.gather(1, index).squeeze(1)


def flipper_of(row: Row, settings: dict, fill_rate: Sequence[float] | None) -> Flipper | None:
    """The row's Flipper from the run's settings (tau, temperature), or None where the row does not bootstrap."""
    if not row.bootstraps:
        return None
    return Flipper(recipe_of(row), settings["tau"], settings.get("temperature"), tuple(fill_rate))


def load(folder: Path, device: torch.device) -> Predictor:
    """The network of a training's out folder (run.json, weights.pt).

    Raises:
        UserError: the folder holds no finished training, or its weights cannot be read.
    """
    try:
        run = json.loads((folder / "run.json").read_text())
        row = Row(**run["spec"])
        network = build(row, run["settings"]["width"])
        network.load_state_dict(torch.load(folder / "weights.pt", map_location="cpu", weights_only=True))
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: no such file; train this run first") from None
    except Exception as error:  # noqa: BLE001 - broken bytes lead torch's unpickler to raise anything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{folder}: cannot read this run: {reason}") from None
    network = network.to(device, memory_format=torch.channels_last)
    return Predictor(network, row, flipper_of(row, run["settings"], run["fill_rate"]), run)
