"""Labels by a network that was trained before."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stages import config, paths
from stages.config import Row
from stages.model.predictor import Prediction
from stages.train import loop, rounds
from stages.train.distributed import Ranks
from stages.train.rounds import cleaned, put_back, ranked, taught
from tests.train.tiny import hyperparameters

CPU = torch.device("cpu")


class Teacher:
    """What `Predictor` does of a fixed mean: brightness decides."""

    def __init__(self, row: Row, middle: float = 128):
        self.chosen, self.middle = hyperparameters(row), middle

    def __call__(self, images: torch.Tensor) -> Prediction:
        mean = (images.float().mean(dim=-1, keepdim=True) - self.middle).movedim(-1, 1) / 32
        return Prediction(mean, None, (mean[:, 0] > 0).long())


def job_of(project: Path, labels: str, **row) -> loop.Job:
    settings = config.load(project)
    changed = settings.rows["bce-500-2280"].model_copy(update={"labels": labels} | row)
    return loop.prepare(replace(settings, rows=settings.rows | {"bce-500-2280": changed}), "bce-500-2280", 0, project)


def test_self_training_labels_the_best_share_of_each_box_by_the_fill_rate(project: Path):
    job = job_of(project, "self_training")
    packed, row = job.packed, job.chosen.row
    labels = ranked(Teacher(row), packed, row, job.pp, job.box)
    rate = rounds.fill_rate(packed, row, job.pp)[1]
    assert 0 < rate < 1
    for found, index in zip(labels, job.box, strict=True):
        numbers = packed.train.indices("one")[index]
        bright = packed.train.images[index].mean(axis=-1)
        assert not found[numbers == 0].any()
        for number in np.unique(numbers[numbers > 0]):
            of_box = numbers == number
            kept = found[of_box] == 1
            assert kept.sum() == of_box.sum() - int((1 - rate) * of_box.sum() + 1e-4)
            if kept.any() and not kept.all():
                assert bright[of_box][kept].min() >= bright[of_box][~kept].max() - 1e-3


def test_the_clean_up_of_recursive_training(project: Path):
    job = job_of(project, "recursive", pp=0, box=2780)
    settings = rounds.crf.Settings(colour_range=30.0, iterations=3)
    labels, smoothed = cleaned(Teacher(job.chosen.row, 64), job.packed, job.box, settings), 0
    for found, index in zip(labels, job.box, strict=True):
        numbers, target = job.packed.train.indices("one")[index], job.packed.train.targets("one")[index]
        image = np.array(job.packed.train.images[index])
        mean = Teacher(job.chosen.row, 64)(torch.from_numpy(image[None])).mean[0, 0].double().numpy()
        cost = np.stack([np.zeros_like(mean), -mean], axis=-1)
        cost[numbers == 0] = 0, rounds.crf.SURE
        inside = numbers > 0
        q = rounds.crf.mean_field(image, cost.reshape(-1, 2), settings).argmax(axis=1).reshape(mean.shape) * inside
        assert np.array_equal(found, put_back(q.astype(np.uint8), numbers, target))
        smoothed += int((q != (mean > 0) * inside).sum())
        assert not found[numbers == 0].any()
        for number in np.unique(numbers[numbers > 0]):
            of_box = numbers == number
            assert (found[of_box] == target[of_box]).mean() >= 0.5
    assert smoothed > 0 and not np.array_equal(labels, job.packed.train.targets("one")[job.box])


def test_a_box_of_which_too_little_is_left_is_whole_again():
    numbers = np.array([[1, 1, 2, 2], [1, 1, 2, 2], [0, 0, 0, 0]])
    target = np.where(numbers > 0, 1, 0).astype(np.uint8)
    labels = np.array([[1, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]], np.uint8)  # a quarter of box 1, half of box 2
    assert put_back(labels, numbers, target).tolist() == [[1, 1, 1, 0], [1, 1, 0, 1], [0, 0, 0, 0]]


def test_the_teacher_is_the_training_on_the_masks_alone(project: Path, monkeypatch):
    job, seen = job_of(project, "self_training"), []
    fit = rounds._fit
    monkeypatch.setattr(rounds, "_fit", lambda *args: seen.append(fit(*args)) or seen[-1])
    last = taught(job, CPU, None, Ranks(), "a row", shown=False)
    alone = loop.Trainer(loop.prepare(config.load(project), "bce-500", 0, project), CPU)
    alone.fit("alone", shown=False)
    (teacher,) = seen
    for name, value in alone.network.state_dict().items():
        assert torch.equal(value, teacher.network.state_dict()[name]), name
    assert last.start is None and last.chosen.steps == job.chosen.steps == last.earlier_steps
    assert last.seconds > teacher.seconds > 0  # and those of the labels
    assert not np.array_equal(last.proposals[job.box], job.packed.train.targets("one")[job.box])


def test_recursive_training_has_three_rounds_of_the_rows_steps_together(project: Path, monkeypatch):
    job, seen = job_of(project, "recursive", pp=0, box=2780), []
    fit = rounds._fit
    monkeypatch.setattr(rounds, "_fit", lambda *args: seen.append((args[0], fit(*args))) or seen[-1][1])
    made = []

    def labels(predictor, packed, box, settings):
        assert settings is rounds.crf.USUAL and predictor is seen[-1][1].predictor
        time.sleep(0.01)
        made.append(np.full((len(box), *packed.train.images.shape[1:3]), len(made), np.uint8))
        return made[-1]

    monkeypatch.setattr(rounds, "cleaned", labels)
    last = taught(job, CPU, None, Ranks(), "a row", shown=False)
    assert [one.chosen.steps for one, _ in seen] + [last.chosen.steps] == [4, 4, 4]
    (first, after_first), (second, after_second) = seen
    assert first.proposals is None and first.start is None
    for name, value in after_first.network.state_dict().items():
        assert torch.equal(second.start[name], value), name
    for name, value in after_second.network.state_dict().items():
        assert torch.equal(last.start[name], value), name
    assert last.earlier_steps == 8 and last.seconds >= after_second.seconds + 0.01 >= after_first.seconds + 0.02
    for one, given in zip((second, last), made, strict=True):
        assert np.array_equal(one.proposals[job.box], given)


@pytest.mark.parametrize("labels", ["self_training", "recursive"])
def test_an_interrupted_training_with_rounds_goes_on_where_it_was(project: Path, monkeypatch, labels):
    settings = config.load(project)
    counts = {"pp": 500, "box": 2280} if labels == "self_training" else {"pp": 0, "box": 2780}
    row = settings.rows["bce-500-2280"].model_copy(update={"labels": labels} | counts)
    name = "bce-500-2280"
    settings = replace(settings, rows=settings.rows | {name: row})
    whole = loop.train(settings, name, 0, project)
    files = {file: (whole / file).read_bytes() for file in ("run.json", "weights.pt", "history.jsonl")}
    monkeypatch.setattr("stages.train.trainer.CHECKPOINT_SECONDS", 0.0)
    advance, steps = loop.Trainer.advance, []

    def stop(self, *batch):
        if len(steps) == 15 - 9 * (labels == "recursive"):  # in the last round; in the second of three
            raise KeyboardInterrupt
        steps.append(1)
        return advance(self, *batch)

    monkeypatch.setattr(loop.Trainer, "advance", stop)
    with pytest.raises(KeyboardInterrupt):
        loop.train(settings, name, 0, project)
    taken = len(steps)
    steps[:] = [1] * -1000
    monkeypatch.setattr(loop.Trainer, "advance", lambda self, *batch: steps.append(1) or advance(self, *batch))
    again = loop.train(settings, name, 0, project)
    assert {file: (again / file).read_bytes() for file in files} == files
    total = 24 if labels == "self_training" else 12
    assert len(steps) == total - taken
    assert json.loads(paths.record(name, 0, project).read_text())["images_per_second"] > 0
    assert not any((paths.checkpoints(project)).glob(f"{name}-0-*"))
