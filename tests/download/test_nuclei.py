"""Nuclei: labels and instance ids are drawn from the masks, and whatever is wrong is one line."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from stages.boxes.scenes import read_manifest, read_scene
from stages.download.run import download
from stages.errors import UserError
from tests.download.fabricated import NUCLEI, make_nuclei, save, snapshot
from tests.download.test_camvid import NO_NETWORK, git

SLIDES = {"fluorescence": 3, "purple on white": 3}


@pytest.fixture
def root(tmp_path):
    make_nuclei(tmp_path / "nuclei", SLIDES)
    return tmp_path / "nuclei"


def listed(root, out):
    manifest = download(NUCLEI, "nuclei", out, {"NUCLEI_ROOT": str(root)})
    return json.loads(manifest.read_text()), read_manifest(manifest)


def refused(root, out) -> str:
    with pytest.raises(UserError) as error:
        listed(root, out)
    assert "\n" not in str(error.value) and not (out / "manifest.json").exists()
    return str(error.value)


def first(root):
    return sorted((root / "stage1_train").iterdir())[0]


def test_pictures_stay_and_labels_are_drawn_elsewhere(root, out, capsys):
    before = snapshot(root)
    content, entries = listed(root, out)
    assert snapshot(root) == before
    assert sorted(path.name for path in out.iterdir()) == ["instances", "labels", "manifest.json"]
    assert (content["root"], content["labels_root"], content["classes"]) == (str(root), ".", ["nucleus"])
    assert content["checks"]["label_ids"] == [0, 1]
    assert len(entries) == 24 and all(entry.pixel_perfect and entry.boxes is None for entry in entries)
    said = capsys.readouterr().err
    assert "note: training + validation: fluorescence 80x80 8 + 4, purple on white 80x80 8 + 4" in said
    assert f"note: {root} has 24 pictures, the complete nuclei release 664" in said


def test_every_nucleus_is_one_instance_of_its_masks_pixels(root, out):
    _, entries = listed(root, out)
    for entry in entries:
        scene = read_scene(entry, instances=True)
        masks = [np.asarray(Image.open(path)) > 0 for path in (entry.image.parent.parent / "masks").iterdir()]
        np.testing.assert_array_equal(scene.labels, np.any(masks, axis=0))
        np.testing.assert_array_equal(scene.instances > 0, scene.labels > 0)
        found = {(scene.instances == value).tobytes() for value in np.unique(scene.instances) if value}
        assert found == {mask.tobytes() for mask in masks}
        assert scene.instances[scene.instances > 0].min() == 1000


def test_crops_of_a_slide_are_in_one_part(tmp_path, out):
    slides = make_nuclei(tmp_path / "nuclei", SLIDES)
    parts = {entry.id: entry.split for entry in listed(tmp_path / "nuclei", out)[1]}
    assert all(len({parts[name] for name in names}) == 1 for names in slides.values())
    assert set(parts.values()) == {"train", "val"}


def test_of_masks_that_share_pixels_the_smaller_lies_on_top(root, out):
    folder = first(root)
    for path in (folder / "masks").iterdir():
        path.unlink()
    large, small = np.zeros((2, 80, 80), np.uint8)
    large[5:30, 5:30], small[10:14, 10:14] = 255, 255
    for name, mask in (("a", small), ("b", large)):
        save(folder / "masks" / f"{name}.png", mask)
    entry = next(entry for entry in listed(root, out)[1] if entry.id == folder.name)
    ids = read_scene(entry, instances=True).instances
    assert ids[7, 7] != ids[11, 11] and (ids == ids[11, 11]).sum() == 16


def test_files_with_a_leading_dot_are_no_files(root, out):
    (first(root) / "masks" / "._mask0.png").write_bytes(b"\0\5\26\7")
    (root / "stage1_train" / ".DS_Store").touch()
    assert len(listed(root, out)[1]) == 24


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda mask: mask.write_bytes(mask.read_bytes()[:-30]), "not an image, or a truncated one"),
        (lambda mask: save(mask, np.zeros((80, 80), np.uint8)), "an empty mask; delete it, or fetch it anew"),
        (lambda mask: save(mask, np.full((80, 40), 255, np.uint8)), "40x80 pixels, but its picture has 80x80"),
        (lambda mask: save(mask, np.full((80, 80, 3), 255, np.uint8)), "one channel of 0 and 255, not mode RGB"),
    ],
)
def test_a_bad_mask(root, out, damage, said):
    mask = first(root) / "masks" / "mask0.png"
    damage(mask)
    message = refused(root, out)
    assert message.startswith(f"{mask}: ") and said in message


def test_a_picture_that_is_missing_damaged_or_without_masks(root, out):
    folder = first(root)
    picture = folder / "images" / f"{folder.name}.png"
    content = picture.read_bytes()
    picture.write_bytes(content[:100])
    assert refused(root, out).startswith(f"{picture}: not an image, or a truncated one")
    picture.unlink()
    assert refused(root, out) == f"{picture}: no such picture, though its folder is there"
    picture.write_bytes(content)
    for mask in (folder / "masks").iterdir():
        mask.unlink()
    assert refused(root, out).startswith(f"{folder / 'masks'}: no mask; each nucleus needs one")


def test_more_masks_than_there_are_ids(root, out, monkeypatch):
    monkeypatch.setattr("stages.download.nuclei_listing.IDS_PER_LABEL", 3)
    assert "masks; allowed: at most 3" in refused(root, out)


def test_a_root_that_holds_none(tmp_path, out):
    (tmp_path / "empty" / "stage1_train").mkdir(parents=True)
    assert refused(tmp_path, out).endswith("which has not all of stage1_train/")
    assert refused(tmp_path / "empty", out).endswith("has no <id>/images/<id>.png")


def test_the_public_repository_is_cloned_and_kept(tmp_path, out):
    upstream = tmp_path / "upstream"
    make_nuclei(upstream, {"fluorescence": 2})
    git("init", "--quiet", cwd=upstream)
    git("add", ".", cwd=upstream)
    git("commit", "--quiet", "-m", "data", cwd=upstream)
    environ = {name: value for name, value in NO_NETWORK.items() if name != "NUCLEI_ROOT"}
    manifest = download(NUCLEI, "nuclei", out, environ | {"NUCLEI_REPOSITORY": upstream.as_uri()})
    clone = out.parent / "kaggle-dsbowl-2018-dataset-fixes"
    assert json.loads(manifest.read_text())["root"] == str(clone.resolve())
    again = download(NUCLEI, "nuclei", out, environ | {"NUCLEI_REPOSITORY": "file:///nowhere"})
    assert len(json.loads(again.read_text())["images"]) == 8


@pytest.mark.slow
def test_the_real_release(out):
    root = os.environ.get("NUCLEI_ROOT")
    if not root:
        pytest.skip("NUCLEI_ROOT is not set: no local copy of the nuclei to read")
    content, entries = listed(root, out)
    assert content["checks"]["images"] == {"train": 526, "val": 138}
    nuclei = 0
    for entry in entries:
        nuclei += len(np.unique(np.asarray(Image.open(entry.instances)))) - 1
    assert nuclei == 28_986
