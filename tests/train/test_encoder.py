"""An encoder that learns by itself first: from masks of pixel-perfect images alone, before the first step."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stages import config
from stages.errors import UserError
from stages.train import loop
from stages.train.encoder import pretrain
from tests.train.tiny import change

pytestmark = pytest.mark.integration
CPU = torch.device("cpu")


def chosen(project, steps: int) -> config.Settings:
    change(
        project / "configs" / "datasets.yaml",
        ("      learning_rate: 0.0015\n", f"      learning_rate: 0.0015\n      encoder_steps: {steps}\n"),
    )
    return config.load(project)


def weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items() if value.is_floating_point()}


def test_the_encoder_alone_starts_from_other_weights(project):
    plain = loop.Trainer(loop.prepare(config.load(project), "bce-500-2280", 0, project), CPU)
    ahead = loop.Trainer(loop.prepare(chosen(project, 4), "bce-500-2280", 0, project), CPU)
    before, after = weights(plain.network), weights(ahead.network)
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"encoder"}


def test_box_images_have_no_part_in_it(project):
    job = loop.prepare(chosen(project, 6), "bce-500-2280", 0, project)
    found = []
    for garbled in (False, True):
        trainer = loop.Trainer(loop.prepare(config.load(project), "bce-500-2280", 0, project), CPU)
        packed = job.packed
        if garbled:
            maps = {name: np.array(value) for name, value in packed.train.maps.items()}
            boxes = np.setdiff1d(np.arange(len(packed.train)), job.pp)
            for value in maps.values():
                value[boxes] = 1
            packed = replace(packed, train=replace(packed.train, maps=maps))
        torch.manual_seed(0)
        pretrain(trainer.network, job.chosen, packed, job.pp, 3, CPU)
        found.append(weights(trainer.network))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_a_row_without_masks_cannot_have_it(project):
    settings = chosen(project, 4)
    with pytest.raises(UserError, match="^train.encoder_steps is 4; allowed for bce-0-2780, which has no masks: 0$"):
        loop.prepare(settings, "bce-0-2780", 0, project)


def test_a_teacher_starts_as_the_network_does(project):
    settings = chosen(project, 2)
    row = settings.rows["bootstrap-500-2280-stable"]
    changed = row.model_copy(update={"overrides": row.overrides.model_copy(update={"teacher_decay": 0.9})})
    settings = config.Settings(
        settings.params, settings.profile, settings.rows | {"bootstrap-500-2280-stable": changed}
    )
    trainer = loop.Trainer(loop.prepare(settings, "bootstrap-500-2280-stable", 0, project), CPU)
    ours, theirs = weights(trainer.network), weights(trainer.teacher.network)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
