"""Whatever is wrong with a data set is named in one line."""

import os

import numpy as np
import pytest
from PIL import Image

from stages.boxes.scenes import read_manifest, read_scene
from stages.download.run import download
from stages.errors import UserError
from tests.download.fabricated import (
    CAMVID,
    CITYSCAPES,
    NUCLEI,
    make_camvid,
    make_cityscapes,
    make_nuclei,
    save,
    snapshot,
)

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


@pytest.mark.parametrize("value", [24000, 33999])
def test_instance_ids_of_what_cityscapes_counts(cityscapes, out, value):
    save(cityscapes / f"{STEM}_instanceIds.png", np.full((16, 32), value, dtype=np.uint16))
    assert download(CITYSCAPES, "cityscapes", out, {"CITYSCAPES_DATASET": str(cityscapes)}).is_file()


@pytest.mark.parametrize("value", [34, 7000, 19000, 20003, 34000, 40001])
def test_unknown_instance_id(cityscapes, out, value):
    save(cityscapes / f"{STEM}_instanceIds.png", np.full((16, 32), value, dtype=np.uint16))
    assert f"unknown instance id {value}" in refused(CITYSCAPES, out, CITYSCAPES_DATASET=cityscapes)


def test_labels_drawn_in_colours(camvid, out):
    save(camvid / "trainannot/train_000000.png", np.zeros((24, 32, 3), dtype=np.uint8))
    assert "must be one channel of ids, not mode RGB" in refused(CAMVID, out, CAMVID_ROOT=camvid)


# ---- pictures of other kinds -----------------------------------------------------------------------------------------


@pytest.fixture
def one_car(tmp_path):
    """Grey photographs of 160x120 pixels with one car of 50x40, in CamVid's layout, four in each part."""
    root = tmp_path / "camvid"
    grey, labels = np.tile(np.arange(40, 200, dtype=np.uint8), (120, 1)), np.zeros((120, 160), np.uint8)
    grey[30:70, 20:70], labels[30:70, 20:70] = 220, 8
    for split in ("train", "val", "test"):
        for number in range(4):
            save(root / split / f"{split}{number}.png", grey)
            save(root / f"{split}annot" / f"{split}{number}.png", labels)
    return root, grey, labels


def scenes_of(root, out):
    manifest = download(CAMVID, "camvid", out, {"CAMVID_ROOT": str(root)})
    return {entry.id: read_scene(entry, instances=False) for entry in read_manifest(manifest)}


def test_16_bits_of_grey_arrive_as_8(one_car, out):
    root, grey, labels = one_car
    for path in (root / "train").iterdir():
        save(path, grey.astype(np.uint16) * 256)
    scene = scenes_of(root, out)["train0"]
    expected = np.rint(grey.astype(float) * 256 / 65535 * 255)
    np.testing.assert_array_equal(np.asarray(scene.image)[..., 1], expected)
    np.testing.assert_array_equal(scene.labels, labels)


def test_a_photograph_turned_by_its_exif_lies_as_its_labels(one_car, out):
    root, grey, labels = one_car
    tags = Image.Exif()
    tags[0x0112] = 3
    (root / "train" / "train0.png").unlink()
    Image.fromarray(grey[::-1, ::-1]).save(root / "train" / "train0.jpg", exif=tags, quality=95)
    scene = scenes_of(root, out)["train0"]
    assert abs(np.asarray(scene.image)[..., 0].astype(int) - grey).max() < 30
    assert np.asarray(scene.image)[scene.labels == 8].mean() > 210 > 150 > np.asarray(scene.image).mean()


def test_a_photograph_that_its_exif_turns_on_its_side_must_fit_its_labels(one_car, out):
    root, grey, _ = one_car
    tags = Image.Exif()
    tags[0x0112] = 6
    Image.fromarray(grey).save(root / "train" / "train0.png", exif=tags)
    message = refused(CAMVID, out, CAMVID_ROOT=root)
    assert "trainannot/train0.png: 160x120 pixels, but its image has 120x160" in message


