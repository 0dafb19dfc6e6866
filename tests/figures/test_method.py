"""The method in one picture: the last snapshot of the images whose boxes are largest."""

from pathlib import Path

import numpy as np
import pytest

from stages import arrays, paths
from stages.errors import UserError
from stages.figures import method, style

DATASET, ROW = "synthetic", "bootstrap-500-2280-stable"


def test_each_line_shows_one_image_from_box_label_to_true_mask(untouched: Path):
    picture = method.draw(ROW, DATASET, 0, count=2, root=untouched)
    panels = [axes.images[0].get_array() for axes in picture.figure.axes if axes.images]
    assert len(panels) == 2 * len(method.COLUMNS)
    split = arrays.open_packed(paths.packed(DATASET, untouched)).train
    saved = np.load(paths.train(ROW, 0, untouched) / "snapshots.npz")
    areas = [int((split.targets("one")[i] == 1).sum()) for i in saved["indices"]]
    for line, k in enumerate(sorted(sorted(range(len(areas)), key=lambda k: -areas[k])[:2])):
        index = saved["indices"][k]
        shown = panels[line * len(method.COLUMNS) :]
        truth = np.where(np.isin(split.masks("few")[index], (0, 1, arrays.VOID)), split.masks("few")[index], 0)
        np.testing.assert_array_equal(shown[0], split.images[index])
        np.testing.assert_array_equal(shown[1], style.class_picture(split.targets("one")[index]))
        np.testing.assert_array_equal(shown[2], saved["label_flip"][-1, k])
        np.testing.assert_array_equal(shown[3], style.class_picture(saved["output"][-1, k]))
        np.testing.assert_array_equal(shown[4], style.class_picture(truth))


def test_the_alt_text_names_dataset_and_columns(untouched: Path):
    alt = method.draw(ROW, DATASET, 0, count=1, root=untouched).alt
    assert alt.startswith("1 training image")
    for word in ("synthetic street scenes", "box labels", "1 − W", "output", "true mask"):
        assert word in alt


def test_a_run_of_another_dataset_is_refused(untouched: Path):
    with pytest.raises(UserError, match="camvid"):
        method.draw(ROW, "camvid", 0, root=untouched)


def test_missing_snapshots_are_one_clear_line(project: Path):
    (paths.train(ROW, 0, project) / "snapshots.npz").unlink()
    with pytest.raises(UserError, match=r"snapshots\.npz is missing"):
        method.draw(ROW, DATASET, 0, root=project)
