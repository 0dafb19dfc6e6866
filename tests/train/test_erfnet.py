import math

import pytest
import torch

from stages.params import Row
from stages.train.erfnet import ERFNet, NonBottleneck1d
from stages.train.model import build


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


@pytest.mark.parametrize("width", [0.25, 0.5, 1.0])
def test_half_of_the_features_speak_for_an_output_and_half_against_it(width):
    torch.manual_seed(0)
    head = ERFNet(3, width).head
    features = round(16 * width)
    assert (head.bias == 0).all()
    torch.testing.assert_close(head.weight.abs(), torch.full_like(head.weight, (2 / features) ** 0.5))
    assert (head.weight > 0).sum(dim=0).unique().tolist() == [features // 2]
    orders = {tuple((head.weight[:, output, 0, 0] > 0).tolist()) for output in range(3)}
    assert len(orders) > 1
    # so what all features share says nothing of the class
    torch.testing.assert_close(head(torch.ones(1, features, 2, 2)), torch.zeros(1, 3, 4, 4))


def test_training_starts_at_one_variance_everywhere():
    torch.manual_seed(0)
    for row, means, start in [
        (Row(task="car", loss="bootstrap", pp=500, box=2280, recipe="paper"), 1, 1.0),
        (Row(task="car-person", loss="ce_bootstrap", pp=500, box=2280, recipe="stable"), 3, 0.6 * 2.5),
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
