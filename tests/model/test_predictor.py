"""What a trained network says of labels: flips, bootstrapped targets and the variance that is compared with tau."""

import math

import pytest
import torch
from torch import nn

from stages.config import Row
from stages.errors import UserError
from stages.model.predictor import Prediction, Predictor, flipper_of, label_margin, load
from tests.train.tiny import hyperparameters

HIGH, LOW = math.log(5.0), math.log(0.5)  # log variances on either side of tau = 2.5


class FixedOutput(nn.Module):
    """A network whose output is fixed."""

    def __init__(self, output):
        super().__init__()
        self.output = nn.Parameter(torch.tensor(output)[None, :, None, :])  # (1, channels, 1, pixels)

    def forward(self, _):
        return self.output


def predictor(loss: str, recipe: str | None, output, **overrides) -> Predictor:
    classes = "few" if loss == "ce_bootstrap" else "one"
    counts = {"pixels": "all"} if loss == "regression" else {}
    if recipe:
        overrides = {"variance": "exp"} | overrides  # the output's second half is log sigma^2
    row = Row(classes=classes, loss=loss, pp=500, box=2280, recipe=recipe, overrides=overrides, **counts)
    chosen = hyperparameters(row)
    return Predictor(FixedOutput(output), chosen, flipper_of(chosen, (1.0, 0.5, 0.5)[: len(chosen.classes)]))


def ask(network: Predictor, target, box):
    target, box = torch.tensor([[target]]), torch.tensor([[box]])
    prediction = network(torch.zeros(1, 1, target.shape[-1], 3, dtype=torch.uint8))
    flips = network.label_flips(prediction, target, box)
    return (
        flips[0, 0],
        network.relabel(prediction, target, flips)[0, 0].tolist(),
        network.label_log_variance(prediction, target)[0, 0],
    )


def test_binary_flips_are_soft_inside_boxes_and_labels_turn_where_they_pass_one_half():
    # mean, then log variance; the last two pixels lie outside of the box
    network = predictor("bootstrap", "paper", [[3.0, 3.0, -3.0, 3.0, -3.0], [HIGH, LOW, math.log(2.5), HIGH, LOW]])
    flips, labels, log_variance = ask(network, [1, 1, 1, 0, 0], [1, 1, 1, 0, 0])
    expected = [1 - 1 / (1 + math.exp(-(2.5 - variance) / 0.2)) for variance in (5.0, 0.5, 2.5)]
    assert flips.tolist() == pytest.approx([*expected, 0, 0], abs=1e-6)
    assert labels[:2] == [0, 1]
    assert labels[3:] == [0, 0]
    assert log_variance.tolist() == pytest.approx([HIGH, LOW, math.log(2.5), HIGH, LOW])


MEANS = [[0.0, 0.0, 9.0, 0.0], [1.0, 1.0, 0.0, 5.0], [5.0, 5.0, 0.0, 1.0]]  # background, car, person by pixel
VARIANCES = [[LOW, LOW, HIGH, HIGH], [HIGH, LOW, LOW, LOW], [LOW, LOW, LOW, LOW]]


def test_any_classs_variance_flips_the_literal_label_towards_the_output():
    flips, labels, log_variance = ask(predictor("ce_bootstrap", "paper", MEANS + VARIANCES), [1, 1, 1, 1], [1, 1, 1, 1])
    assert flips.tolist() == [1, 0, 1, 0]  # the last is above tau, but its output is its label
    assert labels == [2, 1, 0, 1]
    assert log_variance.tolist() == pytest.approx([HIGH, LOW, HIGH, HIGH])


