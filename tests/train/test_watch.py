"""A look at held-out images during a training: the IoU that the evaluation gives, and nothing of it in the training."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from stages import arrays, config
from stages.config import Row
from stages.train import loop
from stages.train.watch import Watch
from tests.train.tiny import change, hyperparameters

pytestmark = pytest.mark.integration


def test_the_iou_is_over_all_images_together_without_void(packed):
    watch = Watch(packed, hyperparameters(Row(classes="one", loss="bce", pp=500, box=0)))
    masks = arrays.task_masks(packed.val.masks("one"), 2)
    rng = np.random.default_rng(0)
    output = np.where(rng.random(masks.shape) < 0.1, 1, masks == 1).astype(np.int64)
    pictures = np.asarray(packed.val.images)

    def predict(images):
        places = [int(np.flatnonzero((pictures == one.numpy()).all(axis=(1, 2, 3)))[0]) for one in images]
        return SimpleNamespace(output=torch.from_numpy(output[places]))

    known = masks != arrays.VOID
    expected = 100 * ((output == 1) & (masks == 1)).sum() / (((output == 1) & known) | (masks == 1)).sum()
    assert watch.iou(predict) == pytest.approx(expected, abs=1e-3)
    assert watch.iou(lambda images: SimpleNamespace(output=torch.zeros(images.shape[:3], dtype=torch.int64))) == 0


def test_looks_stand_in_the_history_and_change_no_weight(project):
    datasets = project / "configs" / "datasets.yaml"
    change(project / "params.yaml", ("steps: 12", "steps: 30"))
    plain = loop.train(config.load(project), "bce-500", 0, project)
    before = (plain / "weights.pt").read_bytes()
    text = datasets.read_text().replace("split: official", "split: holdout\n      val_share: 0.2", 1)
    datasets.write_text(text.replace("schedule: polynomial", "schedule: polynomial\n      watch_every: 10", 1))
    watched = loop.train(config.load(project), "bce-500", 0, project)
    assert (watched / "weights.pt").read_bytes() == before
    history = [json.loads(line) for line in (watched / "history.jsonl").read_text().splitlines()]
    assert [line["step"] for line in history if line["held_out_iou"] is not None] == [10, 20, 30]


def test_stochastic_gradient_descent_is_an_optimiser_too(project):
    change(
        project / "configs" / "datasets.yaml",
        ("      learning_rate: 0.0015\n", "      learning_rate: 0.0015\n      optimiser: sgd\n"),
    )
    settings = config.load(project)
    job = loop.prepare(settings, "bce-500", 0, project)
    optimiser = loop.Trainer(job, torch.device("cpu")).optimiser
    assert isinstance(optimiser, torch.optim.SGD) and optimiser.param_groups[0]["momentum"] == 0.9
    loop.train(settings, "bce-500", 0, project)
