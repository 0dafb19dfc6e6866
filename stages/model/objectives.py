"""The loss that each row minimises: which pixels of a batch get which equation of losses.py.

Sections 4.1.1 and 4.1.2 ("foreground only"): the uncertainty and bootstrapping losses apply inside the boxes of
box-labelled images, the *uncertain* pixels; pixel-perfect images, and the pixels outside every box, get the plain loss.
With `pixels: all`, every pixel of box-labelled images is uncertain. With the recipe's `own_boxes`, so are the pixels
inside the boxes of pixel-perfect images, for sigma^2 alone: the mean keeps learning from their masks.

Resolution: the paper says that losses are accumulated; this is the mean over the batch's valid (not void) pixels, or,
where the recipe's `reduction` says so, half the mean over pixel-perfect images and half of that over box images: the
two sums of Eq 3. A batch without images of one kind has the other's half alone. What a pixel-perfect image says of its
own boxes belongs to its half. Pixels labelled as foreground may weigh more, see `Recipe.foreground_weight`; they still
count once where means are taken.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from stages.arrays import VOID
from stages.model import consistency, losses
from stages.model.flipping import LabelFlipper
from stages.model.hyperparameters import Hyperparameters
from stages.model.recipes import bound_log_variance

SAMPLED = {
    "monte_carlo": losses.ce_uncertainty,
    "rao_blackwell": losses.ce_uncertainty_rao_blackwell,
    "printed": losses.ce_uncertainty_printed,
}
"""The estimators of Eq 13 that draw noise; the other one is `mean_field`."""

EQ_11_TEMPERATURE = 0.2
"""As printed, in logit^2; what multi-class rows, whose flips are hard, teach their variance with."""

ListPixels = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Lists where a mask (M,) bool is True: its indices (P,) int64, and (P,) bool, False where the list is padding."""

PixelLosses = tuple[dict[str, Tensor], dict[str, Tensor]]
"""The losses of pixels by the name of the part, and by name which of the uncertain pixels are so, such as `flipped`."""


@dataclass(frozen=True)
class Supervision:
    """The labels of a batch of N images.

    Attributes:
        target: (N, H, W) int64, the mask of a pixel-perfect image, the box target of a box image; 255 is void.
        box: (N, H, W) int64, 1 + the number of the box on top of the pixel; 0 outside boxes and in pixel-perfect
            images.
        pixel_perfect: (N,) bool, whether an image's target is its mask.
        covers: (N, H, W) int64, see `spans.draw_covers`; of rows whose recipe asks for it.
        own_box_target: (N, H, W) int64, the box target of a pixel-perfect image inside its boxes; 0 elsewhere; of rows
            whose recipe has `own_boxes`.
        label_maps: (N, maps, H, W) fp32, see `network.label_maps`, of the box labels of all images, pixel-perfect ones
            included; of rows whose variance sees the label.
        agreeing: (N, 4, H, W) bool, see `consistency.alike`, of pairs with a pixel in a box of a box image; of rows
            whose recipe has `pairs`.
    """

    target: Tensor
    box: Tensor
    pixel_perfect: Tensor
    covers: Tensor | None = None
    own_box_target: Tensor | None = None
    label_maps: Tensor | None = None
    agreeing: Tensor | None = None


@dataclass(frozen=True)
class Loss:
    """The loss of a batch.

    Attributes:
        total: Scalar, in nats (L2 rows: in units of the squared target), to minimise.
        terms: Detached scalars: the parts, which add up to the total, and shares of the uncertain pixels, in [0, 1]: of
            bootstrapping rows `flipped`, those whose label is flipped; of multi-class ones also `exceeds_max` and
            `exceeds_target`, those whose largest variance, and whose label's variance, is above tau.
    """

    total: Tensor
    terms: dict[str, Tensor]


def split_output(output: Tensor, chosen: Hyperparameters) -> tuple[Tensor, Tensor | None]:
    """Split the network's output into means and log-variances.

    Args:
        output: (N, channels, ...) floating point.
        chosen: The row's hyperparameters.

    Returns:
        mean: (N, logits, ...) fp32.
        log_variance: The same shape, bounded by the recipe; None where the row has no variance.
    """
    if not chosen.has_variance:
        return output[:, : chosen.logits].float(), None
    mean, raw = output.chunk(2, dim=1)
    return mean.float(), bound_log_variance(raw, chosen.recipe)


