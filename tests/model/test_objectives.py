"""The loss of each row on a batch against a slow loop over pixels, written from the paper's sections."""

import math
from dataclasses import replace

import pytest
import torch

from stages.config import Row
from stages.model import losses, objectives
from stages.model.objectives import Supervision, list_pixels, objective, predict
from stages.model.predictor import flipper_of
from stages.model.recipes import recipe_of
from stages.train.cuda_graph import padded_list
from tests.train.tiny import hyperparameters
from tests.two_classes import CLASSES

SHAPE = (3, 6, 8)
FILL_RATE = (1.0, 0.6, 0.5)


def row_of(loss: str, **others) -> Row:
    return Row(classes="few" if loss.startswith("ce") else "one", loss=loss, pp=500, box=2280, **others)


def literal(loss: str, **overrides) -> Row:
    """The paper's loss with sigma^2 = exp(raw), so that the output's second half is s, and one mean over all pixels."""
    recipe = {"recipe": "paper"} if "bootstrap" in loss else {}
    return row_of(loss, **recipe, overrides={"variance": "exp", "reduction": "pooled"} | overrides)


BOUND_PRIOR = {"bound": "tanh", "smax": 3.0, "prior": 0.25}
ROWS = {
    "bce": row_of("bce"),
    "bce-fill": row_of("bce", labels="fill"),
    "bce-top": row_of("bce", labels="top"),
    "bce-lines": row_of("bce", labels="lines"),
    "regression-box": row_of("regression", pixels="box"),
    "regression-all": row_of("regression", pixels="all"),
    "uncertainty": literal("uncertainty"),
    "bootstrap": literal("bootstrap"),
    "bootstrap-capped": literal("bootstrap", fill_cap=True),
    "bootstrap-bound-prior": literal("bootstrap", **BOUND_PRIOR),
    "bootstrap-paper": row_of("bootstrap", recipe="paper"),  # the recipes as they stand
    "bootstrap-stable": row_of("bootstrap", recipe="stable"),
    "ce": row_of("ce"),
    "ce_bootstrap": literal("ce_bootstrap"),
    "ce_bootstrap-capped": literal("ce_bootstrap", fill_cap=True),
    "ce_bootstrap-paper": row_of("ce_bootstrap", recipe="paper"),
    "ce_bootstrap-stable": row_of("ce_bootstrap", recipe="stable"),
}


@pytest.fixture
def labels() -> Supervision:
    """Image 0 is pixel-perfect, with void; images 1 and 2 have one box and two."""
    target, box = torch.zeros(SHAPE, dtype=torch.int64), torch.zeros(SHAPE, dtype=torch.int64)
    target[0, 2:4, 2:5], target[0, 5] = 1, 255
    for image, number, rows, columns in [
        (1, 1, slice(1, 5), slice(1, 6)),
        (2, 1, slice(0, 3), slice(0, 4)),
        (2, 2, slice(3, 6), slice(4, 8)),
    ]:
        target[image, rows, columns], box[image, rows, columns] = 1, number
    return Supervision(target, box, torch.tensor([True, False, False]))


def own_box() -> torch.Tensor:
    """The box target of image 0: four rows and six columns around its mask, of which a row is void."""
    own = torch.zeros(SHAPE, dtype=torch.int64)
    own[0, 2:6, 1:7] = 1
    return own


def seen_by(row: Row, labels: Supervision) -> Supervision:
    """The labels of the first images, with the own box where the row's recipe asks for it."""
    if not recipe_of(row).own_boxes or labels.own_box_target is not None:
        return labels
    return replace(labels, own_box_target=own_box()[: len(labels.target)])


def output_of(row: Row) -> torch.Tensor:
    channels = hyperparameters(row).channels
    return 2 * torch.randn(SHAPE[0], channels, *SHAPE[1:], generator=torch.Generator().manual_seed(7))


def loss_of(row: Row, output, labels, lister=list_pixels, **changed):
    chosen = hyperparameters(row, **changed)
    torch.manual_seed(3)
    return objective(chosen, flipper_of(chosen, FILL_RATE), list_pixels=lister)(output, seen_by(row, labels))


def softplus(x):
    return math.log1p(math.exp(-abs(x))) + max(x, 0)


