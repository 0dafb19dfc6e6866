"""What each row minimises: which pixels of a batch get which equation of losses.py.

Section 4.1.1 and 4.1.2 ("foreground only"): the uncertainty and bootstrapping losses apply inside the boxes of
box-labelled images; pixel-perfect images, and the pixels outside every box, get the plain loss. The reduction is the
mean over the batch's valid (not void) pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from stages.arrays import VOID
from stages.params import Row
from stages.train import losses
from stages.train.recipes import ESTIMATORS, Flipper, Recipe, bound_log_variance

UNCERTAIN = ("regression", "uncertainty", "bootstrap", "ce_bootstrap")
MULTI_CLASS = ("ce", "ce_bootstrap")


@dataclass(frozen=True)
class Supervision:
    """The labels of a batch of N images.

    Attributes:
        target: (N, H, W) int64, the mask of a pixel-perfect image, the box target of a box image; 255 is void.
        box: (N, H, W) int64, 1 + the number of the box on top of the pixel; 0 outside boxes and in PP images.
        pixel_perfect: (N,) bool.
        room: where selected pixels shall have a list of fixed length, that length: no fewer than any batch of the
            training has in boxes (`pixels: all`: in box images). None: lists are as long as it takes, of which the host
            learns by waiting for the device.
    """

    target: Tensor
    box: Tensor
    pixel_perfect: Tensor
    room: int | None = None


@dataclass(frozen=True)
class Loss:
    """`total`: the scalar to minimise. `terms`: its parts (they add up to it) and, for bootstrapping rows, `flipped`,
    the share of in-box pixels of box images whose label is flipped; detached scalars."""

    total: Tensor
    terms: dict[str, Tensor]


def channels(row: Row) -> int:
    """Output channels of the row's network: one mean per logit, and a log-variance for each where the loss has one."""
    logits = len(row.classes) if row.loss in MULTI_CLASS else 1
    return 2 * logits if row.loss in UNCERTAIN else logits


def split_output(output: Tensor, row: Row, recipe: Recipe) -> tuple[Tensor, Tensor | None]:
    """The network's output (N, channels, ...) as (mean, log_variance), fp32, (N, logits, ...) each.

    The log-variance is bounded by the recipe, and None where the row's loss has none.
    """
    if row.loss not in UNCERTAIN:
        return output.float(), None
    mean, raw = output.chunk(2, dim=1)
    return mean.float(), bound_log_variance(raw, recipe)


def predict(mean: Tensor, row: Row) -> Tensor:
    """The class of each pixel: (N, logits, H, W) -> (N, H, W) int64.

    Multi-class: argmax. L2 rows, whose targets are 0 and 1: foreground where mu > 0.5. Other binary rows: mu > 0.
    """
    if row.loss in MULTI_CLASS:
        return mean.argmax(dim=1)
    threshold = 0.5 if row.loss == "regression" else 0.0
    return (mean[:, 0] > threshold).long()


def objective(
    row: Row,
    recipe: Recipe,
    flipper: Flipper | None,
    samples: int | None,
    total: Callable[[Tensor], Tensor] = lambda count: count,
) -> Callable[[Tensor, Supervision], Loss]:
    """The loss of a row, as a function of the network's output and the batch's labels.

    Args:
        flipper: of bootstrapping rows. samples: T, of multi-class uncertainty rows (their noise is torch's default
            generator's on the output's device). total: makes a count of pixels that of the whole batch, of which a
            process may see a part; the batch's loss is then the sum of the processes'.
    """
    per_pixel = {
        "bce": _plain,
        "ce": _plain,
        "regression": _regression,
        "uncertainty": _uncertainty,
        "bootstrap": _bootstrap,
        "ce_bootstrap": _ce_bootstrap,
    }[row.loss]

    def compute(output: Tensor, labels: Supervision) -> Loss:
        pixels = _Pixels(row, recipe, flipper, samples, output, labels)
        maps, flipped = per_pixel(pixels)
        valid = total(pixels.valid.sum()).clamp(min=1)
        parts = {name: value.sum() / valid for name, value in maps.items()}
        terms = {name: value.detach() for name, value in parts.items()}
        if flipped is not None:
            terms["flipped"] = flipped.detach().sum() / total(pixels.uncertain.sum()).clamp(min=1)
        return Loss(torch.stack(list(parts.values())).sum(), terms)

    return compute