def predict(mean: Tensor, chosen: Hyperparameters) -> Tensor:
    """Return the class of each pixel: (N, logits, H, W) -> (N, H, W) int64.

    Multi-class: argmax. L2 rows, whose targets are 0 and 1: foreground where mu > 0.5. Other binary rows: mu > 0.
    """
    if chosen.multi_class:
        return mean.argmax(dim=1)
    threshold = 0.5 if chosen.loss == "regression" else 0.0
    return (mean[:, 0] > threshold).long()


def list_pixels(selected: Tensor) -> tuple[Tensor, Tensor]:
    """List where a mask is True, see `ListPixels`, without padding; on CUDA, force a host-device synchronisation."""
    place = selected.nonzero().squeeze(1)
    return place, torch.ones_like(place, dtype=torch.bool)


def objective(
    chosen: Hyperparameters,
    flipper: LabelFlipper | None,
    all_reduce_sum: Callable[[Tensor], Tensor] = lambda count: count,
    list_pixels: ListPixels = list_pixels,
) -> Callable[..., Loss]:
    """Return the loss of a row, as a function of the network's output, the batch's labels and the teacher's output.

    The teacher's output, without gradient, decides which labels flip; without it, or where it is None, the network's
    own does.

    Args:
        chosen: The row's hyperparameters. The noise of multi-class bootstrapping rows comes from torch's default
            generator on the output's device.
        flipper: The rule of label flips; None for rows that do not bootstrap.
        all_reduce_sum: Sums a count of pixels over the processes that share a batch; the batch's loss is then the sum
            of theirs.
        list_pixels: Lists the uncertain pixels; `cuda_graph.padded_list` makes lists of one length.
    """
    per_pixel = {
        "bce": _relabelled if chosen.row.ranks or chosen.row.labels == "lines" else _plain,
        "ce": _plain,
        "regression": _regression,
        "uncertainty": _uncertainty,
        "bootstrap": _bootstrap,
        "ce_uncertainty": _ce_uncertainty,
        "ce_bootstrap": _ce_bootstrap,
    }[chosen.loss]

    def pooled(maps: dict[str, Tensor], valid: Tensor, _: Tensor) -> dict[str, Tensor]:
        count = all_reduce_sum(valid.sum()).clamp(min=1)
        return {name: value.sum() / count for name, value in maps.items()}

    def two_means(maps: dict[str, Tensor], valid: Tensor, pixel_perfect: Tensor) -> dict[str, Tensor]:
        clean = pixel_perfect.view(-1, 1, 1)
        of_clean, of_box = (2 * all_reduce_sum((valid & kind).sum()).clamp(min=1) for kind in (clean, ~clean))
        plain = torch.where(clean, maps["plain"] / of_clean, maps["plain"] / of_box).sum()
        others = {name: value.sum() / (of_clean if name == "own_boxes" else of_box) for name, value in maps.items()}
        return others | {"plain": plain}

    reduced = pooled if chosen.recipe.reduction == "pooled" else two_means

    def compute(output: Tensor, labels: Supervision, teacher: Tensor | None = None) -> Loss:
        pixels = _Pixels(chosen, flipper, output, teacher, labels, list_pixels)
        maps, counted = per_pixel(pixels)
        parts = reduced(maps, pixels.valid, labels.pixel_perfect)
        terms = {name: value.detach() for name, value in parts.items()}
        if counted:
            uncertain = all_reduce_sum(pixels.flippable.sum()).clamp(min=1)
            terms |= {name: value.detach().sum() / uncertain for name, value in counted.items()}
        return Loss(torch.stack(list(parts.values())).sum(), terms)

    return compute


