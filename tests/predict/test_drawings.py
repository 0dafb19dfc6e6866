"""The pictures that a prediction is shown as."""

import matplotlib
import numpy as np
import pytest
from PIL import Image

from stages.figures.style import SEQUENTIAL, class_picture
from stages.predict import drawings
from stages.predict.drawings import draw
from stages.predict.maps import Answer

CLASSES = ("background", "car", "person")
SHAPE = (40, 60)


@pytest.fixture
def found():
    """An answer with a block of each class and every level of variance."""
    ids = np.zeros(SHAPE, np.uint8)
    ids[:, 20:40], ids[:, 40:] = 1, 2
    level = (np.arange(ids.size) % 256).astype(np.uint8).reshape(SHAPE)
    return Answer(ids, np.ones(SHAPE, np.float16), level)


@pytest.fixture
def photograph():
    return np.repeat(np.linspace(0, 255, SHAPE[0]).astype(np.uint8)[:, None, None], SHAPE[1], 1).repeat(3, 2)


def test_the_values_and_colours_of_every_picture(found, photograph, tmp_path):
    draw(photograph, found, tmp_path / "a.b", CLASSES)
    ids = Image.open(tmp_path / "a.b.png")
    assert (ids.mode, ids.text["classes"]) == ("P", "0 background, 1 car, 2 person")
    np.testing.assert_array_equal(ids, found.classes)
    np.testing.assert_array_equal(ids.convert("RGB"), class_picture(found.classes))
    level = Image.open(tmp_path / "a.b_uncertainty.png")
    assert (level.mode, level.text["scale"]) == ("P", "variance = 10 ** (index * 4 / 255 - 2)")
    np.testing.assert_array_equal(level, found.variance)
    expected = matplotlib.colormaps[SEQUENTIAL](found.variance / 255)[..., :3] * 255
    np.testing.assert_allclose(np.array(level.convert("RGB")), expected, atol=1)


@pytest.mark.parametrize("longest", [65500, 50])
def test_the_overlay_colours_foreground_alone(found, photograph, tmp_path, monkeypatch, longest):
    monkeypatch.setattr(drawings, "LONGEST_JPEG_SIDE", longest)
    draw(photograph, found, tmp_path / "a", CLASSES)
    kind = "jpg" if longest > max(SHAPE) else "png"
    over = np.array(Image.open(tmp_path / f"a_overlay.{kind}")).astype(float)
    expected = np.where(
        found.classes[..., None] > 0, (photograph + class_picture(found.classes).astype(float)) / 2, photograph
    )
    assert np.abs(over - expected).mean() < 3
    assert np.abs(over - photograph)[:, 25:].mean() > 30


def test_without_variance_there_is_no_picture_of_it(found, photograph, tmp_path):
    draw(photograph, Answer(found.classes, found.probability), tmp_path / "a", CLASSES)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.png", "a_overlay.jpg"]
