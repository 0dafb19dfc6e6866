"""A new network: what its last layer gives before any training."""

import math

import numpy as np
import pytest
import torch

from stages.config import Row
from stages.model.network import build, first_means, label_maps, mirrored_maps, normalise
from stages.model.objectives import split_output
from tests.train.tiny import hyperparameters

SHARES = (0.9, 0.07, 0.03)
CONSTANTS = [
    (Row(classes="one", loss="bce", pp=2780, box=0), lambda y, m: -math.log(1 / (1 + math.exp(-m if y else m)))),
    (Row(classes="one", loss="regression", pp=500, box=2280, pixels="box"), lambda y, m: (y - m) ** 2),
]


AT_TAU = {"variance": "exp", "initial_variance_per_tau": 1.0}  # the raw output is log tau at the first step


def bootstrap(recipe: str = "stable", tau: float = 2.5, **overrides):
    row = Row(classes="one", loss="bootstrap", pp=500, box=2280, recipe=recipe, overrides=overrides)
    return hyperparameters(row, tau=tau)


@pytest.mark.parametrize(("row", "loss"), CONSTANTS, ids=["bce", "l2"])
def test_a_mean_starts_at_the_constant_of_least_loss(row, loss):
    def of_all(m):
        return 0.93 * loss(0, m) + 0.07 * loss(1, m)

    (start,) = first_means(hyperparameters(row), (0.93, 0.07))
    assert of_all(start) < min(of_all(start - 1e-2), of_all(start + 1e-2))
    torch.manual_seed(0)
    assert build(hyperparameters(row), (0.93, 0.07)).head.bias[0].item() == pytest.approx(start)


def test_with_several_classes_the_first_probabilities_are_the_classes_shares():
    chosen = hyperparameters(Row(classes="few", loss="ce", pp=2780, box=0))
    head = build(chosen, SHARES).head
    torch.testing.assert_close(head.bias.softmax(0), torch.tensor(SHARES))
    without = build(chosen).head
    assert (without.bias.softmax(0) - 1 / 3).abs().max() < 0.2  # torch's own, for weights that are loaded


def test_training_starts_at_one_variance_everywhere():
    torch.manual_seed(0)
    counts = {"pp": 500, "box": 2280}
    for row, means, start in [
        (Row(classes="one", loss="bootstrap", recipe="paper", **counts), 1, 0.6931),
        (Row(classes="few", loss="ce_bootstrap", recipe="stable", **counts), 3, 0.6931),
        (Row(classes="few", loss="ce_bootstrap", recipe="stable", overrides=AT_TAU, **counts), 3, 2.5),
        (Row(classes="one", loss="regression", pixels="all", **counts), 1, 1.0),
    ]:
        chosen = hyperparameters(row)
        output = build(chosen)(torch.randn(2, 3, 16, 32))
        assert output.shape[1] == 2 * means
        assert (output[:, means:] == output[0, means, 0, 0]).all()
        _, log_variance = split_output(output, chosen)
        torch.testing.assert_close(log_variance.exp(), torch.full_like(log_variance, start))
        assert output[:, :means].std() > 0


def test_a_network_starts_at_a_share_of_its_tau():
    chosen = bootstrap(tau=5.0, initial_variance_per_tau=0.4)
    _, log_variance = split_output(build(chosen)(torch.randn(2, 3, 16, 32)), chosen)
    assert log_variance.exp().detach().numpy() == pytest.approx(2.0, rel=1e-5)


def test_the_first_output_has_the_overridden_initial_variance_everywhere():
    chosen = bootstrap(initial_variance=4.0)
    _, log_variance = split_output(build(chosen)(torch.randn(2, 3, 16, 32)), chosen)
    torch.testing.assert_close(log_variance.exp(), torch.full_like(log_variance, 4.0))


@pytest.mark.parametrize("last_layer", ["torch", "icnr"])
def test_the_four_pixels_of_a_block_start_alike_if_asked(last_layer):
    with torch.no_grad():
        mean = build(bootstrap("paper", last_layer=last_layer)).eval()(torch.randn(2, 3, 16, 32))[:, 0]
    blocks = mean.unflatten(2, (-1, 2)).unflatten(1, (-1, 2))  # (N, rows, 2, columns, 2)
    alike = torch.allclose(blocks, blocks[:, :, :1, :, :1].expand_as(blocks))
    assert alike == (last_layer == "icnr")
    assert mean.std() > 0.01  # blocks differ


def test_images_are_normalised_to_minus_one_to_one_and_channels_last():
    images = torch.tensor([0, 255, 51], dtype=torch.uint8).view(1, 1, 1, 3).repeat(2, 4, 6, 1)
    x = normalise(images)
    assert (x.shape, x.dtype) == ((2, 3, 4, 6), torch.float32)
    torch.testing.assert_close(x[0, :, 0, 0], torch.tensor([-1.0, 1.0, -0.6]))
    assert x.is_contiguous(memory_format=torch.channels_last)


