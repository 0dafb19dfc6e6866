"""IoU against counts made by hand and against Cityscapes' own evaluator."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from stages.evaluate.iou import class_iou, confusion_matrix, mean_iou

VOID_ID, ROAD_ID, PERSON_ID, CAR_ID = 4, 7, 24, 26  # Cityscapes' label ids; 4 (static) is ignored by its evaluator


def test_hand_made_example():
    target = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 255, 255]])
    output = torch.tensor([[0, 1, 1, 1], [0, 0, 0, 1], [2, 1, 1, 2]])
    confusion = confusion_matrix(output, target, 3)
    assert confusion.tolist() == [[3, 1, 0], [1, 3, 0], [0, 1, 1]]
    assert confusion.dtype == torch.int64
    assert class_iou(confusion) == pytest.approx([100 * 3 / 5, 100 * 3 / 6, 100 * 1 / 2])
    assert mean_iou(confusion) == pytest.approx(100 * (3 / 5 + 1 / 2 + 1 / 2) / 3)


def _scenes(n, seed):
    """n pairs of (truth, output), (48, 64) label maps with large regions, 255 void."""
    rng = np.random.default_rng(seed)

    def coarse():
        classes = rng.choice(3, (6, 8), p=(0.7, 0.2, 0.1))
        return classes.repeat(8, axis=0).repeat(8, axis=1)

    for _ in range(n):
        truth = coarse()
        output = np.where(rng.random(truth.shape) < 0.7, truth, coarse())
        truth[rng.random(truth.shape) < 0.1] = 255
        yield truth, output


def test_agrees_with_the_evaluator_of_cityscapes(tmp_path, monkeypatch):
    evaluator = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    confusion = torch.zeros(3, 3, dtype=torch.int64)
    files = {"truth": [], "output": []}
    label_id = np.full(256, VOID_ID, np.uint8)
    label_id[:3] = ROAD_ID, CAR_ID, PERSON_ID
    for i, (truth, output) in enumerate(_scenes(5, seed=0)):
        confusion += confusion_matrix(torch.from_numpy(output), torch.from_numpy(truth), 3)
        for kind, classes in (("truth", truth), ("output", output)):
            files[kind].append(str(tmp_path / f"{kind}-{i}.png"))
            Image.fromarray(label_id[classes]).save(files[kind][-1])

    for option in ("evalInstLevelScore", "JSONOutput"):
        monkeypatch.setattr(evaluator.args, option, False)
    monkeypatch.setattr(evaluator.args, "quiet", True)
    theirs = evaluator.evaluateImgLists(files["output"], files["truth"], evaluator.args)["classScores"]
    ours = class_iou(confusion)
    for iou, name in zip(ours, ("road", "car", "person"), strict=True):
        assert iou == pytest.approx(100 * theirs[name], abs=1e-9)
        assert 10 < iou < 95  # a comparison of perfect or empty outputs would show nothing


def test_the_whole_set_is_no_mean_of_batches():
    batches = [confusion_matrix(torch.from_numpy(o), torch.from_numpy(t), 3) for t, o in _scenes(4, seed=1)]
    whole = class_iou(sum(batches))
    pairs = list(_scenes(4, seed=1))
    at_once = confusion_matrix(
        *(torch.from_numpy(np.stack(x)) for x in ([o for _, o in pairs], [t for t, _ in pairs])), 3
    )
    assert whole == class_iou(at_once)
    assert abs(whole[2] - np.mean([class_iou(batch)[2] for batch in batches])) > 0.1


def test_void_counts_nowhere_whatever_the_output_says():
    target = torch.tensor([0, 1, 255, 255])
    one, other = (confusion_matrix(torch.tensor([0, 1, *void]), target, 2) for void in ((0, 0), (1, 0)))
    assert torch.equal(one, other)
    assert one.sum() == 2


def test_absent_class_has_no_iou_and_stays_out_of_the_mean():
    confusion = confusion_matrix(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), 3)
    iou = class_iou(confusion)
    assert math.isnan(iou[2])
    assert mean_iou(confusion) == pytest.approx(50)
    assert math.isnan(mean_iou(confusion_matrix(torch.tensor([0]), torch.tensor([255]), 2)))


def test_a_class_that_is_predicted_but_not_there_scores_zero():
    assert class_iou(confusion_matrix(torch.tensor([0, 2]), torch.tensor([0, 0]), 3))[2] == 0


@pytest.mark.parametrize(
    ("output", "target"), [([2, 0], [0, 0]), ([-1, 0], [0, 0]), ([0, 0], [2, 0]), ([0, 0], [-1, 0]), ([0], [0, 0])]
)
def test_wrong_classes_and_shapes_are_refused(output, target):
    with pytest.raises(ValueError):
        confusion_matrix(torch.tensor(output), torch.tensor(target), 2)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64])
def test_integer_types(dtype):
    output, target = torch.tensor([0, 1, 2, 2], dtype=dtype), torch.tensor([0, 1, 2, 1], dtype=dtype)
    assert confusion_matrix(output, target, 3).tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 1]]
