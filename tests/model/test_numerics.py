import pytest
import torch

from stages.model.numerics import constants, full_precision


def test_constants_are_made_once_for_each_device_and_type():
    cpu = torch.device("cpu")
    first = constants((1.0, 0.7), torch.float32, cpu)
    assert first.tolist() == pytest.approx([1.0, 0.7])
    assert constants((1.0, 0.7), torch.float32, cpu) is first
    assert constants((1.0, 0.7), torch.float64, cpu).dtype == torch.float64


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_half_precision_alone_is_widened(given, taken):
    assert full_precision(torch.ones(2, dtype=given)).dtype == taken
