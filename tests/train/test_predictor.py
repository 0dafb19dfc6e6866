"""What a trained network says of labels: flips, bootstrapped targets and the variance that is compared with tau."""

import math

import pytest
import torch
from torch import nn

from stages.params import Row
from stages.train.model import Predictor, flipper_of

HIGH, LOW = math.log(5.0), math.log(0.5)  # log variances on either side of tau = 2.5


class Says(nn.Module):
    """A network whose output is fixed."""

    def __init__(self, output):
        super().__init__()
        self.output = nn.Parameter(torch.tensor(output)[None, :, None, :])  # (1, channels, 1, pixels)

    def forward(self, _):
        return self.output


def predictor(loss: str, recipe: str | None, output, **overrides) -> Predictor:
    task = "car-person" if loss == "ce_bootstrap" else "car"
    counts = {"pixels": "all"} if loss == "regression" else {}
    row = Row(task=task, loss=loss, pp=500, box=2280, recipe=recipe, overrides=overrides, **counts)
    flipper = flipper_of(row, {"tau": 2.5, "temperature": 0.2}, (1.0, 0.5, 0.5)[: len(row.classes)])
    return Predictor(Says(output), row, flipper)


def ask(network: Predictor, target, box):
    target, box = torch.tensor([[target]]), torch.tensor([[box]])
    prediction = network(torch.zeros(1, 1, target.shape[-1], 3, dtype=torch.uint8))
    flips = network.flips(prediction, target, box)
    return (
        flips[0, 0],
        network.relabel(prediction, target, flips)[0, 0].tolist(),
        network.doubt(prediction, target)[0, 0],
    )


def test_binary_flips_are_soft_inside_boxes_and_labels_turn_where_they_pass_one_half():
    # mean, then log variance; the last two pixels lie outside of the box
    network = predictor("bootstrap", "paper", [[3.0, 3.0, -3.0, 3.0, -3.0], [HIGH, LOW, math.log(2.5), HIGH, LOW]])
    flips, labels, doubt = ask(network, [1, 1, 1, 0, 0], [1, 1, 1, 0, 0])
    expected = [1 - 1 / (1 + math.exp(-(2.5 - variance) / 0.2)) for variance in (5.0, 0.5, 2.5)]
    assert flips.tolist() == pytest.approx([*expected, 0, 0], abs=1e-6)
    assert labels[:2] == [0, 1]
    assert labels[3:] == [0, 0]
    assert doubt.tolist() == pytest.approx([HIGH, LOW, math.log(2.5), HIGH, LOW])


MEANS = [[0.0, 0.0, 9.0, 0.0], [1.0, 1.0, 0.0, 5.0], [5.0, 5.0, 0.0, 1.0]]  # background, car, person by pixel
VARIANCES = [[LOW, LOW, HIGH, HIGH], [HIGH, LOW, LOW, LOW], [LOW, LOW, LOW, LOW]]


def test_any_classs_variance_flips_the_literal_label_towards_the_output():
    flips, labels, doubt = ask(predictor("ce_bootstrap", "paper", MEANS + VARIANCES), [1, 1, 1, 1], [1, 1, 1, 1])
    assert flips.tolist() == [1, 0, 1, 0]  # the last is above tau, but its output is its label
    assert labels == [2, 1, 0, 1]
    assert doubt.tolist() == pytest.approx([HIGH, LOW, HIGH, HIGH])


def test_the_labels_own_variance_may_trigger_and_the_stable_recipes_cap_decides():
    network = predictor("ce_bootstrap", "stable", MEANS + VARIANCES, trigger="target")
    flips, labels, doubt = ask(network, [1, 1, 1, 1], [1, 1, 1, 1])
    assert doubt.tolist() == pytest.approx(VARIANCES[1])
    assert flips.tolist() == [
        1,
        0,
        0,
        0,
    ]  # of four pixels two may flip, those of the lowest margin: the first and third
    assert labels == [2, 1, 1, 1]


def test_the_variance_of_regression_is_its_one():
    network = predictor("regression", None, [[0.2, 0.8], [1.5, 0.0]])
    prediction = network(torch.zeros(1, 1, 2, 3, dtype=torch.uint8))
    assert network.doubt(prediction, torch.tensor([[[1, 0]]])).flatten().tolist() == pytest.approx([1.5, 0.0])
    with pytest.raises(ValueError, match="flips nothing"):
        network.flips(prediction, torch.tensor([[[1, 0]]]), torch.tensor([[[1, 0]]]))