def by_hand(name: str, row: Row, output, labels) -> float:
    """Mean over valid pixels, one at a time, of the loss that the paper gives the pixel; or half of either kind's."""
    total, valid = {True: 0.0, False: 0.0}, {True: 0, False: 0}  # of pixel-perfect images, and of box images
    lowest, own = {}, own_box()
    if "capped" in name or row.ranks:  # the cap: the lowest 40 % of each box by mean
        for image in (1, 2):
            for number in (1, 2):
                inside = (labels.box[image] == number).nonzero().tolist()
                ranked = sorted(inside, key=lambda p: output[image, 0, p[0], p[1]].item())
                for p in ranked[: int(0.4 * len(inside) + 1e-4)]:
                    lowest[image, *p] = True
    for image, y, x in torch.cartesian_prod(*map(torch.arange, SHAPE)).tolist():
        t = labels.target[image, y, x].item()
        if t == 255:
            continue
        clean = image == 0
        valid[clean] += 1
        if row.labels == "top":  # the attention
            total[clean] += (1 / (1 + math.exp(-output[image, 1, y, x].item())) - t) ** 2
        mu, raw = output[image, 0, y, x].item(), output[image, 1, y, x].item() if output.shape[1] > 1 else None
        in_box = labels.box[image, y, x].item() > 0
        if in_box and row.labels != "boxes":
            low = (image, y, x) in lowest
            total[clean] += {
                "fill": softplus(mu) - (not low) * mu,
                "top": (not low) * (softplus(mu) - mu),
                "lines": 0.0,
            }[row.labels]
            continue
        uncertain = in_box or (name == "regression-all" and image > 0)
        if name.startswith("bce") or (not uncertain and not name.startswith("regression")):
            total[clean] += softplus(mu) - t * mu
            if "stable" in name and own[image, y, x]:  # whether the mask confirms the box's label
                keep = 1 / (1 + math.exp((softplus(raw) - 2.5) / 0.2))
                total[clean] -= math.log(keep if t == 1 else 1 - keep)
            continue
        if not uncertain:
            total[clean] += (t - mu) ** 2
            continue
        if name.startswith("regression"):
            s = raw if raw > 0 else -2 * math.tanh(-raw / 2)
            total[clean] += 0.5 * math.exp(-s) * (t - mu) ** 2 + 0.5 * s
            continue
        recipe_stands = "paper" in name or "stable" in name
        variance = softplus(raw) if recipe_stands else math.exp(3 * math.tanh(raw / 3) if "bound" in name else raw)
        a = mu / math.sqrt(1 + math.pi * variance / 8)
        if "stable" not in name:
            total[clean] += softplus(a) - t * a
        if name == "uncertainty":
            continue
        flip = 1 / (1 + math.exp((2.5 - variance) / 0.2))
        if "capped" in name:
            flip = flip if (image, y, x) in lowest else 0.0
        if "prior" in name:
            total[clean] += 0.25 * 0.5 * math.log(1 + math.pi * variance / 8)
        total[clean] += (1 - flip) * (softplus(mu) - t * mu) + flip * (softplus(mu) - (1 - t) * mu)
    if "paper" in name:
        return sum(total[kind] / valid[kind] for kind in (True, False)) / 2
    return sum(total.values()) / sum(valid.values())


@pytest.mark.parametrize("name", [n for n in ROWS if not n.startswith("ce")])
def test_binary_losses_give_each_pixel_what_the_paper_gives_it(name, labels):
    row = ROWS[name]
    output = output_of(row)
    loss = loss_of(row, output, labels)
    assert loss.total.item() == pytest.approx(by_hand(name, row, output, labels), rel=1e-5)
    parts = sum(value.item() for term, value in loss.terms.items() if term != "flipped")
    assert parts == pytest.approx(loss.total.item(), rel=1e-5)


