"""What only a CUDA device can show: that it computes what the CPU does, and that a recorded step is the same step."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import train_step
from stages import arrays
from stages.params import Settings
from stages.train import objectives
from stages.train.batches import Batches, plan
from stages.train.loop import Trainer, describe
from stages.train.model import build, flipper_of, normalise
from stages.train.objectives import Supervision, objective
from stages.train.recipes import recipe_of

pytestmark = pytest.mark.gpu

ROWS = train_step.ROWS
STEPS = 200


@pytest.fixture(scope="module")
def settings() -> Settings:
    return train_step.settings_for((1024, 512), 8, 1.0, "cuda", 16)


@pytest.fixture(scope="module")
def packed(settings, tmp_path_factory) -> arrays.Packed:
    """16 drawn scenes at 1024x512."""
    return train_step.draw(settings, Path(tmp_path_factory.mktemp("scenes")))


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def trainer(settings: Settings, packed: arrays.Packed, name: str, engine: str, steps: int = STEPS) -> Trainer:
    settings = replace(settings, params=settings.params.model_copy(update={"steps": steps}))
    row = settings.rows[name]
    pp, box = arrays.pools(packed, row)
    run = describe(settings, name, 0, packed, pp, box)
    return Trainer(packed, row, run, pp, box, torch.device("cuda"), engine=engine)


@pytest.mark.parametrize("name", ROWS)
def test_cpu_and_gpu_agree_on_the_loss_of_one_batch(name, packed, settings, monkeypatch):
    """fp32, TF32 off, dropout off; the multi-class noise is drawn on the CPU for both."""
    row = settings.rows[name]
    pp, box = arrays.pools(packed, row)
    drawn = plan(pp, box, steps=1, batch_size=2, seed=0)
    images, labels = Batches(packed, row, pp, drawn, torch.device("cpu"))[0]
    labels = replace(labels, room=int((labels.box > 0).sum()) + 100)
    torch.manual_seed(0)
    network = build(row, 1, 2.5, (0.9, 0.06, 0.04)).eval()
    loss = objective(row, recipe_of(row), flipper_of(row, {"tau": 2.5, "temperature": 0.2}, (1.0, 0.7, 0.6)), 20)
    threads, draw = torch.get_num_threads(), torch.randn
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    monkeypatch.setattr(objectives.torch, "randn", lambda shape, dtype, device: draw(shape, dtype=dtype).to(device))
    totals = []
    for device in ("cpu", "cuda"):
        moved = Supervision(*(x.to(device) for x in (labels.target, labels.box, labels.pixel_perfect)), labels.room)
        torch.manual_seed(1)
        with torch.no_grad():
            totals.append(loss(network.to(device)(normalise(images.to(device))), moved).total.item())
    torch.set_num_threads(threads)
    assert totals[1] == pytest.approx(totals[0], rel=1e-4)


@pytest.mark.parametrize("engine", ["eager", "graph"])
@pytest.mark.parametrize("name", ROWS)
def test_every_kind_of_row_learns(name, engine, packed, settings):
    training = trainer(settings, packed, name, engine)
    training.fit(name)
    losses = [line["loss"] for line in training.history]
    assert np.isfinite(losses).all()
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:2])


@pytest.mark.parametrize("name", ["bce-500-2280", "bootstrap-500-2280-stable", "ce-bootstrap-500-2280-stable"])
def test_a_recorded_step_is_the_step_itself(name, packed, settings):
    """The same steps in fp32: losses differ by what sums in another order make of them."""
    curves = {}
    for engine in ("eager", "graph"):
        training = trainer(settings, packed, name, engine)
        training.precision = torch.float32
        terms = [training.advance(*training.batches[step])[1]["loss"].item() for step in _counted(training, 12)]
        curves[engine] = terms
    np.testing.assert_allclose(curves["graph"], curves["eager"], rtol=5e-3)
    assert len(set(curves["graph"])) == 12


def _counted(training: Trainer, steps: int):
    for step in range(steps):
        training.step = step
        yield step


@pytest.mark.parametrize("engine", ["eager", "graph"])
def test_a_training_that_stops_goes_on_with_what_it_knew(engine, packed, settings, tmp_path):
    """A resumed recording starts from the saved weights, optimiser and rate, whichever engine saved them."""
    from stages.train.checkpoints import checkpoint

    with checkpoint(tmp_path / "run") as saved:
        first = trainer(settings, packed, "bce-500-2280", engine, steps=40)
        first._saved = saved
        for step in _counted(first, 20):
            first.advance(*first.batches[step])
        first.step = 20
        first._save()
        row = settings.rows["bce-500-2280"]
        pp, box = arrays.pools(packed, row)
        second = Trainer(packed, row, first.run, pp, box, torch.device("cuda"), saved, engine="graph")
    assert second.resumed == 1
    for training in (first, second):
        for step in range(20, 40):
            training.step = step
            training.advance(*training.batches[step])
    rates = [float(training.optimiser.param_groups[0]["lr"]) for training in (first, second)]
    assert rates[0] == pytest.approx(rates[1], abs=1e-9)
    a, b = (torch.cat([p.flatten() for p in training.network.parameters()]) for training in (first, second))
    assert (a - b).norm() < 0.05 * a.norm()
