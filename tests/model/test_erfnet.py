import pytest
import torch

from stages.model.erfnet import ERFNet, NonBottleneck1d


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


def test_a_residual_block_starts_as_the_identity_and_learns_to_be_more():
    torch.manual_seed(0)
    block, x = NonBottleneck1d(8, 0.0, 2), torch.randn(2, 8, 12, 16).relu()
    torch.testing.assert_close(block(x), x)
    block(x).square().sum().backward()
    assert block.bn2.weight.grad.abs().min() > 0
