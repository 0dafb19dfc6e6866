"""A new network for a row: its size, and the initial values of its last layer."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stages.model.erfnet import ERFNet
from stages.model.hyperparameters import Hyperparameters
from stages.model.recipes import raw_start

LABEL_MAPS = 4
"""Maps of `label_maps` besides one for each class with boxes."""
BRANCH_CHANNELS = 16


class LabelAwareERFNet(ERFNet):
    """An ERFNet whose variances also see the box label that they are of; its means see the image alone.

    Two 3x3 convolutions read the decoder's last features beside the maps of the label, at half of the resolution, and
    a transposed one makes the variances. Not in the paper, where one last layer makes means and variances.

    Args:
        logits: Number of means, and of variances.
        maps: Channels of the label's maps.
        width: Of the ERFNet.
    """

    def __init__(self, logits: int, maps: int, width: float = 1.0):
        super().__init__(logits, width)
        self.maps = maps
        self.branch = nn.Sequential(
            nn.Conv2d(self.head.in_channels + maps, BRANCH_CHANNELS, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(BRANCH_CHANNELS, BRANCH_CHANNELS, 3, padding=1),
            nn.ReLU(),
        )
        self.variance = nn.ConvTranspose2d(BRANCH_CHANNELS, logits, 2, stride=2)

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Return means and raw variances (N, 2 logits, H, W).

        Args:
            x: (N, 3, H, W), see `normalise`.
            label: (N, maps, H, W), see `label_maps`; None where there is no label, as outside of all boxes.
        """
        features = self.decoder(self.encoder(x))
        if label is None:
            label = features.new_zeros(len(x), self.maps, *x.shape[2:])
        seen = torch.cat([features, label[:, :, ::2, ::2].to(features.dtype)], dim=1)
        return torch.cat([self.head(features), self.variance(self.branch(seen))], dim=1)


class BoxMaskedERFNet(ERFNet):
    """An ERFNet whose last layer sees features through a map of where boxes are, which it makes and learns itself.

    Source: Song et al. 2019, Box-driven class-wise region masking (BCM), section 3.2: each class has an attention map,
    taught by its boxes, that multiplies the features of which its score is made. Here there is one class.

    Args:
        logits: Number of means.
        width: Of the ERFNet.
    """

    def __init__(self, logits: int, width: float = 1.0):
        super().__init__(logits, width)
        self.attention = nn.Conv2d(self.head.in_channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return means, and last the logit of the attention (N, logits + 1, H, W), of x (N, 3, H, W)."""
        features = self.decoder(self.encoder(x))
        attention = self.attention(features)
        seen = self.head(features * torch.sigmoid(attention))
        return torch.cat([seen, attention.repeat_interleave(2, 2).repeat_interleave(2, 3)], dim=1)


def label_maps(target: Tensor, box: Tensor, classes: int) -> Tensor:
    """Return what a `LabelAwareERFNet` sees of box labels.

    Args:
        target: (N, H, W) integer, the box targets.
        box: (N, H, W) integer, 1 + the number of the box on top, 0 outside.
        classes: Number of classes that have boxes.

    Returns:
        (N, classes + LABEL_MAPS, H, W) fp32, 0 outside of boxes: for each class whether it is the label; then where in
        the visible part of its box the pixel lies, from -1, left and top, to 1; and that part's width and height, as
        shares of the image's.
    """
    count, height, width = box.shape
    most = int(box.amax()) + 1
    number = (box.long() + torch.arange(count, device=box.device).view(-1, 1, 1) * most).flatten()
    inside = box > 0
    maps = [inside & (target == label) for label in range(1, classes + 1)]
    places, sizes = [], []
    for size, axis in ((width, 2), (height, 1)):
        shape = [1, 1, 1]
        shape[axis] = size
        at = torch.arange(size, device=box.device, dtype=torch.float32).view(shape).expand_as(box).flatten()
        low, high = (
            torch.zeros(count * most, device=box.device).scatter_reduce_(0, number, at, how, include_self=False)[number]
            for how in ("amin", "amax")
        )
        places.append(((2 * at - low - high) / (high - low + 1)).view_as(box))
        sizes.append(((high - low + 1) / size).view_as(box))
    return torch.stack([*maps, *(torch.where(inside, value, 0) for value in places + sizes)], dim=1).float()


def mirrored_maps(maps: Tensor) -> Tensor:
    """Return the `label_maps` of images flipped left to right, with the same shape."""
    mirrored = maps.flip(3)
    mirrored[:, -LABEL_MAPS] *= -1
    return mirrored


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
    if chosen.has_variance and chosen.recipe.variance_sees == "label":
        network: ERFNet = LabelAwareERFNet(chosen.logits, chosen.boxed + LABEL_MAPS, chosen.width)
    elif chosen.has_attention:
        network = BoxMaskedERFNet(chosen.logits, chosen.width)
    else:
        network = ERFNet(chosen.channels, chosen.width)
    head = network.head
    with torch.no_grad():
        if chosen.recipe.last_layer == "icnr":
            head.weight[:] = head.weight[:, :, :1, :1]
        bias: Tensor = head.bias  # type: ignore[assignment]
        if label_shares is not None and chosen.recipe.mean_start == "share":
            bias[: chosen.logits] = bias.new_tensor(first_means(chosen, label_shares))
        if chosen.has_variance:
            weight, of_variance = head.weight[:, chosen.logits :], bias[chosen.logits :]
            if isinstance(network, LabelAwareERFNet):
                weight, of_variance = network.variance.weight, network.variance.bias  # type: ignore[assignment]
            if chosen.recipe.variance_weights == "zero":
                weight.zero_()
            of_variance.fill_(raw_start(chosen.recipe, chosen.tau))
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