def test_a_label_turns_only_to_a_class_whose_box_covers_the_pixel_where_the_recipe_says_so():
    network = predictor("ce_bootstrap", "paper", MEANS + VARIANCES, flip_to="covered")
    target, box = torch.ones(1, 1, 4, dtype=torch.int64), torch.ones(1, 1, 4, dtype=torch.int64)
    covers = torch.tensor([[[0b011, 0b111, 0b111, 0b011]]])
    prediction = network(torch.zeros(1, 1, 4, 3, dtype=torch.uint8))
    flips = network.label_flips(prediction, target, box, covers)
    assert flips[0, 0].tolist() == [0, 0, 1, 0]  # the first would be a person, whose box does not cover it
    assert network.relabel(prediction, target, flips, covers)[0, 0].tolist() == [1, 1, 0, 1]
    with pytest.raises(ValueError, match="flip_to: covered"):
        network.label_flips(prediction, target, box)


def test_the_labels_own_variance_may_trigger_and_a_cap_decides():
    network = predictor("ce_bootstrap", "paper", MEANS + VARIANCES, trigger="target", fill_cap=True)
    flips, labels, log_variance = ask(network, [1, 1, 1, 1], [1, 1, 1, 1])
    assert log_variance.tolist() == pytest.approx(VARIANCES[1])
    assert flips.tolist() == [1, 0, 0, 0]  # of four pixels two may flip, those of the lowest margin: first and third
    assert labels == [2, 1, 1, 1]


def test_each_box_of_each_image_has_its_own_cap():
    """Two images with a box of number 1 each: the cap lets one of two pixels flip in either, not two of four."""
    network = predictor("bootstrap", "paper", [[-2.0, -1.0], [HIGH, HIGH]], fill_cap=True)
    images, ones = torch.zeros(2, 1, 2, 3, dtype=torch.uint8), torch.ones(2, 1, 2, dtype=torch.int64)
    network.network.output = nn.Parameter(network.network.output.repeat(2, 1, 1, 1))
    assert (network.label_flips(network(images), ones, ones) > 0.5).tolist() == [[[True, False]]] * 2


def test_the_variance_of_regression_is_its_one():
    network = predictor("regression", None, [[0.2, 0.8], [1.5, 0.0]])
    prediction = network(torch.zeros(1, 1, 2, 3, dtype=torch.uint8))
    target = torch.tensor([[[1, 0]]])
    assert network.label_log_variance(prediction, target).flatten().tolist() == pytest.approx([1.5, 0.0])
    assert prediction.variance.flatten().tolist() == pytest.approx([math.exp(1.5), 1.0])
    with pytest.raises(ValueError, match="flips nothing"):
        network.label_flips(prediction, target, target)


def test_a_row_without_variance_has_none():
    network = predictor("bce", None, [[0.2, -0.8]])
    prediction = network(torch.zeros(1, 1, 2, 3, dtype=torch.uint8))
    assert prediction.variance is None
    assert prediction.output.flatten().tolist() == [1, 0]
    with pytest.raises(ValueError, match="has no variance"):
        network.label_log_variance(prediction, prediction.output)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "run.json: no such file; train this run first"),
        ({"run.json": "{}"}, "cannot read this run: 'settings'"),
        ({"run.json": "{"}, "cannot read this run: .*; train it again$"),
    ],
)
def test_a_folder_without_a_finished_training_is_one_line(files, message, tmp_path):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message) as error:
        load(tmp_path, torch.device("cpu"))
    assert "\n" not in str(error.value)


def test_the_margin_of_a_label_is_its_mean_against_the_best_of_the_others():
    mean = torch.tensor([[1.0, 3.0, 2.0], [0.5, -1.0, 0.0]]).view(2, 3, 1, 1)
    several = Prediction(mean, None, mean.argmax(1))
    assert label_margin(several, torch.tensor([1, 1]).view(2, 1, 1)).flatten().tolist() == [1.0, -1.5]
    one = Prediction(torch.tensor([2.0, 2.0]).view(2, 1, 1, 1), None, torch.ones(2, 1, 1))
    assert label_margin(one, torch.tensor([1, 0]).view(2, 1, 1)).flatten().tolist() == [2.0, -2.0]