def test_torchs_own_start_is_kept_if_asked():
    torch.manual_seed(0)
    plain = build(bootstrap(mean_start="share", **AT_TAU), (0.9, 0.1)).head
    assert plain.bias[0].item() == pytest.approx(math.log(0.1 / 0.9))
    assert (plain.weight[:, 1] == 0).all()
    torch.manual_seed(0)
    kept = build(bootstrap(mean_start="torch", variance_weights="torch", **AT_TAU), (0.9, 0.1)).head
    assert abs(kept.bias[0].item()) < 0.3
    assert (kept.weight[:, 1] != 0).any()
    assert kept.bias[1].item() == plain.bias[1].item() == pytest.approx(math.log(2.5))
    for recipe in ("paper", "stable"):  # they ask for the means' start
        torch.manual_seed(0)
        assert build(bootstrap(recipe), (0.9, 0.1)).head.bias[0] == kept.bias[0]


@pytest.mark.parametrize(
    ("variance", "raw"), [("softplus", math.log(math.e - 1)), ("square", 1.0), ("one_plus_elu", 0.0)]
)
def test_a_variance_of_one_is_another_raw_output_for_each_reading(variance, raw):
    chosen = bootstrap(variance=variance, initial_variance=1.0)
    network = build(chosen)
    assert network.head.bias[1].item() == pytest.approx(raw, abs=1e-6)
    _, log_variance = split_output(network(torch.randn(2, 3, 16, 32)), chosen)
    assert log_variance.detach().numpy() == pytest.approx(0.0, abs=1e-5)


# ---- a variance that sees the label ----------------------------------------------------------------------------------


def test_what_the_attention_closes_no_mean_sees():
    """BCM: features are multiplied by the attention, so a closed one leaves the bias of the last layer alone."""
    torch.manual_seed(0)
    network = build(hyperparameters(Row(classes="one", loss="bce", pp=500, box=2280, labels="top")))
    image = torch.rand(1, 3, 16, 32)
    with torch.no_grad():
        opened = network(image)
        network.attention.weight.zero_()
        network.attention.bias.fill_(-100.0)
        closed = network(image)
        network.attention.bias.fill_(100.0)
        whole = network(image)
    assert closed.shape == (1, 2, 16, 32)
    assert (
        closed[:, 0].unique().numel() <= 4 < opened[:, 0].unique().numel()
    )  # one bias, however each 2x2 block is drawn
    assert not torch.allclose(opened[:, 0], whole[:, 0])
    assert torch.equal(closed[:, 1], torch.full((1, 16, 32), -100.0))


def test_the_label_moves_the_variance_and_not_the_mean():
    torch.manual_seed(0)
    chosen = bootstrap(variance_sees="label", variance_weights="torch")
    network = build(chosen).eval()
    images = torch.randn(1, 3, 16, 32)
    box = torch.zeros(1, 16, 32, dtype=torch.int64)
    box[:, 4:12, 8:24] = 1
    plain, labelled = network(images), network(images, label_maps(box, box, 1))
    assert plain.shape == labelled.shape == (1, 2, 16, 32)
    assert torch.equal(plain[:, 0], labelled[:, 0])
    moved = (plain[0, 1] != labelled[0, 1]).nonzero()
    assert moved.amin(0).tolist() == [0, 4] and moved.amax(0).tolist() == [15, 27]  # two pixels of half size beyond it
    nothing = torch.zeros_like(box)
    torch.testing.assert_close(plain, network(images, label_maps(nothing, nothing, 1)))


def test_a_variance_that_sees_the_label_starts_as_any_other():
    for sees in ("label", "image"):
        output = build(bootstrap(variance_sees=sees, **AT_TAU))(torch.randn(2, 3, 16, 32))
        torch.testing.assert_close(output[:, 1:], torch.full_like(output[:, 1:], math.log(2.5)))
    overrides = {"variance_sees": "label"} | AT_TAU
    row = Row(classes="few", loss="ce_bootstrap", pp=500, box=2280, recipe="stable", overrides=overrides)
    output = build(hyperparameters(row))(torch.randn(2, 3, 16, 32), torch.randn(2, 6, 16, 32))
    torch.testing.assert_close(output[:, 3:], torch.full_like(output[:, 3:], math.log(2.5)))


def test_label_maps_say_the_class_and_the_place_in_the_visible_part_of_a_box():
    rng = np.random.default_rng(0)
    box = np.zeros((3, 10, 14), np.int64)
    box[0, 1:8, 2:9], box[0, 3:5, 5:12] = 1, 2  # the second lies on top
    box[1, :, :] = 1
    target = np.where(box > 0, rng.integers(1, 3, (3, 3))[np.arange(3)[:, None, None], box], 0)
    maps = label_maps(torch.from_numpy(target), torch.from_numpy(box), 2).numpy()
    assert maps.shape == (3, 6, 10, 14)
    assert (maps * (box == 0)[:, None] == 0).all()
    for image, number in [(0, 1), (0, 2), (1, 1)]:
        y, x = np.nonzero(box[image] == number)
        width, height = x.max() - x.min() + 1, y.max() - y.min() + 1
        expected = [target[image, y, x] == 1, target[image, y, x] == 2]
        expected += [(2 * x - x.min() - x.max()) / width, (2 * y - y.min() - y.max()) / height]
        expected += [np.full(len(x), width / 14), np.full(len(x), height / 10)]
        np.testing.assert_allclose(maps[image][:, y, x], np.array(expected, float), atol=1e-6)
    flipped = (torch.from_numpy(array).flip(2) for array in (target, box))
    torch.testing.assert_close(mirrored_maps(torch.from_numpy(maps)), label_maps(*flipped, 2))
