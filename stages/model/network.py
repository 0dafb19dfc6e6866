"""A new network for a row: its size, and the initial values of its last layer."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from stages.model.erfnet import ERFNet
from stages.model.hyperparameters import Hyperparameters
from stages.model.recipes import raw_start


def build(chosen: Hyperparameters, label_shares: Sequence[float] | None = None) -> ERFNet:
    """Return a new ERFNet for the row, whose means start at the labels' best constants, and with one variance.

    Args:
        chosen: The row's hyperparameters.
        label_shares: (C,) in (0, 1), of each class in the row's labels, see `batches.label_shares`; None leaves
            torch's biases (for a network whose weights are to be loaded).

    Raises:
        ValueError: The recipe's bound does not reach the initial variance, or the width gives no whole channels.

    Resolution: the paper gives no initialisation. Most pixels are background, so with torch's biases, near zero, the
    first steps move all weights of an object's output the same way. Where all of them end below zero, objects are where
    every feature is zero, and ReLU lets no gradient through that could tell them apart. A mean that starts at the best
    constant has nothing of that to learn; Lin et al. 2017 (Focal Loss), section 3.3, use a small constant to the same
    end. The variance's channels start at the recipe's sigma^2, the last layer's weights as its `last_layer` says; its
    `mean_start` and `variance_weights` keep torch's values instead.
    """
    network = ERFNet(chosen.channels, chosen.width)
    head = network.head
    with torch.no_grad():
        if chosen.recipe.last_layer == "icnr":
            head.weight[:] = head.weight[:, :, :1, :1]
        bias: Tensor = head.bias  # type: ignore[assignment]
        if label_shares is not None and chosen.recipe.mean_start == "share":
            bias[: chosen.logits] = bias.new_tensor(first_means(chosen, label_shares))
        if chosen.has_variance:
            if chosen.recipe.variance_weights == "zero":
                head.weight[:, chosen.logits :] = 0
            bias[chosen.logits :] = raw_start(chosen.recipe, chosen.tau)
    return network


def first_means(chosen: Hyperparameters, label_shares: Sequence[float]) -> list[float]:
    """Return the constant means of least loss for labels in these shares: (C,) in (0, 1) -> one for each logit.

    Multi-class: the logarithm of the class's share. Binary: the log-odds of the foreground's; L2: its share itself.
    """
    if chosen.multi_class:
        return [math.log(share) for share in label_shares]
    share = label_shares[1]
    return [share if chosen.loss == "regression" else math.log(share / (1 - share))]


def normalise(images: Tensor) -> Tensor:
    """Turn uint8 RGB (N, H, W, 3) into fp32 (N, 3, H, W) in [-1, 1], channels last in memory."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1
