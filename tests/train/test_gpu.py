"""What only a CUDA device can show: that it computes what the CPU does, and that a captured step is the same step."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import train_step
from stages import arrays, paths
from stages.config import Settings
from stages.model import objectives
from stages.model.hyperparameters import resolve
from stages.model.network import build, normalise
from stages.model.objectives import Supervision, objective
from stages.model.predictor import flipper_of
from stages.train.batches import Batches, plan
from stages.train.checkpoints import open_checkpoint
from stages.train.cuda_graph import padded_list
from stages.train.loop import Trainer, prepare
from tests.two_classes import CLASSES

pytestmark = pytest.mark.gpu

ROWS = train_step.ROWS
STEPS = 200


@pytest.fixture(scope="module")
def settings() -> Settings:
    return train_step.settings_for((1024, 512), 8, 1.0, "cuda", 16)


@pytest.fixture(scope="module")
def root(settings, tmp_path_factory) -> Path:
    """A project's folder with 16 synthetic street scenes at 1024x512."""
    folder = Path(tmp_path_factory.mktemp("scenes"))
    train_step.draw(settings, folder)
    return folder


@pytest.fixture(scope="module")
def packed(settings, root) -> arrays.Packed:
    return arrays.open_packed(paths.packed("synthetic", root))


@pytest.fixture(autouse=True)
def exact():
    """Without TF32. pytest's monkeypatch cannot undo a change of these attributes, which are no real ones."""
    backends = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [backend.allow_tf32 for backend in backends]
    for backend in backends:
        backend.allow_tf32 = False
    yield
    for backend, value in zip(backends, before, strict=True):
        backend.allow_tf32 = value


def trainer(settings: Settings, root: Path, name: str, engine: str, steps: int = STEPS, **others) -> Trainer:
    settings = replace(settings, params=settings.params.model_copy(update={"steps": steps}))
    return Trainer(prepare(settings, name, 0, root), torch.device("cuda"), engine=engine, **others)


@pytest.mark.parametrize("name", ROWS)
def test_cpu_and_gpu_agree_on_the_loss_of_one_batch(name, packed, settings, monkeypatch):
    """fp32, TF32 off, dropout off; the multi-class noise is drawn on the CPU for both."""
    chosen = resolve(settings, name, CLASSES)
    row = chosen.row
    pp, box = arrays.pools(packed, row)
    drawn = plan(pp, box, steps=1, batch_size=2, seed=0)
    images, labels = Batches(packed, row, pp, drawn, torch.device("cpu"))[0]
    torch.manual_seed(0)
    network = build(chosen, (0.9, 0.06, 0.04)).eval()
    uncertain = labels.box > 0
    if labels.own_box_target is not None:
        uncertain = uncertain | (labels.own_box_target > 0)
    lister = padded_list(int(uncertain.sum()) + 100)
    loss = objective(chosen, flipper_of(chosen, (1.0, 0.7, 0.6)), list_pixels=lister)
    threads, draw = torch.get_num_threads(), torch.randn
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    monkeypatch.setattr(objectives.torch, "randn", lambda shape, dtype, device: draw(shape, dtype=dtype).to(device))
    totals = []
    for device in ("cpu", "cuda"):
        moved = Supervision(*(x if x is None else x.to(device) for x in vars(labels).values()))
        torch.manual_seed(1)
        with torch.no_grad():
            totals.append(loss(network.to(device)(normalise(images.to(device))), moved).total.item())
    torch.set_num_threads(threads)
    assert totals[1] == pytest.approx(totals[0], rel=1e-4)


@pytest.mark.parametrize("engine", ["eager", "graph"])
@pytest.mark.parametrize("name", ROWS)
def test_every_kind_of_row_learns(name, engine, root, settings):
    training = trainer(settings, root, name, engine)
    training.fit(name)
    losses = [line["loss"] for line in training.history]
    assert np.isfinite(losses).all()
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:2])


@pytest.mark.parametrize("name", ["bce-500-2280", "bootstrap-500-2280-stable", "ce-bootstrap-500-2280-stable"])
def test_a_captured_step_is_the_step_itself(name, root, settings):
    """The same steps in fp32: losses differ by what sums in another order make of them."""
    curves = {}
    for engine in ("eager", "graph"):
        training = trainer(settings, root, name, engine)
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
def test_a_training_that_stops_goes_on_with_what_it_knew(engine, root, settings, tmp_path):
    """A resumed captured step starts from the saved weights, optimiser and rate, whichever engine saved them."""
    with open_checkpoint(tmp_path / "run") as checkpoint:
        first = trainer(settings, root, "bce-500-2280", engine, steps=40)
        for step in _counted(first, 20):
            first.advance(*first.batches[step])
        first.step = 20
        checkpoint.save(first._state())
        second = trainer(settings, root, "bce-500-2280", "graph", steps=40, checkpoint=checkpoint)
    assert second.resumed == 1
    for training in (first, second):
        for step in range(20, 40):
            training.step = step
            training.advance(*training.batches[step])
    rates = [float(training.optimiser.param_groups[0]["lr"]) for training in (first, second)]
    assert rates[0] == pytest.approx(rates[1], abs=1e-9)
    a, b = (torch.cat([p.flatten() for p in training.network.parameters()]) for training in (first, second))
    assert (a - b).norm() < 0.05 * a.norm()