def test_multi_class_losses_add_uncertainty_and_bootstrapping_inside_boxes_only(labels):
    row = ROWS["ce_bootstrap"]
    output = output_of(row)
    loss = loss_of(row, output, labels)
    mean, s = output.chunk(2, dim=1)
    log_p = mean.log_softmax(1)
    known, inside = labels.target != 255, labels.box > 0
    plain = -log_p.gather(1, labels.target.clamp(max=2).unsqueeze(1)).squeeze(1)
    flip = (s.exp().amax(1) > 2.5) & inside
    new = torch.where(flip, mean.argmax(1), labels.target.clamp(max=2))
    bootstrap = -log_p.gather(1, new.unsqueeze(1)).squeeze(1)
    assert loss.terms["plain"].item() == pytest.approx((plain[known & ~inside].sum() / known.sum()).item(), rel=1e-5)
    assert loss.terms["bootstrap"].item() == pytest.approx((bootstrap[inside].sum() / known.sum()).item(), rel=1e-5)
    flipped = (new != labels.target)[inside].float().mean()
    assert loss.terms["flipped"].item() == pytest.approx(flipped.item(), rel=1e-5)
    exact = 0.0  # E[softmax] by many samples of one's own
    for pixel_mean, pixel_s in zip(mean.movedim(1, -1)[inside], s.movedim(1, -1)[inside], strict=True):
        draws = pixel_mean + (pixel_s / 2).exp() * torch.randn(4000, 3)
        exact -= draws.softmax(-1)[:, 1].mean().log().item()
    many = loss_of(row, output, labels, mc_samples=3000)
    assert many.terms["uncertainty"].item() == pytest.approx(exact / known.sum().item(), rel=0.03)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("bce", lambda **weight: row_of("bce", overrides=weight)),
        ("regression-all", lambda **weight: row_of("regression", pixels="all", overrides=weight)),
        ("uncertainty", lambda **weight: literal("uncertainty", **weight)),
        ("bootstrap", lambda **weight: literal("bootstrap", **weight)),
    ],
)
def test_pixels_labelled_as_foreground_weigh_what_the_recipe_says(name, row, labels):
    """Three times: the loss of all pixels, and twice that of the foreground; the mean is over all of them."""
    weighed = row(foreground_weight=3.0)
    output = output_of(weighed)
    foreground, valid = labels.target == 1, labels.target != 255
    alone = replace(labels, target=torch.where(foreground, 1, 255))
    share = (foreground.sum() / valid.sum()).item()
    expected = by_hand(name, row(), output, labels) + 2 * share * by_hand(name, row(), output, alone)
    assert loss_of(weighed, output, labels).total.item() == pytest.approx(expected, rel=1e-5)


def test_any_class_but_background_is_foreground_and_what_teaches_the_variance_alone_has_no_weight(labels):
    labels = replace(labels, target=torch.where(labels.box == 2, 2, labels.target))
    plain, foreground = row_of("ce"), labels.target % 255 > 0
    output = output_of(plain)
    loss = -output.log_softmax(1).gather(1, (labels.target % 255).unsqueeze(1)).squeeze(1)
    valid = labels.target != 255
    expected = (torch.where(foreground, 3 * loss, loss)[valid].sum() / valid.sum()).item()
    weighed = loss_of(row_of("ce", overrides={"foreground_weight": 3.0}), output, labels)
    assert weighed.total.item() == pytest.approx(expected, rel=1e-5)
    stable = row_of("bootstrap", recipe="stable")
    before = loss_of(stable, output_of(stable), labels).terms
    after = loss_of(
        row_of("bootstrap", recipe="stable", overrides={"foreground_weight": 3.0}), output_of(stable), labels
    ).terms
    assert after["own_boxes"] == before["own_boxes"]
    torch.testing.assert_close(after["bootstrap"], 3 * before["bootstrap"])


@pytest.mark.parametrize("name", ROWS)
def test_void_pixels_and_pixels_outside_the_rule_have_no_gradient(name, labels):
    row = ROWS[name]
    output = output_of(row).requires_grad_()
    loss_of(row, output, labels).total.backward()
    logits = len(CLASSES.names(row.classes)) if name.startswith("ce") else 1
    assert (output.grad[0, :, 5] == 0).all()  # void
    assert (output.grad[:, :logits][(labels.target != 255).unsqueeze(1).expand(-1, logits, -1, -1)] != 0).any()
    if hyperparameters(row).has_variance:
        variance = output.grad[:, logits:].abs().sum(1)
        uncertain = labels.box > 0
        if name == "regression-all":
            uncertain = torch.arange(3).view(-1, 1, 1).expand(SHAPE) > 0
        if name.endswith("stable"):  # sigma^2 learns from the own box alone
            uncertain = (own_box() > 0) & (labels.target != 255)
        assert (variance[~uncertain] == 0).all()
        assert (variance[uncertain] > 0).float().mean() > 0.9


@pytest.mark.parametrize("name", [name for name in ROWS if "bootstrap" in name])
def test_a_batch_without_boxes_or_without_valid_pixels_is_no_trouble(name, labels):
    row = ROWS[name]
    output = output_of(row).requires_grad_()
    clean = Supervision(labels.target[:1], labels.box[:1], labels.pixel_perfect[:1])
    assert torch.isfinite(loss_of(row, output[:1], clean).total)
    void = Supervision(torch.full((1, 6, 8), 255), torch.zeros(1, 6, 8, dtype=torch.int64), torch.tensor([True]))
    assert loss_of(row, output[:1], void).total.item() == 0