class _Pixels:
    """The batch as the equations take it: the uncertain pixels as lists (P,) or (P, C), or all of them as maps."""

    def __init__(self, row, recipe, flipper, samples, output, labels: Supervision):
        self.row, self.recipe, self.flipper, self.samples = row, recipe, flipper, samples
        self.valid = labels.target != VOID
        number = torch.arange(len(labels.box), device=labels.box.device).view(-1, 1, 1)
        self.uncertain = (labels.box > 0) & self.valid  # the box map is 0 in pixel-perfect images
        if row.pixels == "all":
            self.uncertain = ~labels.pixel_perfect.view(-1, 1, 1) & self.valid
        self.certain = self.valid & ~self.uncertain
        self._output, self._target, self._room = output.float(), labels.target, labels.room
        self._box = labels.box + number * (labels.box.amax() + 1)  # one number for each box of the batch

    def select(self):
        """(mean, log_variance, target, box, real) of the uncertain pixels: (P,), in multi-class rows means and
        log-variances (P, C).

        The target of a binary row is floating point. `real` is False where a list of fixed length goes on past its
        pixels: there, the target is 0 and the box one of its own.
        """
        place, real = _places(self.uncertain.flatten(), self._room)
        target = torch.where(real, self._target.flatten()[place], 0)
        box = torch.where(real, self._box.flatten()[place], self._box.amax() + 1)
        listed = self._output.movedim(1, -1).flatten(0, -2).index_select(0, place)
        mean, log_variance = split_output(listed, self.row, self.recipe)
        if self.row.loss in MULTI_CLASS:
            return mean, log_variance, target, box, real
        return mean[:, 0], log_variance[:, 0], target.to(mean.dtype), box, real

    def plain(self, where: Tensor) -> Tensor:
        """The loss without uncertainty of the pixels in `where`, zero elsewhere: (N, H, W).

        Nearly every pixel takes part, so computing all of them costs less than selecting these.
        """
        equation = {"regression": losses.l2, "ce": losses.ce, "ce_bootstrap": losses.ce}.get(self.row.loss, losses.bce)
        target = torch.where(where, self._target, 0)  # void is no class
        if self.row.loss in MULTI_CLASS:
            loss = equation(self._output[:, : len(self.row.classes)].movedim(1, -1), target)
        else:
            loss = equation(self._output[:, 0], target.to(self._output.dtype))
        return torch.where(where, loss, 0)


def _places(chosen: Tensor, room: int | None) -> tuple[Tensor, Tensor]:
    """Where `chosen` (M,) bool is True: (P,) int64, ascending, and (P,) bool, all True.

    With `room`, P is that; behind the chosen places, any others and False. The host does not wait for the device then.
    """
    if room is None:
        place = chosen.nonzero().squeeze(1)
        return place, torch.ones_like(place, dtype=torch.bool)
    upto, each = chosen.cumsum(0), torch.arange(len(chosen), device=chosen.device)
    slot = torch.where(chosen, upto - 1, room)  # what is not chosen goes to one slot too many
    place = upto.new_zeros(room + 1).scatter_(0, slot, each)[:room]
    real = each[:room] < upto[-1]
    return torch.where(real, place, each[:room]), real  # different ones: their (zero) gradients need not queue up


def _plain(pixels: _Pixels):
    return {"plain": pixels.plain(pixels.valid)}, None


def _regression(pixels: _Pixels):
    mean, log_variance, target, _, real = pixels.select()
    maps = {"uncertainty": losses.l2_uncertainty(mean, log_variance, target)}
    return {"plain": pixels.plain(pixels.certain)} | _where(real, maps), None


def _uncertainty(pixels: _Pixels):
    mean, log_variance, target, _, real = pixels.select()
    maps = {"uncertainty": losses.bce_uncertainty(mean, log_variance, target)}
    return {"plain": pixels.plain(pixels.certain)} | _where(real, maps), None


def _bootstrap(pixels: _Pixels):
    mean, log_variance, target, box, real = pixels.select()
    flip = pixels.flipper.binary(mean, log_variance, box)
    flipped_target = 1 - target if pixels.recipe.flip_target == "opposite" else (mean.detach() > 0).to(mean.dtype)
    uncertainty, bootstrap = losses.bootstrapping_loss(mean, log_variance, target, flipped_target, 1 - flip)
    maps = {"uncertainty": uncertainty, "bootstrap": bootstrap}
    if pixels.recipe.prior:
        maps["prior"] = pixels.recipe.prior * losses.variance_prior(log_variance)
    return {"plain": pixels.plain(pixels.certain)} | _where(real, maps), real & (flip > 0.5)


def _ce_bootstrap(pixels: _Pixels):
    mean, log_variance, target, box, real = pixels.select()
    flip = pixels.flipper.multi_class(mean, log_variance, target, box)
    new_target = losses.bootstrapped_target(mean, target, flip)
    shape = (mean.shape[-1], pixels.samples, *mean.shape[:-1])  # classes first, as the losses want them in memory
    noise = torch.randn(shape, dtype=mean.dtype, device=mean.device).movedim(0, -1)
    estimator = ESTIMATORS[pixels.recipe.estimator]
    uncertainty, bootstrap = losses.ce_bootstrapping_loss(mean, log_variance, target, new_target, noise, estimator)
    maps = _where(real, {"uncertainty": uncertainty, "bootstrap": bootstrap})
    return {"plain": pixels.plain(pixels.certain)} | maps, real & flip & (new_target != target)


def _where(real: Tensor, maps: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses of listed pixels, zero where the list has none."""
    return {name: torch.where(real, value, 0) for name, value in maps.items()}
