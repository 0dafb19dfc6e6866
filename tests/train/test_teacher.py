"""The teacher: a running mean of the trained network, which starts as a copy of it."""

import pytest
import torch

from stages.model.erfnet import ERFNet
from stages.model.predictor import teach
from stages.train.teacher import Teacher


@pytest.fixture
def network() -> ERFNet:
    torch.manual_seed(0)
    return ERFNet(2, 0.25)


def test_weights_and_running_statistics_follow_by_the_decay(network):
    teacher = Teacher(network, 0.75)
    expected = {name: value.clone() for name, value in network.state_dict().items()}
    assert all(torch.equal(value, expected[name]) for name, value in teacher.network.state_dict().items())
    for _ in range(3):
        with torch.no_grad():
            for value in network.state_dict().values():
                value.add_(torch.ones_like(value))
        teacher.follow(network)
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                expected[name] = 0.75 * expected[name] + 0.25 * value
    followed = teacher.network.state_dict()
    for name, value in expected.items():
        torch.testing.assert_close(followed[name], value)


def test_the_teacher_has_no_gradient_and_no_dropout(network):
    teacher = Teacher(network, 0.99)
    assert not any(x.requires_grad for x in teacher.network.parameters())
    pictures = torch.rand(2, 3, 16, 32)
    assert torch.equal(teach(teacher.network, pictures), teach(teacher.network, pictures))


def test_a_teacher_says_of_a_mirror_image_what_it_says_of_the_image_mirrored(network):
    pictures = torch.rand(2, 3, 16, 32)
    torch.testing.assert_close(teach(network, pictures.flip(3)), teach(network, pictures).flip(3), atol=1e-5, rtol=1e-5)
