"""The report's first picture: the rows' own outputs, of an image that its labels choose."""

from pathlib import Path

import numpy as np
import pytest

from stages import arrays, paths
from stages.errors import UserError
from stages.figures import front, style
from stages.figures.labelled_images import LabelledImage

DATASET = "synthetic"
IMAGE, SPARE = (8, 8), 3  # pixels; background pixels that the box of image() holds


def image(box: tuple[slice, slice] | None, objects: int = 0, boxes: int = 1) -> LabelledImage:
    """An image with one box, drawn as `boxes` boxes, that holds `objects` pixels of car."""
    mask, indices = np.zeros(IMAGE, np.uint8), np.zeros(IMAGE, np.uint16)
    if box:
        inside = np.zeros(IMAGE, bool)
        inside[box] = True
        indices[inside] = 1 + np.arange(inside.sum()) % boxes
        mask[inside] = np.arange(inside.sum()) < objects
    return LabelledImage(np.zeros((*IMAGE, 3), np.uint8), (indices > 0).astype(np.uint8), indices, mask)


SQUARE = (slice(2, 6), slice(2, 6))  # 16 pixels, a quarter of the image


def test_the_image_with_the_most_background_in_its_boxes_is_chosen():
    assert front.choose([image(SQUARE, 9), image(SQUARE, 16 - SPARE), image(SQUARE, 4), image(None)]) == 2


def test_of_equals_the_first_is_chosen():
    assert front.choose([image(None), image(SQUARE, 4), image(SQUARE, 4)]) == 1


def test_a_crowd_or_a_car_that_fills_the_image_is_chosen_last():
    everywhere = (slice(0, 8), slice(0, 8))
    crowd, filled = image(SQUARE, 0, boxes=front.FEW + 1), image(everywhere, 20)
    assert filled.mask.mean() > front.LARGEST
    assert front.choose([crowd, filled, image(SQUARE, 15)]) == 2


def test_void_is_no_background():
    doubtful = image(SQUARE, 4)
    doubtful.mask[doubtful.inside & (doubtful.mask == 0)] = arrays.VOID
    assert front.choose([doubtful, image(SQUARE, 15)]) == 1


@pytest.mark.parametrize("columns", [front.WIDE, front.NARROW])
def test_the_panels_are_one_image_its_labels_and_each_rows_output(untouched: Path, columns: int):
    picture = front.draw(DATASET, 0, untouched, columns)
    panels = [axes.images[0].get_array() for axes in picture.figure.axes]
    assert [axes.get_title() for axes in picture.figure.axes] == [
        "image",
        "true mask",
        "box labels",
        *front.ROWS.values(),
    ]
    split = arrays.open_packed(paths.packed(DATASET, untouched)).val
    files = {row: np.load(paths.evaluate(row, 0, untouched) / "pictures.npz") for row in front.ROWS}
    indices = files["bce-2780"]["indices"]
    k = next(k for k, i in enumerate(indices) if np.array_equal(split.images[i], panels[0]))
    np.testing.assert_array_equal(panels[2], style.class_picture(split.targets("one")[indices[k]]))
    for panel, file in zip(panels[3:], files.values(), strict=True):
        np.testing.assert_array_equal(panel, style.class_picture(file["output"][k]))


def test_the_alt_text_says_how_far_each_output_agrees_with_mask_and_boxes(project: Path):
    """One row's outputs are made the boxes themselves: the text must give them 100 % with the boxes."""
    split = arrays.open_packed(paths.packed(DATASET, project)).val
    file = paths.evaluate("bce-500-2280", 0, project) / "pictures.npz"
    saved = dict(np.load(file))
    saved["output"] = np.stack([split.targets("one")[i] for i in saved["indices"]])
    np.savez(file, **saved)
    alt = front.draw(DATASET, 0, project).alt
    said = alt.split("BCE, mixed labels: ")[1]
    assert said.split(" % with the boxes")[0].endswith(" 100")
    assert "synthetic street scenes" in alt
    assert all(f"{name}: IoU" in alt for name in front.ROWS.values())


def test_a_row_without_evaluation_is_one_clear_line(project: Path):
    (paths.evaluate("bce-500-2280", 0, project) / "pictures.npz").unlink()
    with pytest.raises(UserError, match=r"pictures\.npz"):
        front.draw(DATASET, 0, project)
