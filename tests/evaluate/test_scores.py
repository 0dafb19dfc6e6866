"""One run's measurements against slow loops over pixels."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu

from stages.arrays import pools
from stages.config import Row
from stages.evaluate import scores
from stages.evaluate.pictures import choose_pictures
from stages.evaluate.scores import evaluate, image_iou
from tests.two_classes import CLASSES

CPU = torch.device("cpu")
BOOTSTRAP = Row(classes="one", loss="bootstrap", pp=500, box=2280, recipe="paper")
CE_BOOTSTRAP = Row(classes="few", loss="ce_bootstrap", pp=500, box=2280, recipe="stable")
FULL = Row(classes="one", loss="bce", pp=2780, box=0)
MIXED = Row(classes="few", loss="ce", pp=500, box=2280)
BOXES = Row(classes="one", loss="bce", pp=0, box=2780)


@pytest.fixture
def metrics_of(pretend):
    return lambda packed, row: evaluate(pretend(row), packed, CPU)[0]


@pytest.mark.parametrize("row", [FULL, MIXED], ids=["binary", "multi-class"])
def test_iou_of_the_whole_validation_set(make_packed, metrics_of, row):
    classes = CLASSES.names(row.classes)
    n_classes = len(classes)
    packed = make_packed(n_classes)
    metrics = metrics_of(packed, row)
    confusion = np.zeros((n_classes, n_classes), int)
    for mask, image in zip(packed.val.masks("few"), packed.val.images, strict=True):
        for truth, said in zip(mask.ravel(), image[..., 0].ravel(), strict=True):
            if truth != 255:
                confusion[truth if truth < n_classes else 0, said] += 1  # a person is background to a binary row
    assert metrics["confusion"] == confusion.tolist()
    ious = [
        100 * confusion[c, c] / (confusion[c].sum() + confusion[:, c].sum() - confusion[c, c]) for c in range(n_classes)
    ]
    assert metrics["iou"] == pytest.approx(dict(zip(classes, ious, strict=True)))
    assert metrics["mean_iou"] == pytest.approx(np.mean(ious))
    assert metrics["n_images"] == 20


def test_each_part_of_the_validation_set_is_judged_by_itself(make_packed, metrics_of):
    whole = make_packed(2)
    named = tuple("val" if k < 7 else "test" for k in range(20))
    metrics = metrics_of(replace(whole, contents=replace(whole.contents, val_parts=named)), FULL)
    assert {part: found["n_images"] for part, found in metrics["parts"].items()} == {"val": 7, "test": 13}
    truth, said = whole.val.masks("one")[7:] == 1, whole.val.images[7:, ..., 0] == 1
    judged = whole.val.masks("one")[7:] != 255
    iou = 100 * (truth & said & judged).sum() / ((truth | said) & judged).sum()
    assert metrics["parts"]["test"]["iou"]["car"] == pytest.approx(iou)
    assert metrics_of(whole, FULL)["parts"] == {}


def _slow_rates(packed, row, is_found, only=None):
    """Counts over the pixels of the row's box images, one by one; the first 2 of 10 in pp_order are pixel-perfect."""
    counts = {(wrong, found): 0 for wrong in (False, True) for found in (False, True)}
    for i in packed.pp_order[2:]:
        for y, x in np.ndindex(*packed.train.masks("few").shape[1:]):
            target, truth = int(packed.train.targets(row.classes)[i, y, x]), int(packed.train.masks("few")[i, y, x])
            if target == 0 or truth == 255 or (only and target != only):
                continue
            wrong = truth != target if row.classes == "few" else truth != 1
            counts[wrong, bool(is_found(target, *packed.train.images[i, y, x]))] += 1
    found = counts[True, True] + counts[False, True]
    wrong = counts[True, True] + counts[True, False]
    return {
        "precision": 100 * counts[True, True] / found,
        "recall": 100 * counts[True, True] / wrong,
        "false_flip_rate": 100 * counts[False, True] / (counts[False, True] + counts[False, False]),
        "share_wrong": 100 * wrong / sum(counts.values()),
        "share_found": 100 * found / sum(counts.values()),
    }


@pytest.mark.parametrize("row", [BOOTSTRAP, CE_BOOTSTRAP], ids=["binary", "multi-class"])
def test_flips_and_contradictions_against_a_slow_loop(make_packed, metrics_of, row):
    packed = make_packed(len(CLASSES.names(row.classes)))
    metrics = metrics_of(packed, row)
    ways = {
        "label_flips": lambda target, said, flip, _: flip > 50,
        "contradictions": lambda target, said, *_: said != target,
    }
    for key, is_found in ways.items():
        classes = metrics[key].pop("classes")
        assert metrics[key] == pytest.approx(_slow_rates(packed, row, is_found))
        for c, name in enumerate(CLASSES.of_boxes(row.classes), start=1):
            assert classes[name] == pytest.approx(_slow_rates(packed, row, is_found, only=c))


def test_rows_without_boxes_or_without_bootstrapping_have_no_rates(make_packed, metrics_of):
    packed = make_packed(2)
    assert metrics_of(packed, FULL)["label_flips"] is None
    assert metrics_of(packed, FULL)["contradictions"] is None
    assert metrics_of(packed, MIXED)["label_flips"] is None
    assert metrics_of(packed, MIXED)["contradictions"]["share_wrong"] > 10
    assert metrics_of(packed, BOXES)["contradictions"]["share_wrong"] > 10