@pytest.mark.parametrize("size", [(1, 1), (20_000, 20_000)])
def test_a_photograph_of_no_use(one_car, out, size):
    root, *_ = one_car
    Image.new("1", size).save(root / "val" / "val0.png")
    message = refused(CAMVID, out, CAMVID_ROOT=root)
    assert f"val0.png: its size is {size[0]}x{size[1]} pixels; allowed: 8x8 up to 100 million pixels" in message


# ---- names, and what may not be read ---------------------------------------------------------------------------------


def test_names_with_a_leading_dot_are_skipped(camvid, cityscapes, out):
    for root in (camvid, cityscapes):
        for path in list(snapshot(root)):
            folder, name = os.path.split(path)
            with open(f"{folder}/._{name}", "wb") as file:
                file.write(b"\0\5\26\7")
    assert len(read_manifest(download(CAMVID, "a", out, {"CAMVID_ROOT": str(camvid)}))) == 6
    assert len(read_manifest(download(CITYSCAPES, "b", out, {"CITYSCAPES_DATASET": str(cityscapes)}))) == 3


def test_a_name_that_is_not_utf8(camvid, cityscapes, tmp_path, out):
    for name in ("train/caf\udce9.png", "trainannot/caf\udce9.png"):
        save(camvid / name, np.zeros((24, 32), np.uint8))
    message = refused(CAMVID, out, CAMVID_ROOT=camvid)
    assert message.startswith(f"{camvid}/train/caf\\xe9.png: its name is not UTF-8; rename it")
    for folder, end in (
        ("leftImg8bit", "leftImg8bit"),
        ("gtFine", "gtFine_labelIds"),
        ("gtFine", "gtFine_instanceIds"),
    ):
        save(cityscapes / folder / "train" / "ulm" / f"caf\udce9_{end}.png", np.zeros((16, 32), np.uint8))
    assert "ulm/caf\\xe9_leftImg8bit.png: its name is not" in refused(CITYSCAPES, out, CITYSCAPES_DATASET=cityscapes)
    make_nuclei(tmp_path / "nuclei", {"fluorescence": 1})
    picture = next((tmp_path / "nuclei" / "stage1_train").iterdir())
    picture.rename(picture.with_name("caf\udce9"))
    (picture.with_name("caf\udce9") / "images" / f"{picture.name}.png").rename(
        picture.with_name("caf\udce9") / "images" / "caf\udce9.png"
    )
    assert "stage1_train/caf\\xe9: its name is not UTF-8" in refused(NUCLEI, out, NUCLEI_ROOT=tmp_path / "nuclei")


def test_a_root_whose_name_is_not_utf8(tmp_path, out):
    root = make_camvid(tmp_path / "caf\udce9")
    assert refused(CAMVID, out, CAMVID_ROOT=root) == f"{tmp_path}/caf\\xe9: its name is not UTF-8; rename it"


@pytest.mark.parametrize("folder", ["train", "trainannot"])
def test_a_folder_that_may_not_be_read(camvid, out, monkeypatch, folder):
    """Root may read everything, so the system's answer is put in its place."""
    real = os.scandir

    def scandir(path):
        if str(path) == str(camvid / folder):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    message = refused(CAMVID, out, CAMVID_ROOT=camvid)
    assert message == f"{camvid / folder}: Permission denied; `download` must be able to read and list it"


@pytest.mark.parametrize("name", ["train/train_000000.png", "trainannot/train_000000.png"])
def test_a_file_that_may_not_be_read(camvid, out, monkeypatch, name):
    real = Image.open

    def opened(path, *arguments):
        if str(path) == str(camvid / name):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments)

    monkeypatch.setattr(Image, "open", opened)
    assert refused(CAMVID, out, CAMVID_ROOT=camvid) == f"{camvid / name}: cannot be read (Permission denied)"


def test_a_root_above_which_nothing_may_be_read(camvid, out, monkeypatch):
    real = os.stat

    def stat(path, *arguments, **options):
        if str(path).startswith(str(camvid)):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", stat)
    message = refused(CAMVID, out, CAMVID_ROOT=camvid)
    assert message.startswith(f"{camvid}") and "Permission denied" in message
