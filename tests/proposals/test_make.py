"""The folder of proposals of a packed folder."""

import json
from pathlib import Path

import numpy as np
import pytest

from stages import arrays, paths
from stages.arrays import open_packed
from stages.errors import UserError
from stages.proposals import crf, files, grabcut, make
from stages.proposals.boxes import packed_boxes
from tests.predict.trained import write_project


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A project with synthetic scenes, packed, and their proposals."""
    root = write_project(tmp_path_factory.mktemp("project"))
    make.make(paths.packed("synthetic", root), paths.proposals("synthetic", root), workers=1)
    return root


def test_each_method_labels_each_training_image(made):
    packed = open_packed(paths.packed("synthetic", made))
    folder = paths.proposals("synthetic", made)
    for name in ("grabcut", "crf", "crf_chosen"):
        maps = files.read(folder, name, packed)
        assert maps.shape == packed.train.images.shape[:3]
        assert not maps[np.asarray(packed.train.indices("one")) == 0].any()
    boxes, image = packed_boxes(packed, "one", 3), packed.train.images[3]
    assert np.array_equal(files.read(folder, "grabcut", packed)[3], grabcut.refine(image, boxes))
    assert np.array_equal(files.read(folder, "crf", packed)[3], crf.refine(image, boxes, 2))


def test_the_boxes_drawn_from_bottom_to_top_are_the_packed_target(made):
    packed = open_packed(paths.packed("synthetic", made))
    for index in range(len(packed.train)):
        drawn = np.zeros(packed.train.images.shape[1:3], np.uint8)
        for box in packed_boxes(packed, "one", index):
            drawn[box.rows, box.columns] = box.label
        assert np.array_equal(drawn, packed.train.targets("one")[index])


def test_quality_and_cost_are_written_down(made):
    packed = open_packed(paths.packed("synthetic", made))
    found = json.loads((paths.proposals("synthetic", made) / "proposals.json").read_text())
    maps = files.read(paths.proposals("synthetic", made), "crf_chosen", packed)
    masks = np.stack([arrays.task_masks(mask, 2) for mask in packed.train.masks("one")])
    inside = (np.asarray(packed.train.indices("one")) > 0) & (masks != arrays.VOID)
    expected = 100 * ((masks == 1) & (maps == 1) & inside).sum() / (((masks == 1) | (maps == 1)) & inside).sum()
    assert found["crf_chosen"]["iou"] == pytest.approx(expected, abs=0.01)
    assert all(found[name]["seconds"] > 0 for name in ("grabcut", "crf", "crf_chosen")) and found["memory"] > 0
    assert found["crf_chosen"]["parameters"]["trials"] == len(make.TRIALS) == 8
    assert found["crf_chosen"]["choosing"] > 0 and "choosing" not in found["crf"]


def test_the_parameters_are_those_that_agree_best_with_the_masks_of_pixel_perfect_images(made):
    folder = paths.packed("synthetic", made)
    packed = open_packed(folder)
    chosen, count, seconds = make.choose(packed, folder, 1)
    known = arrays.pools(packed, make.MASKED)[0]
    scores = [
        make.iou(packed, known, np.stack([make.by_crf(folder, settings, int(i))[0] for i in known]))
        for settings in make.TRIALS
    ]
    assert chosen == make.TRIALS[int(np.argmax(scores))]
    assert count == len(make.TRIALS) and seconds > 0


@pytest.mark.parametrize("broken", ["absent", "short", "other"])
def test_broken_proposals_are_one_line(made, tmp_path, broken):
    packed = open_packed(paths.packed("synthetic", made))
    (tmp_path / "proposals.json").write_text("{}")
    if broken == "short":
        (tmp_path / "crf.npy").write_bytes(b"\x93NUMPY")
    if broken == "other":
        np.save(tmp_path / "crf.npy", np.zeros((2, 3, 4), np.uint8))
    with pytest.raises(UserError, match=r"crf\.npy: .*; make it again with `dvc repro --force proposals`$"):
        files.read(tmp_path, "crf", packed)