def test_an_output_of_boxes_is_rectangular(make_packed, metrics_of):
    packed = make_packed(lambda entry: entry["targets-one"])
    shape = metrics_of(packed, BOXES)["rectangularity"]
    assert shape["iou_with_boxes"] == 100
    assert shape["iou_with_masks"] < 95
    assert shape["extent"] == shape["extent_boxes"] > shape["extent_masks"]


def test_an_output_of_masks_is_not(make_packed, metrics_of):
    packed = make_packed(lambda entry: np.where(entry["masks"] == 255, 0, entry["masks"]))
    metrics = metrics_of(packed, MIXED)
    shape = metrics["rectangularity"]
    assert metrics["mean_iou"] == shape["iou_with_masks"] == 100
    assert shape["iou_with_boxes"] < 95
    assert shape["extent"] == shape["extent_masks"] < shape["extent_boxes"]
    assert metrics["contradictions"]["precision"] == metrics["contradictions"]["recall"] == 100


def test_an_empty_output_has_no_extent(make_packed, metrics_of):
    packed = make_packed(lambda entry: 0 * entry["masks"])
    metrics = metrics_of(packed, FULL)
    assert metrics["iou"]["car"] == 0
    assert metrics["rectangularity"]["extent"] is None


def test_what_is_said_of_void_changes_nothing(make_packed, metrics_of, tmp_path):
    def with_void(say):
        return lambda entry: np.where(entry["masks"] == 255, say, entry["targets-one"])

    quiet, loud = (make_packed(with_void(say), tmp_path / str(say)) for say in (0, 1))
    assert metrics_of(quiet, BOOTSTRAP) == metrics_of(loud, BOOTSTRAP)


def test_the_size_of_batches_changes_nothing(make_packed, metrics_of, monkeypatch):
    packed = make_packed(3)
    whole = metrics_of(packed, CE_BOOTSTRAP)
    monkeypatch.setattr(scores, "BATCH", 3)
    assert metrics_of(packed, CE_BOOTSTRAP) == whole


def test_pictures_are_those_of_the_chosen_images(make_packed, pretend):
    packed = make_packed(3)
    _, pictures = evaluate(pretend(CE_BOOTSTRAP), packed, CPU)
    images = packed.val.images[choose_pictures(packed.val.masks("few"))]
    assert pictures["indices"].tolist() == choose_pictures(packed.val.masks("few")).tolist()
    assert pictures["output"].dtype == np.uint8 and np.array_equal(pictures["output"], images[..., 0])
    assert pictures["mean"].dtype == np.float16 and pictures["mean"].shape == (6, 3, 32, 48)
    assert np.array_equal(pictures["mean"][:, 0], images[..., 2])
    assert pictures["variance"].max() == np.finfo(np.float16).max  # 1e8 does not fit and stays finite
    _, pictures = evaluate(pretend(MIXED, variance=False), packed, CPU)
    assert set(pictures) == {"indices", "mean", "output", "image_iou", "worst_indices", "worst_output"}


def test_the_iou_of_an_image_is_the_mean_over_its_classes_with_boxes():
    truth = np.array([[1, 1, 2, 0, 255], [3, 3, 0, 0, 0]])
    output = np.array([[1, 0, 2, 2, 255], [0, 0, 0, 0, 0]])
    assert image_iou(output, truth, 3) == pytest.approx(50)  # 1 of 2 of either class; class 3 has no boxes
    assert image_iou(output, truth, 4) == pytest.approx(100 / 3)
    assert np.isnan(image_iou(np.zeros((2, 2), int), np.full((2, 2), 255), 3))


def test_the_worst_images_come_first_with_their_outputs(make_packed, pretend):
    packed = make_packed(2)
    _, pictures = evaluate(pretend(BOOTSTRAP), packed, torch.device("cpu"))
    masks = np.where(packed.val.masks("few") == 2, 0, packed.val.masks("few"))
    outputs = np.where(masks == 255, 255, packed.val.images[..., 0])
    ious = [image_iou(output, mask, 2) for output, mask in zip(outputs, masks, strict=True)]
    assert pictures["image_iou"] == pytest.approx(ious)
    assert pictures["worst_indices"].tolist() == np.argsort(ious)[:6].tolist()
    np.testing.assert_array_equal(pictures["worst_output"], packed.val.images[pictures["worst_indices"]][..., 0])


@pytest.mark.parametrize("row", [BOOTSTRAP, BOXES])
def test_how_well_the_mean_tells_wrong_labels_is_the_rank_statistic(make_packed, metrics_of, row):
    """Blue holds the logit: wrong labels should have a lower one."""
    packed = make_packed(2)
    _, box = pools(packed, row)
    targets, masks = packed.train.targets("one")[box], packed.train.masks("one")[box]
    counted = (targets > 0) & (masks != 255)
    logit = packed.train.images[box][..., 2][counted].astype(int)
    wrong = masks[counted] != 1
    u = mannwhitneyu(-logit[wrong], -logit[~wrong]).statistic
    assert metrics_of(packed, row)["auroc_mean"] == pytest.approx(u / (wrong.sum() * (~wrong).sum()))


def test_without_boxes_the_mean_tells_nothing(make_packed, metrics_of):
    assert metrics_of(make_packed(2), FULL)["auroc_mean"] is None
