import math

import pytest
import torch

from stages.params import Row
from stages.train import loop
from stages.train.erfnet import ERFNet, NonBottleneck1d
from stages.train.model import build, first_means, load


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 20])
def test_the_parameter_count_is_the_papers_networks(channels):
    assert sum(p.numel() for p in ERFNet(channels).parameters()) == 2_062_956 + 65 * channels


def test_the_layers_are_those_of_the_published_table():
    network = ERFNet(20)
    blocks = [m for m in network.modules() if isinstance(m, NonBottleneck1d)]
    assert [b.conv3x1_2.dilation[0] for b in blocks] == [1] * 5 + [2, 4, 8, 16] * 2 + [1] * 4
    assert [b.dropout.p for b in blocks] == [0.03] * 5 + [0.3] * 8 + [0.0] * 4
    assert [b.conv3x1_1.in_channels for b in blocks] == [64] * 5 + [128] * 8 + [64] * 2 + [16] * 2
    assert {m.eps for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)} == {1e-3}


@pytest.mark.parametrize("size", [(16, 32), (64, 128), (120, 160)])
def test_the_output_has_the_resolution_of_the_input(size):
    assert ERFNet(2, width=0.25).eval()(torch.zeros(1, 3, *size)).shape == (1, 2, *size)


@pytest.mark.parametrize("width", [0.1, 0.3])
def test_a_width_that_gives_no_whole_channels_is_refused(width):
    with pytest.raises(ValueError, match="width"):
        ERFNet(1, width)


SHARES = (0.9, 0.07, 0.03)
CONSTANTS = [
    (Row(task="car", loss="bce", pp=2780, box=0), lambda y, m: -math.log(1 / (1 + math.exp(-m if y else m)))),
    (Row(task="car", loss="regression", pp=500, box=2280, pixels="box"), lambda y, m: (y - m) ** 2),
]


@pytest.mark.parametrize(("row", "loss"), CONSTANTS, ids=["bce", "l2"])
def test_a_mean_starts_at_the_constant_of_least_loss(row, loss):
    def of_all(m):
        return 0.93 * loss(0, m) + 0.07 * loss(1, m)

    (start,) = first_means(row, (0.93, 0.07))
    assert of_all(start) < min(of_all(start - 1e-2), of_all(start + 1e-2))
    torch.manual_seed(0)
    assert build(row, 0.25, shares=(0.93, 0.07)).head.bias[0].item() == pytest.approx(start)


def test_with_several_classes_the_first_probabilities_are_the_classes_shares():
    row = Row(task="car-person", loss="ce", pp=2780, box=0)
    head = build(row, 0.25, shares=SHARES).head
    torch.testing.assert_close(head.bias.softmax(0), torch.tensor(SHARES))
    without = build(row, 0.25).head
    assert (without.bias.softmax(0) - 1 / 3).abs().max() < 0.2  # torch's own, for weights that are loaded


def test_training_starts_at_one_variance_everywhere():
    torch.manual_seed(0)
    for row, means, start in [
        (Row(task="car", loss="bootstrap", pp=500, box=2280, recipe="paper"), 1, 1.0),
        (Row(task="car-person", loss="ce_bootstrap", pp=500, box=2280, recipe="stable"), 3, 2.5),
    ]:
        output = build(row, 0.25, tau=2.5)(torch.randn(2, 3, 16, 32))
        assert output.shape[1] == 2 * means
        torch.testing.assert_close(output[:, means:], torch.full_like(output[:, means:], math.log(start)))
        assert output[:, :means].std() > 0


def test_a_residual_block_starts_as_the_identity_and_learns_to_be_more():
    torch.manual_seed(0)
    block, x = NonBottleneck1d(8, 0.0, 2), torch.randn(2, 8, 12, 16).relu()
    torch.testing.assert_close(block(x), x)
    block(x).square().sum().backward()
    assert block.bn2.weight.grad.abs().min() > 0


def test_outputs_have_the_resolution_of_the_picture(project, settings, packed):
    """Neighbours within the 2x2 blocks of the last layer differ as much as neighbours across them."""
    out = loop.train(settings, "bce-2780", 0, project)
    mean = load(out, torch.device("cpu"))(torch.from_numpy(packed.val.images[:])).mean[:, 0]
    steps = mean.diff(dim=2).abs()
    within, across = steps[:, :, 0::2].mean(), steps[:, :, 1::2].mean()
    assert 0.5 < within / across < 2
