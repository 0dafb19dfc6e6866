"""What makes a step fast leaves its result alone: memory format and bf16 against plain fp32, batches against loops.

`benchmarks.fast_path` compares whole trainings; here, that it compares what it says.
"""

import numpy as np
import pytest
import torch

from benchmarks import fast_path
from stages import arrays
from stages.params import UserError
from stages.train import batches, loop

ROWS = ["bce-500-2280", "regression-all-500-2280", "bootstrap-500-2280-stable", "ce-500-2280", "ce-bootstrap-500-2280"]
TOLERANCE = {torch.float32: (1e-5, 1e-4), torch.bfloat16: (0.02, 0.08)}
"""Largest relative difference of a loss, and of a gradient's norm (of the difference, over all parameters)."""


def step_of(settings, packed, row: str, precision, monkeypatch, plain: bool) -> tuple[float, torch.Tensor]:
    """Loss and gradient of the first batch, batch norm and dropout frozen."""
    monkeypatch.setattr(loop, "precision", lambda _: precision)
    pp, box = arrays.pools(packed, settings.rows[row])
    run = loop.describe(settings, row, 0, packed, pp, box)
    trainer = loop.Trainer(packed, settings.rows[row], run, pp, box, torch.device("cpu"))
    if plain:
        trainer.network.to(memory_format=torch.contiguous_format)
    trainer.network.eval()
    trainer.network.head.bias.data.clamp_(min=0)  # at the best constant a gradient is a small difference of large ones
    trainer.network.train = lambda mode=True: trainer.network
    trainer.optimiser.step = trainer.schedule.step = lambda: None
    _, terms = trainer.advance(*trainer.batches[0])
    return terms["loss"].item(), torch.cat([p.grad.flatten() for p in trainer.network.parameters()])


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("precision", TOLERANCE)
def test_losses_and_gradients_are_those_of_plain_fp32(settings, packed, row, precision, monkeypatch):
    expected_loss, expected = step_of(settings, packed, row, torch.float32, monkeypatch, plain=True)
    loss, gradient = step_of(settings, packed, row, precision, monkeypatch, plain=False)
    of_loss, of_gradient = TOLERANCE[precision]
    assert loss == pytest.approx(expected_loss, rel=of_loss)
    assert (gradient - expected).norm() <= of_gradient * expected.norm()
    assert expected.norm() > 0


@pytest.mark.parametrize("held", [True, False])
def test_a_batch_is_what_a_loop_over_its_draws_makes(settings, packed, held, monkeypatch):
    """The gathers of `Batches` against one image at a time, from arrays put on the device and from memory maps."""
    monkeypatch.setattr(batches, "_fits", lambda *_: held)
    row = settings.rows["ce-500-2280"]
    pp, box = arrays.pools(packed, row)
    drawn = batches.plan(pp, box, steps=5, batch_size=6, seed=1, flip=0.5, pp_chance=0.5)
    made, split = batches.Batches(packed, row, pp, drawn, torch.device("cpu")), packed.train
    for step in range(5):
        images, labels = made[step]
        for place, (index, clean, mirrored) in enumerate(
            zip(drawn.image[step], drawn.pixel_perfect[step], drawn.mirrored[step], strict=True)
        ):
            target = split.masks[index] if clean else split.targets("car-person")[index]
            number = np.zeros_like(target) if clean else split.indices("car-person")[index]
            way = slice(None, None, -1 if mirrored else 1)
            np.testing.assert_array_equal(images[place], split.images[index][:, way])
            np.testing.assert_array_equal(labels.target[place], target[:, way])
            np.testing.assert_array_equal(labels.box[place], number[:, way])


def test_the_plain_path_is_fp32_in_contiguous_memory_and_the_fast_one_is_what_training_takes(
    settings, packed, monkeypatch
):
    monkeypatch.setattr(loop, "precision", lambda _: torch.bfloat16)
    met = []

    def fit(trainer, label):
        weights = list(trainer.network.parameters())
        met.append((trainer.precision, all(weight.is_contiguous() for weight in weights)))

    monkeypatch.setattr(loop.Trainer, "fit", fit)
    (pair,) = fast_path.both(settings, packed, "bce-500", [3], torch.device("cpu"))
    assert met == [(torch.bfloat16, False), (torch.float32, True)]
    assert pair[0] == pytest.approx(pair[1], abs=0.5)  # the same start, since nothing was trained


def test_a_training_ends_with_the_iou_of_its_network(settings, packed):
    pair = next(fast_path.both(settings, packed, "bce-500", [0], torch.device("cpu")))
    assert all(0 <= value <= 100 for value in pair)


def test_the_difference_is_paired_by_seed():
    (line,) = fast_path.table({"row": [(60.0, 59.0), (70.0, 70.0), (50.0, 48.0)]}).splitlines()[1:]
    assert line.split() == ["row", "60.00", "±", "10.00", "59.00", "±", "11.00", "+1.00", "[-1.48,", "3.48]", "3"]


def test_without_bf16_units_there_is_nothing_to_compare(monkeypatch):
    monkeypatch.setattr(fast_path, "precision", lambda _: torch.float32)
    monkeypatch.setattr("sys.argv", ["fast_path"])
    with pytest.raises(UserError, match="has no bf16 units"):
        fast_path.main()


def test_a_row_that_is_none_is_one_line(monkeypatch):
    monkeypatch.setattr("sys.argv", ["fast_path", "--rows", "none"])
    with pytest.raises(UserError, match="^--row none: no such row"):
        fast_path.main()