def test_flips_towards_the_model_leave_what_the_model_calls_foreground(labels):
    row = literal("bootstrap", flip_target="model")
    output = output_of(row)
    output[:, 1] = math.log(50.0)  # everything above tau
    loss = loss_of(row, output, labels)
    mu = output[:, 0][labels.box > 0]
    toward_model = torch.nn.functional.softplus(-mu.abs()).sum() / (labels.target != 255).sum()
    assert loss.terms["bootstrap"].item() == pytest.approx(toward_model.item(), rel=1e-5)


def test_decisions_are_made_where_the_paper_puts_them():
    mean = torch.tensor([-0.1, 0.1, 0.4, 0.6]).view(1, 1, 1, 4)
    binary, regression, multi_class = (hyperparameters(ROWS[name]) for name in ("bce", "regression-box", "ce"))
    assert predict(mean, binary).flatten().tolist() == [0, 1, 1, 1]
    assert predict(mean, regression).flatten().tolist() == [0, 0, 0, 1]
    assert predict(torch.tensor([0.1, 0.3, 0.2]).view(1, 3, 1, 1), multi_class).item() == 1


@pytest.mark.parametrize("name", ROWS)
def test_padded_lists_change_no_loss_and_no_gradient(name, labels, monkeypatch):
    """Lists as long as a captured step needs them, longer than the batch's. Noise is the same for a pixel of either."""
    row, output = ROWS[name], output_of(ROWS[name])
    noise = torch.randn(3, 4, 200, generator=torch.Generator().manual_seed(5))
    monkeypatch.setattr(objectives.torch, "randn", lambda shape, dtype, device: noise[:, :, : shape[-1]])
    found = []
    for lister in (list_pixels, padded_list(96), padded_list(144)):
        leaf = output.clone().requires_grad_()
        loss = loss_of(row, leaf, labels, lister)
        loss.total.backward()
        found.append((loss, leaf.grad))
    for loss, gradient in found[1:]:
        torch.testing.assert_close(loss.total, found[0][0].total)
        assert {k: v.item() for k, v in loss.terms.items()} == pytest.approx(
            {k: v.item() for k, v in found[0][0].terms.items()}
        )
        torch.testing.assert_close(gradient, found[0][1])


@pytest.mark.parametrize("reduction", ["pooled", "two_means"])
def test_a_batchs_loss_is_the_sum_of_its_parts_where_counts_are_summed(labels, reduction):
    """Two processes with a part each: their losses add up to that of the batch, and so do the gradients."""
    row = literal("bootstrap", reduction=reduction)
    output = output_of(row)
    chosen = hyperparameters(row)
    flipper = flipper_of(chosen, FILL_RATE)
    whole = objective(chosen, flipper)(output, labels)
    valid, inside = (labels.target != 255).sum((1, 2)), (labels.box > 0).sum()
    counts = [valid.sum()] if reduction == "pooled" else [valid[labels.pixel_perfect].sum(), valid[1:].sum()]
    total = 0.0
    for part in (slice(0, 1), slice(1, 3)):
        mine = Supervision(labels.target[part], labels.box[part], labels.pixel_perfect[part])
        sums = iter((*counts, inside))  # what all_reduce_sum returns for the counts of either process
        total += objective(chosen, flipper, lambda _, sums=sums: next(sums))(output[part], mine).total
    torch.testing.assert_close(total, whole.total)


def test_two_means_weigh_either_kind_of_image_by_one_half(labels):
    """Half the mean loss over the pixels of pixel-perfect images, and half of that over those of box images."""
    row = literal("bootstrap", reduction="two_means")
    chosen, output = hyperparameters(row), output_of(row)
    pooled = hyperparameters(literal("bootstrap", reduction="pooled"))
    parts = objective(chosen, flipper_of(chosen, FILL_RATE))(output, labels).terms
    expected = 0.0
    for kind in (True, False):
        of_kind = labels.pixel_perfect == kind
        one_kind = Supervision(labels.target[of_kind], labels.box[of_kind], labels.pixel_perfect[of_kind])
        expected += objective(pooled, flipper_of(pooled, FILL_RATE))(output[of_kind], one_kind).total.item() / 2
    total = sum(parts[name] for name in ("plain", "uncertainty", "bootstrap")).item()
    assert total == pytest.approx(expected, rel=1e-5)
    assert total != pytest.approx(
        objective(pooled, flipper_of(pooled, FILL_RATE))(output, labels).total.item(), rel=1e-3
    )