@dataclass(frozen=True)
class _Listed:
    """The uncertain pixels of a batch as lists of P.

    Attributes:
        mean: (P,) fp32; (P, C) in multi-class rows.
        log_variance: The shape of `mean`.
        target: (P,), fp32 in binary rows, else int64.
        box: (P,) int64, one number for each box of the batch.
        real: (P,) bool, False for padding, whose target is 0 and whose box is one of its own.
        flippable: (P,) bool, `real` but for pixels of pixel-perfect images.
        decider_mean, decider_log_variance: As `mean` and `log_variance`, without gradient, of what decides about flips.
        covers: (P,) int64, see `Supervision`, or None.
        own_boxes: Whether pixels of pixel-perfect images are among them.
        foreground_weight: See `recipes.Recipe`.
        right: (P,) fp32, 1 where an image's target is the box target, as in all of box images.
        place: (P,) int64, into the flattened (N, H, W).
    """

    mean: Tensor
    log_variance: Tensor
    target: Tensor
    box: Tensor
    real: Tensor
    flippable: Tensor
    decider_mean: Tensor
    decider_log_variance: Tensor
    covers: Tensor | None
    own_boxes: bool
    foreground_weight: float
    right: Tensor
    place: Tensor

    def masked(self, maps: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return losses (P,) with zeros for padding and for pixels of pixel-perfect images.

        Of rows with `own_boxes`, `own_boxes` is for these, and else what `uncertainty` is there.
        """
        weighed = {name: _weighed(value, self.target, self.foreground_weight) for name, value in maps.items()}
        masked = {name: torch.where(self.flippable, value, 0) for name, value in weighed.items()}
        if self.own_boxes:
            own = maps["own_boxes"] if "own_boxes" in maps else maps["uncertainty"]
            masked["own_boxes"] = torch.where(self.real & ~self.flippable, own, 0)
        return masked


class _Pixels:
    """A batch as the equations take it: the uncertain pixels as lists, the others as maps (N, H, W)."""

    def __init__(
        self,
        chosen: Hyperparameters,
        flipper: LabelFlipper | None,
        output: Tensor,
        teacher: Tensor | None,
        labels: Supervision,
        list_pixels: ListPixels,
    ):
        self.chosen, self.flipper, self._list_pixels = chosen, flipper, list_pixels
        self.valid = labels.target != VOID
        number = torch.arange(len(labels.box), device=labels.box.device).view(-1, 1, 1)
        self.uncertain = (labels.box > 0) & self.valid  # the box map is 0 in pixel-perfect images
        if chosen.row.pixels == "all":
            self.uncertain = ~labels.pixel_perfect.view(-1, 1, 1) & self.valid
        self.certain = self.valid & ~self.uncertain
        self.flippable = self.uncertain
        self._box_target = labels.target
        self._own_boxes = labels.own_box_target is not None
        if labels.own_box_target is not None:
            own = (labels.own_box_target > 0) & self.valid
            self.uncertain = self.uncertain | own
            self._box_target = torch.where(own, labels.own_box_target, labels.target)
        if chosen.masks_only:  # outside of its boxes, a box image leaves open which class without boxes it is
            self._open = ~labels.pixel_perfect.view(-1, 1, 1) & (labels.target == 0)
            number_of = torch.arange(chosen.logits, device=output.device)
            self._unboxed = (number_of == 0) | (number_of >= chosen.logits - chosen.masks_only)
        self._output, self._teacher, self._target = output.float(), teacher, labels.target
        self._covers, self._agreeing = labels.covers, labels.agreeing
        self._box = labels.box + number * (labels.box.amax() + 1)  # one number for each box of the batch

    def listed(self) -> _Listed:
        """Return the uncertain pixels."""
        place, real = self._list_pixels(self.uncertain.flatten())
        flippable = real & self.flippable.flatten()[place]
        target = torch.where(real, self._box_target.flatten()[place], 0)
        right = (self._target.flatten()[place] == target).float()
        box = torch.where(flippable, self._box.flatten()[place], self._box.amax() + 1)
        covers = None if self._covers is None else self._covers.flatten()[place]
        mean, log_variance = self._at(place, self._output)
        decider = (mean, log_variance) if self._teacher is None else self._at(place, self._teacher.float())
        decider_mean, decider_log_variance = (x.detach() for x in decider)
        if not self.chosen.multi_class:
            target = target.to(mean.dtype)
        return _Listed(
            mean,
            log_variance,
            target,
            box,
            real,
            flippable,
            decider_mean,
            decider_log_variance,
            covers,
            self._own_boxes,
            self.chosen.recipe.foreground_weight,
            right,
            place,
        )

    def _at(self, place: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and log-variances, 0 without any, of an output at P places: (P,); (P, C) in multi-class rows."""
        mean, log_variance = split_output(output.movedim(1, -1).flatten(0, -2).index_select(0, place), self.chosen)
        if log_variance is None:
            log_variance = torch.zeros_like(mean)
        return (mean, log_variance) if self.chosen.multi_class else (mean[:, 0], log_variance[:, 0])

    def consistency(self, listed: _Listed) -> dict[str, Tensor]:
        """Return what the recipe weighs of consistency.py, on box images."""
        recipe, (height, width) = self.chosen.recipe, self._target.shape[1:]
        means = self._output[:, : self.chosen.logits]
        if not self.chosen.multi_class:
            means = torch.cat([torch.zeros_like(means), means], dim=1)
        found = {}
        if recipe.pairs and self._agreeing is not None:
            found["pairs"] = recipe.pairs * consistency.pairs_loss(means.log_softmax(1), self._agreeing)
        if recipe.projection:
            own = listed.mean if self.chosen.multi_class else torch.stack([0 * listed.mean, listed.mean], dim=1)
            of_box = own.log_softmax(1).gather(1, listed.target.long().unsqueeze(1)).squeeze(1)
            row, column = listed.place // width % height, listed.place % width
            lines = (listed.box * max(height, width) + at for at in (row, column))
            losses_of = [consistency.projection_loss(of_box, line, listed.flippable) for line in lines]
            found["projection"] = recipe.projection * torch.stack(losses_of).sum(0)
        return found

    def attention(self) -> Tensor:
        """Return the squared error of the attention against the labels, of valid pixels: (N, H, W)."""
        error = losses.l2(torch.sigmoid(self._output[:, -1]), (self._target > 0).float())
        return torch.where(self.valid, error, 0)

    def plain(self, where: Tensor) -> Tensor:
        """Return the loss without uncertainty where `where` (N, H, W) bool is True, zero elsewhere: (N, H, W).

        Nearly every pixel takes part, so computing all of them costs less than selecting these.
        """
        equation = {
            "regression": losses.l2,
            "ce": losses.ce,
            "ce_uncertainty": losses.ce,
            "ce_bootstrap": losses.ce,
        }.get(self.chosen.loss, losses.bce)
        target = torch.where(where, self._target, 0)  # void is no class
        if self.chosen.multi_class:
            mean = self._output[:, : self.chosen.logits].movedim(1, -1)
            loss = equation(mean, target)
            if self.chosen.masks_only:
                loss = torch.where(self._open, losses.ce_any(mean, self._unboxed), loss)
        else:
            loss = equation(self._output[:, 0], target.to(self._output.dtype))
        return torch.where(where, _weighed(loss, target, self.chosen.recipe.foreground_weight), 0)


def _weighed(loss: Tensor, target: Tensor, weight: float) -> Tensor:
    """Return losses of pixels, those whose label (the shape of `loss`) is no background times a weight."""
    return loss if weight == 1 else torch.where(target > 0, weight * loss, loss)


def _plain(pixels: _Pixels) -> PixelLosses:
    """Compute plain BCE or CE (Eq 5) on every valid pixel."""
    return {"plain": pixels.plain(pixels.valid)}, {}


def _relabelled(pixels: _Pixels) -> PixelLosses:
    """Compute what takes the place of plain BCE against the box inside the boxes of box images.

    `fill`: WSSL's EM inside boxes (Papandreou et al. 2015, section 3.3). Its EM-Fixed adds a constant to the scores of
    the foreground; here, as in its EM-Adapt (section 3.2), the constant is the one that makes its share the fill rate.
    `top`: the filling-rate guided loss (Song et al. 2019, BCM, section 3.3): pixels beyond the share have no loss; and
    the squared error of the network's attention against the boxes, or the masks of pixel-perfect images.
    `lines`: the projection and colour-pair terms of consistency.py alone.
    """
    listed, labels = pixels.listed(), pixels.chosen.row.labels
    counted, maps = {}, {}
    if labels != "lines":
        assert pixels.flipper is not None
        flip = pixels.flipper.binary(listed.decider_mean, listed.decider_log_variance, listed.box)
        kept = losses.bce(listed.mean, listed.target)
        beyond = losses.bce(listed.mean, 1 - listed.target) if labels == "fill" else torch.zeros_like(kept)
        maps["labels"] = torch.where(flip > 0, beyond, kept)
        counted["flipped"] = listed.flippable & (flip > 0)
    maps = listed.masked(maps) | pixels.consistency(listed)
    if pixels.chosen.has_attention:
        maps["attention"] = pixels.attention()
    return {"plain": pixels.plain(pixels.certain)} | maps, counted


def _regression(pixels: _Pixels) -> PixelLosses:
    """Compute section 4.1.1: Eq 2 on uncertain pixels, the squared error of Eq 3 on the others."""
    listed = pixels.listed()
    maps = {"uncertainty": losses.l2_uncertainty(listed.mean, listed.log_variance, listed.target)}
    return {"plain": pixels.plain(pixels.certain)} | listed.masked(maps), {}


def _uncertainty(pixels: _Pixels) -> PixelLosses:
    """Compute section 3.2.1: Eq 9 on uncertain pixels, Eq 5 on the others."""
    listed = pixels.listed()
    maps = {"uncertainty": losses.bce_uncertainty(listed.mean, listed.log_variance, listed.target)}
    return {"plain": pixels.plain(pixels.certain)} | listed.masked(maps), {}


def _bootstrap(pixels: _Pixels) -> PixelLosses:
    """Compute section 3.3: Eq 9 and Eq 10 on uncertain pixels, Eq 5 on the others."""
    listed, recipe = pixels.listed(), pixels.chosen.recipe
    mean, log_variance, target = listed.mean, listed.log_variance, listed.target
    assert pixels.flipper is not None
    flip = pixels.flipper.binary(listed.decider_mean, listed.decider_log_variance, listed.box)
    flipped_target = 1 - target if recipe.flip_target == "opposite" else (listed.decider_mean > 0).to(mean.dtype)
    uncertainty, bootstrap = losses.bootstrapping_loss(
        mean, log_variance, target, flipped_target, 1 - flip, recipe.keep_attenuation
    )
    maps = {"uncertainty": uncertainty, "bootstrap": bootstrap}
    if recipe.variance_loss == "supervised":
        assert pixels.chosen.tau is not None and pixels.chosen.temperature is not None
        supervised = losses.supervised_variance(
            log_variance, listed.right, pixels.chosen.tau, pixels.chosen.temperature
        )
        maps = {"own_boxes": supervised, "bootstrap": bootstrap}
    if recipe.prior:
        maps["prior"] = recipe.prior * losses.variance_prior(log_variance)
    maps = listed.masked(maps) | pixels.consistency(listed)
    return {"plain": pixels.plain(pixels.certain)} | maps, {"flipped": listed.flippable & (flip > 0.5)}


def _ce_uncertainty(pixels: _Pixels) -> PixelLosses:
    """Compute Eq 13 on uncertain pixels, plain CE on the others: section 3.2.1 with several classes."""
    listed = pixels.listed()
    loss = losses.ce_uncertainty_mean_field(listed.mean, listed.log_variance, listed.target)
    return {"plain": pixels.plain(pixels.certain)} | listed.masked({"uncertainty": loss}), {}


def _ce_bootstrap(pixels: _Pixels) -> PixelLosses:
    """Compute section 4.2: Eq 15 and CE to the target of Eq 16 on uncertain pixels, plain CE on the others."""
    listed, chosen = pixels.listed(), pixels.chosen
    mean, log_variance, target = listed.mean, listed.log_variance, listed.target
    assert pixels.flipper is not None and chosen.tau is not None and chosen.mc_samples is not None
    reachable = pixels.flipper.reachable(listed.decider_mean, listed.covers)
    flip = pixels.flipper.multi_class(reachable, listed.decider_log_variance, target, listed.box)
    new_target = losses.bootstrapped_target(reachable, target, flip)
    if chosen.recipe.variance_loss == "supervised":
        triggering = losses.triggering(log_variance, target, chosen.recipe.trigger)
        supervised = losses.supervised_variance(triggering, listed.right, chosen.tau, EQ_11_TEMPERATURE)
        maps = {"own_boxes": supervised, "bootstrap": losses.ce(mean, new_target)}
    else:
        estimator, noise = SAMPLED.get(chosen.recipe.estimator, _mean_field), None
        if estimator is not _mean_field:
            shape = (mean.shape[-1], chosen.mc_samples, *mean.shape[:-1])  # classes first, as the losses want them
            noise = torch.randn(shape, dtype=mean.dtype, device=mean.device).movedim(0, -1)
        uncertainty, bootstrap = losses.ce_bootstrapping_loss(mean, log_variance, target, new_target, noise, estimator)
        maps = {"uncertainty": uncertainty, "bootstrap": bootstrap}
    maps = listed.masked(maps) | pixels.consistency(listed)
    counted = {"flipped": listed.flippable & flip & (new_target != target)}
    for trigger in ("max", "target"):
        above = losses.exceeds_threshold(listed.decider_log_variance, target, chosen.tau, trigger)
        counted[f"exceeds_{trigger}"] = listed.flippable & above
    return {"plain": pixels.plain(pixels.certain)} | maps, counted


def _mean_field(mean: Tensor, log_variance: Tensor, target: Tensor, _: None) -> Tensor:
    """Compute Eq 13 without noise, with the arguments of the estimators that take some."""
    return losses.ce_uncertainty_mean_field(mean, log_variance, target)
