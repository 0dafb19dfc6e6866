"""Whatever is wrong with a data set is named in one line."""

import numpy as np
import pytest

from stages.download.run import download
from stages.errors import UserError
from tests.download.fabricated import CAMVID, CITYSCAPES, make_camvid, make_cityscapes, save

STEM = "gtFine/train/aachen/aachen_000000_000019_gtFine"


def refused(profile, out, **environ) -> str:
    with pytest.raises(UserError) as error:
        download(profile, "dataset", out, {name: str(value) for name, value in environ.items()})
    assert "\n" not in str(error.value)
    assert not (out / "manifest.json").exists()
    return str(error.value)


@pytest.fixture
def camvid(tmp_path):
    return make_camvid(tmp_path / "camvid")


@pytest.fixture
def cityscapes(tmp_path):
    return make_cityscapes(tmp_path / "cityscapes")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_truncated_photograph(tmp_path, out, suffix):
    root = make_camvid(tmp_path / "camvid", suffix)
    path = root / "val" / f"val_000001{suffix}"
    path.write_bytes(path.read_bytes()[:-200])
    message = refused(CAMVID, out, CAMVID_ROOT=root)
    assert f"{path}: not an image, or a truncated one (" in message and "more)" not in message


def test_several_broken_files_are_counted(camvid, out):
    for name in ("train/train_000000.png", "trainannot/train_000001.png", "testannot/test_000000.png"):
        (camvid / name).write_bytes(b"no image")
    message = refused(CAMVID, out, CAMVID_ROOT=camvid)
    assert "testannot/test_000000.png: not an image" in message and message.endswith("(and 2 more)")


def test_corrupted_byte_in_labels(cityscapes, out):
    path = cityscapes / f"{STEM}_labelIds.png"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    assert str(path) in refused(CITYSCAPES, out, CITYSCAPES_DATASET=cityscapes)


def test_photograph_without_labels(camvid, out):
    (camvid / "trainannot/train_000001.png").unlink()
    message = refused(CAMVID, out, CAMVID_ROOT=camvid)
    assert "train/train_000001.png: its labels are missing" in message and "trainannot/train_000001.png" in message


def test_labels_without_photograph(camvid, out):
    (camvid / "test/test_000000.png").unlink()
    assert "testannot/test_000000.png: a label file without its image" in refused(CAMVID, out, CAMVID_ROOT=camvid)


def test_photograph_without_instance_ids(cityscapes, out):
    (cityscapes / f"{STEM}_instanceIds.png").unlink()
    message = refused(CITYSCAPES, out, CITYSCAPES_DATASET=cityscapes)
    assert "its instance ids are missing" in message and f"{STEM}_instanceIds.png" in message


def test_empty_split(cityscapes, out):
    for path in cityscapes.glob("*/val/*/*.png"):
        path.unlink()
    assert "no images of the split val" in refused(CITYSCAPES, out, CITYSCAPES_DATASET=cityscapes)


def test_the_same_photograph_twice(camvid, out):
    (camvid / "train/train_000000.jpg").write_bytes((camvid / "train/train_000000.png").read_bytes())
    assert "two images are called train_000000" in refused(CAMVID, out, CAMVID_ROOT=camvid)


@pytest.mark.parametrize("kind", ["labelIds", "instanceIds"])
def test_size_that_differs_from_the_photographs(cityscapes, out, kind):
    save(cityscapes / f"{STEM}_{kind}.png", np.zeros((8, 32), dtype=np.uint8))
    message = refused(CITYSCAPES, out, CITYSCAPES_DATASET=cityscapes)
    assert f"{STEM}_{kind}.png: 32x8 pixels, but its image has 32x16" in message


@pytest.mark.parametrize("value", [12, 255])
def test_unknown_label_id(camvid, out, value):
    save(camvid / "valannot/val_000000.png", np.full((24, 32), value, dtype=np.uint8))
    message = refused(CAMVID, out, CAMVID_ROOT=camvid)
    assert f"val_000000.png: unknown label id {value}; allowed: 0 to 11" in message


@pytest.mark.parametrize("value", [19000, 20003, 24000, 33999])
def test_instance_ids_of_things_signs_and_lights(cityscapes, out, value):
    save(cityscapes / f"{STEM}_instanceIds.png", np.full((16, 32), value, dtype=np.uint16))
    assert download(CITYSCAPES, "cityscapes", out, {"CITYSCAPES_DATASET": str(cityscapes)}).is_file()


@pytest.mark.parametrize("value", [34, 7000, 18000, 21000, 34000, 40001])
def test_unknown_instance_id(cityscapes, out, value):
    save(cityscapes / f"{STEM}_instanceIds.png", np.full((16, 32), value, dtype=np.uint16))
    assert f"unknown instance id {value}" in refused(CITYSCAPES, out, CITYSCAPES_DATASET=cityscapes)


def test_labels_drawn_in_colours(camvid, out):
    save(camvid / "trainannot/train_000000.png", np.zeros((24, 32, 3), dtype=np.uint8))
    assert "must be one channel of ids, not mode RGB" in refused(CAMVID, out, CAMVID_ROOT=camvid)