def test_two_means_of_one_kind_of_image_are_its_half(labels):
    row = literal("bootstrap", reduction="two_means")
    chosen, output = hyperparameters(row), output_of(row)
    clean = labels.pixel_perfect
    alone = Supervision(labels.target[clean], labels.box[clean], labels.pixel_perfect[clean])
    loss = objective(chosen, flipper_of(chosen, FILL_RATE))(output[clean], alone).total
    known = alone.target != 255
    mean = losses.bce(output[clean][:, 0], torch.where(known, alone.target, 0).float())[known].mean()
    assert loss.item() == pytest.approx(mean.item() / 2, rel=1e-5)


@pytest.mark.parametrize("name", ["ce", "ce_bootstrap"])
def test_outside_of_boxes_a_box_image_leaves_open_which_class_without_boxes_it_is(name, labels):
    """Four classes, of which the last has masks only: outside of boxes, background or the last."""
    others = {"recipe": "paper", "overrides": {"reduction": "pooled"}} if name == "ce_bootstrap" else {}
    row = Row(classes="all", loss=name, pp=500, box=2280, **others)
    changed = {"classes": ("background", "a", "b", "road"), "masks_only": 1}
    chosen = hyperparameters(row, **changed)
    output = torch.randn(SHAPE[0], chosen.channels, *SHAPE[1:], generator=torch.Generator().manual_seed(7))
    flipper = flipper_of(chosen, (1.0, 0.6, 0.5, 1.0)) if row.bootstraps else None
    found = objective(chosen, flipper)(output, labels).terms["plain"].item()
    p = torch.softmax(output[:, :4], dim=1)
    expected, valid = 0.0, 0
    for image in range(SHAPE[0]):
        for y in range(SHAPE[1]):
            for x in range(SHAPE[2]):
                target = int(labels.target[image, y, x])
                valid += target != 255
                if target == 255 or (row.bootstraps and labels.box[image, y, x]):
                    continue
                here = p[image, :, y, x]
                is_open = image > 0 and target == 0
                expected -= math.log(here[0] + here[3]) if is_open else math.log(here[target])
    assert found == pytest.approx(expected / valid, rel=1e-5)


def test_several_classes_with_uncertainty_and_no_flips_take_the_mean_field_inside_boxes(labels):
    row = literal("ce_uncertainty")
    output = output_of(row)
    loss = loss_of(row, output, labels)
    mean, s = output[:, :3].movedim(1, -1), output[:, 3:].movedim(1, -1)
    known, inside = labels.target != 255, labels.box > 0
    expected = losses.ce_uncertainty_mean_field(mean[inside], s[inside], labels.target[inside]).sum() / known.sum()
    assert loss.terms["uncertainty"].item() == pytest.approx(expected.item(), rel=1e-5)
    certain = known & ~inside
    plain = losses.ce(mean[certain], labels.target[certain]).sum() / known.sum()
    assert loss.terms["plain"].item() == pytest.approx(plain.item(), rel=1e-5)
    assert "flipped" not in loss.terms


