"""A new network: what its last layer gives before any training."""

import math

import pytest
import torch

from stages.config import Row
from stages.model.network import build, first_means, normalise
from stages.model.objectives import split_output
from tests.train.tiny import hyperparameters

SHARES = (0.9, 0.07, 0.03)
CONSTANTS = [
    (Row(classes="one", loss="bce", pp=2780, box=0), lambda y, m: -math.log(1 / (1 + math.exp(-m if y else m)))),
    (Row(classes="one", loss="regression", pp=500, box=2280, pixels="box"), lambda y, m: (y - m) ** 2),
]


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
    for row, means, start in [
        (Row(classes="one", loss="bootstrap", pp=500, box=2280, recipe="paper"), 1, 1.0),
        (Row(classes="few", loss="ce_bootstrap", pp=500, box=2280, recipe="stable"), 3, 2.5),
    ]:
        output = build(hyperparameters(row))(torch.randn(2, 3, 16, 32))
        assert output.shape[1] == 2 * means
        torch.testing.assert_close(output[:, means:], torch.full_like(output[:, means:], math.log(start)))
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
    plain = build(bootstrap(), (0.9, 0.1)).head
    assert plain.bias[0].item() == pytest.approx(math.log(0.1 / 0.9))
    assert (plain.weight[:, 1] == 0).all()
    torch.manual_seed(0)
    kept = build(bootstrap(mean_start="torch", variance_weights="torch"), (0.9, 0.1)).head
    assert abs(kept.bias[0].item()) < 0.3
    assert (kept.weight[:, 1] != 0).any()
    assert kept.bias[1].item() == plain.bias[1].item() == pytest.approx(math.log(2.5))


@pytest.mark.parametrize(
    ("variance", "raw"), [("softplus", math.log(math.e - 1)), ("square", 1.0), ("one_plus_elu", 0.0)]
)
def test_a_variance_of_one_is_another_raw_output_for_each_reading(variance, raw):
    chosen = bootstrap(variance=variance, initial_variance=1.0)
    network = build(chosen)
    assert network.head.bias[1].item() == pytest.approx(raw, abs=1e-6)
    _, log_variance = split_output(network(torch.randn(2, 3, 16, 32)), chosen)
    assert log_variance.detach().numpy() == pytest.approx(0.0, abs=1e-5)