def test_the_mean_field_estimator_draws_no_noise(labels):
    row = literal("ce_bootstrap", estimator="mean_field")
    output = output_of(row)
    state = torch.random.get_rng_state()
    chosen = hyperparameters(row)
    loss = objective(chosen, flipper_of(chosen, FILL_RATE))(output, labels)
    assert torch.equal(torch.random.get_rng_state(), state)
    inside = labels.box > 0
    mean, s = (part.movedim(1, -1)[inside] for part in (output[:, :3], output[:, 3:]))
    expected = losses.ce_uncertainty_mean_field(mean, s, labels.target[inside]).sum() / (labels.target != 255).sum()
    assert loss.terms["uncertainty"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_eq_15_as_printed_is_the_logarithmic_form_until_an_exponential_overflows(labels):
    output = output_of(literal("ce_bootstrap"))
    terms = {}
    for scale in (1.0, 40.0):
        for estimator in ("monte_carlo", "printed"):
            row = literal("ce_bootstrap", estimator=estimator)
            chosen = hyperparameters(row)
            torch.manual_seed(3)
            loss = objective(chosen, flipper_of(chosen, FILL_RATE))(output * scale, labels)
            terms[scale, estimator] = loss.terms["uncertainty"].item()
    assert terms[1.0, "printed"] == pytest.approx(terms[1.0, "monte_carlo"], rel=1e-5)
    assert not math.isfinite(terms[40.0, "printed"])
    assert math.isfinite(terms[40.0, "monte_carlo"])


def test_a_label_flips_to_the_background_or_to_a_class_whose_box_covers_the_pixel(labels):
    """Class 2 is the likeliest everywhere, and has a box over the left half of one image's box alone."""
    covers = torch.where(labels.box > 0, 0b011, 0b001)
    covers[1, :, :3] |= 0b100
    boxed = Supervision(labels.target, labels.box, labels.pixel_perfect, covers)
    output = torch.zeros(SHAPE[0], 6, *SHAPE[1:])
    output[:, 2], output[:, 0] = 3.0, 1.0  # then the background, then class 1, the label
    output[:, 3:] = 4.0  # sigma^2 far above tau
    inside = labels.box > 0
    for flip_to, new in (("any", torch.full_like(covers, 2)), ("covered", torch.where((covers & 0b100) > 0, 2, 0))):
        row = literal("ce_bootstrap", flip_to=flip_to)
        chosen = hyperparameters(row)
        loss = objective(chosen, flipper_of(chosen, FILL_RATE))(output, boxed)
        expected = losses.ce(output[:, :3].movedim(1, -1)[inside], new[inside]).sum() / (labels.target != 255).sum()
        assert loss.terms["bootstrap"].item() == pytest.approx(expected.item(), rel=1e-5)
    with pytest.raises(ValueError, match="flip_to: covered needs to know which boxes cover a pixel"):
        objective(chosen, flipper_of(chosen, FILL_RATE))(output, labels)


@pytest.mark.parametrize("recipe", ["paper", "stable"])
def test_several_classes_count_how_often_either_variance_is_above_tau(labels, recipe):
    row = row_of("ce_bootstrap", recipe=recipe)
    output = output_of(row)
    terms = loss_of(row, output, labels).terms
    inside, tau = labels.box > 0, hyperparameters(row).tau
    variance = torch.nn.functional.softplus(output[:, 3:].movedim(1, -1)[inside])
    target = labels.target[inside]
    largest, own = variance.amax(-1), variance[torch.arange(len(target)), target]
    assert terms["exceeds_max"].item() == pytest.approx((largest > tau).float().mean().item())
    assert terms["exceeds_target"].item() == pytest.approx((own > tau).float().mean().item())
    assert terms["exceeds_target"] < terms["exceeds_max"]


def test_kept_attenuation_weighs_the_kept_label_as_if_nothing_flipped(labels):
    """Each in-box pixel: W times Eq 9's loss and 1 - W times that of the opposite label, sigma^2 without gradient."""
    row = literal("bootstrap", keep_attenuation=True)
    output = output_of(row)
    found = loss_of(row, output, labels).terms["bootstrap"].item()
    expected = 0.0
    for image, y, x in (labels.box > 0).nonzero().tolist():
        mu, variance = output[image, 0, y, x].item(), math.exp(output[image, 1, y, x].item())
        weight = 1 / (1 + math.exp((variance - 2.5) / 0.2)) if variance < 80 else 0.0
        adapted = mu / math.sqrt(1 + math.pi * variance / 8)
        expected += weight * softplus(-adapted) + (1 - weight) * softplus(mu)
    assert found == pytest.approx(expected / (labels.target != 255).sum().item(), rel=1e-5)
    plain = literal("bootstrap")
    gradients = []
    for one in (row, plain):
        leaf = output.clone().requires_grad_()
        loss_of(one, leaf, labels).total.backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(gradients[0][:, 1], gradients[1][:, 1])  # sigma^2 learns from Eq 9 alone, as before
    assert not torch.allclose(gradients[0][:, 0], gradients[1][:, 0])


@pytest.mark.parametrize("reduction", ["pooled", "two_means"])
@pytest.mark.parametrize("name", ["bootstrap", "ce_bootstrap"])
def test_own_boxes_teach_the_variance_alone_what_a_mask_says_of_its_box(name, reduction, labels):
    overrides = {"reduction": reduction} | ({"estimator": "mean_field"} if "ce" in name else {})
    row, without = literal(name, **overrides, own_boxes=True), literal(name, **overrides)
    own = own_box()
    known = Supervision(labels.target, labels.box, labels.pixel_perfect, None, own)
    logits = hyperparameters(row).logits
    output, leaf = output_of(row).requires_grad_(), output_of(row).requires_grad_()
    found, plain = loss_of(row, output, known), loss_of(without, leaf, labels)
    found.total.backward()
    plain.total.backward()
    inside = (own[0] > 0) & (labels.target[0] != 255)
    torch.testing.assert_close(output.grad[:, :logits], leaf.grad[:, :logits])  # the mean learns as it did
    torch.testing.assert_close(output.grad[1:], leaf.grad[1:])
    assert (output.grad[0, logits:].abs().sum(0) > 0).eq(inside).all()
    assert found.terms["flipped"] == plain.terms["flipped"]
    assert found.terms["bootstrap"].item() == pytest.approx(plain.terms["bootstrap"].item(), rel=1e-5)
    mean, s = (part[0].detach().movedim(0, -1)[inside] for part in (output[:, :logits], output[:, logits:]))
    if "ce" in name:
        more = losses.ce_uncertainty_mean_field(mean, s, torch.ones(len(mean), dtype=torch.int64))
    else:
        more = losses.bce_uncertainty(mean[:, 0], s[:, 0], torch.ones(len(mean)))
    assert found.terms["uncertainty"].item() == pytest.approx(plain.terms["uncertainty"].item(), rel=1e-5)
    count = (labels.target != 255).sum()
    if reduction == "two_means":  # the half of pixel-perfect images
        count = 2 * (labels.target[labels.pixel_perfect] != 255).sum()
    assert found.terms["own_boxes"].item() == pytest.approx((more.sum() / count).item(), rel=1e-4)


@pytest.mark.parametrize("reduction", ["pooled", "two_means"])
def test_a_supervised_variance_learns_which_labels_masks_confirm_and_nothing_else(reduction, labels):
    """The gradient of sigma^2 lies in the own box of image 0 alone, and has the sign that the mask asks for."""
    row = literal("bootstrap", own_boxes=True, variance_loss="supervised", reduction=reduction)
    without = literal("bootstrap", reduction=reduction)
    own = own_box()
    start = output_of(row)
    start[:, 1] = 1 + start[:, 1].sin() / 4  # sigma^2 from 2.1 to 3.5, around tau, where W is neither 0 nor 1
    output, leaf = start.clone().requires_grad_(), start.clone().requires_grad_()
    found = loss_of(row, output, Supervision(labels.target, labels.box, labels.pixel_perfect, None, own))
    plain = loss_of(without, leaf, labels)
    found.total.backward()
    plain.total.backward()
    assert "uncertainty" not in found.terms
    torch.testing.assert_close(output.grad[:, 0], leaf.grad[:, 0])
    assert (output.grad[1:, 1] == 0).all()
    inside = (own[0] > 0) & (labels.target[0] != 255)
    right = labels.target[0][inside] == 1
    assert right.any() and not right.all()
    assert ((output.grad[0, 1] != 0) == inside).all()
    assert torch.equal(output.grad[0, 1][inside] > 0, right)  # descent: smaller where the label is right
    tau, temperature = hyperparameters(row).tau, hyperparameters(row).temperature
    kept = torch.sigmoid((tau - output[0, 1].detach().exp()) / temperature)[inside].double()
    known = labels.target != 255
    count = known.sum() if reduction == "pooled" else 2 * known[labels.pixel_perfect].sum()
    expected = -torch.where(right, kept, 1 - kept).log().sum() / count
    assert found.terms["own_boxes"].item() == pytest.approx(expected.item(), rel=1e-3)


@pytest.mark.parametrize("trigger", ["max", "target"])
def test_of_several_classes_the_variance_that_triggers_is_supervised(trigger, labels):
    """The largest of a pixel's three, or the one of its label."""
    row = literal("ce_bootstrap", own_boxes=True, variance_loss="supervised", trigger=trigger)
    own = own_box()
    output = output_of(row)
    output[:, 3:] = 1 + output[:, 3:].sin() / 4
    output.requires_grad_()
    found = loss_of(row, output, Supervision(labels.target, labels.box, labels.pixel_perfect, None, own))
    found.total.backward()
    inside = (own[0] > 0) & (labels.target[0] != 255)
    right = labels.target[0][inside] == 1
    s = output[0, 3:].detach().double()[:, inside]
    triggering = s.amax(0) if trigger == "max" else s[1]
    kept = torch.sigmoid((hyperparameters(row).tau - triggering.exp()) / 0.2)
    expected = -torch.where(right, kept, 1 - kept).log().sum() / (labels.target != 255).sum()
    assert found.terms["own_boxes"].item() == pytest.approx(expected.item(), rel=1e-4)
    moved = output.grad[0, 3:][:, inside] != 0
    assert torch.equal(moved, s == triggering)
    assert (output.grad[1:, 3:] == 0).all()


@pytest.mark.parametrize("name", ["bootstrap", "ce_bootstrap"])
@pytest.mark.parametrize("reduction", ["pooled", "two_means"])
def test_pairs_and_projections_are_of_box_images_alone_and_as_heavy_as_asked(name, reduction, labels):
    overrides = {"reduction": reduction} | ({"estimator": "mean_field"} if "ce" in name else {})
    row, without = literal(name, **overrides, pairs=2.0, projection=3.0), literal(name, **overrides)
    agreeing = torch.zeros(SHAPE[0], 4, *SHAPE[1:], dtype=torch.bool)
    agreeing[1, 0, 2, 1], agreeing[2, 1, 1, 3] = True, True  # (2, 1) with (2, 3); (1, 3) with (3, 3)
    output = output_of(row)
    known = Supervision(labels.target, labels.box, labels.pixel_perfect, agreeing=agreeing)
    found, plain = loss_of(row, output, known), loss_of(without, output, labels)
    logits = hyperparameters(row).logits
    mean = output[:, :logits].double()
    p = mean.softmax(1) if logits > 1 else torch.cat([1 - mean.sigmoid(), mean.sigmoid()], 1)
    both = [(p[1, :, 2, 1] * p[1, :, 2, 3]).sum(), (p[2, :, 1, 3] * p[2, :, 3, 3]).sum()]
    lines = []
    for image, rows, columns in [
        (1, range(1, 5), range(1, 6)),
        (2, range(0, 3), range(0, 4)),
        (2, range(3, 6), range(4, 8)),
    ]:
        best = p[image, 1][rows.start : rows.stop, columns.start : columns.stop]
        lines += [*best.amax(0), *best.amax(1)]
    count = (labels.target != 255).sum()
    if reduction == "two_means":
        count = 2 * (labels.target[~labels.pixel_perfect] != 255).sum()
    expected = {"pairs": -2 * sum(map(torch.log, both)) / count, "projection": -3 * sum(map(torch.log, lines)) / count}
    for term, value in expected.items():
        assert found.terms[term].item() == pytest.approx(value.item(), rel=1e-4)
    more = sum(found.terms[term] for term in expected)
    assert found.total.item() == pytest.approx((plain.total + more).item(), rel=1e-5)


def test_own_boxes_weigh_as_much_in_a_warm_up_without_box_images(labels):
    row = literal("bootstrap", own_boxes=True, reduction="two_means")
    output, clean, own = output_of(row), labels.pixel_perfect, own_box()
    whole = loss_of(row, output, Supervision(labels.target, labels.box, labels.pixel_perfect, None, own))
    part = Supervision(labels.target[clean], labels.box[clean], labels.pixel_perfect[clean], None, own[clean])
    alone = loss_of(row, output[clean], part)
    assert alone.terms["own_boxes"].item() == pytest.approx(whole.terms["own_boxes"].item(), rel=1e-5)


@pytest.mark.parametrize("name", ["bootstrap", "ce_bootstrap"])
@pytest.mark.parametrize("decides", ["variance", "mean"])
def test_a_teachers_output_decides_which_labels_flip_and_nothing_else(name, decides, labels):
    overrides = {"decides": decides} | ({"estimator": "mean_field"} if "ce" in name else {})
    row = literal(name, **overrides)
    chosen = hyperparameters(row)
    compute = objective(chosen, flipper_of(chosen, FILL_RATE))
    output = output_of(row)
    teacher = output.flip(0) * 1.5
    own = compute(output, labels)
    taught = compute(output, labels, teacher)
    assert compute(output, labels, output).total == own.total
    assert taught.terms["uncertainty"] == own.terms["uncertainty"]
    mean, s = teacher.chunk(2, dim=1)
    inside = labels.box > 0
    if "ce" in name:
        flip = s.exp().amax(1) > 2.5 if decides == "variance" else mean.argmax(1) != labels.target
        new = torch.where(flip, mean.argmax(1), labels.target)
        expected = losses.ce(output[:, :3].movedim(1, -1)[inside], new[inside])
    else:
        weight = losses.keep_weight(s[:, 0], 2.5, 0.2) if decides == "variance" else (mean[:, 0] >= 0).float()
        expected = losses.bce(output[:, 0][inside], weight[inside])
    assert taught.terms["bootstrap"].item() == pytest.approx(
        (expected.sum() / (labels.target != 255).sum()).item(), rel=1e-5
    )
    leaf = teacher.clone().requires_grad_()
    assert not compute(output, labels, leaf).total.requires_grad
