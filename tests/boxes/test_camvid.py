"""Boxes of real photographs: the first frames of each of CamVid's folders, where CAMVID_ROOT names a copy."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.measure import label, regionprops

from stages import paths
from stages.arrays import open_packed
from stages.boxes.pack import pack
from stages.config import read_profiles

ROOT = os.environ.get("CAMVID_ROOT")
FRAMES = 8
SIGN, CAR, PEDESTRIAN, BICYCLIST, VOID = 6, 8, 9, 10, (10, 11)  # a bicyclist is void to rows that lack the class

pytestmark = pytest.mark.skipif(not ROOT, reason="CAMVID_ROOT does not name a copy of CamVid")


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """The packed folder, and the label maps by scene id."""
    out = tmp_path_factory.mktemp("camvid")
    root, images, labels = Path(ROOT).resolve(), [], {}
    for split in ("train", "val", "test"):
        photos = sorted(file for file in (root / split).iterdir() if file.suffix in (".jpg", ".png"))
        for photo in photos[10 : 10 + FRAMES]:
            annotation = root / f"{split}annot" / f"{photo.stem}.png"
            labels[photo.stem] = np.asarray(Image.open(annotation))
            images.append(
                {
                    "id": photo.stem,
                    "split": split,
                    "image": f"{split}/{photo.name}",
                    "labels": f"{split}annot/{annotation.name}",
                    "instances": None,
                    "width": 480,
                    "height": 360,
                    "bytes": [photo.stat().st_size, annotation.stat().st_size, None],
                    "sha256": hashlib.sha256(annotation.read_bytes()).hexdigest(),
                }
            )
    manifest = out / "manifest.json"
    manifest.write_text(json.dumps({"dataset": "camvid", "layout": "camvid", "root": str(root), "images": images}))
    pack(read_profiles(paths.ROOT)["camvid"].boxes, 0, "camvid", manifest, out / "packed", workers=1)
    return open_packed(out / "packed"), labels


def test_boxes_are_those_of_an_independent_labelling(packed):
    opened, labels = packed
    coco = json.loads((opened.path / "boxes.json").read_text())
    assert len(coco["images"]) == 3 * FRAMES
    assert len(coco["annotations"]) > 3 * FRAMES
    for image in coco["images"]:
        expected = []
        for category, value in ((1, CAR), (2, PEDESTRIAN), (3, BICYCLIST), (4, SIGN)):
            for part in regionprops(label(labels[image["file_name"]] == value, connectivity=2)):
                top, left, bottom, right = part.bbox
                if part.area >= 50:
                    expected.append((category, [left, top, right - left, bottom - top], int(part.area)))
        found = [(a["category_id"], a["bbox"], a["area"]) for a in coco["annotations"] if a["image_id"] == image["id"]]
        assert sorted(found) == sorted(expected)


def test_masks_at_training_size_keep_each_classs_share(packed):
    opened, labels = packed
    assert (len(opened.train), len(opened.val)) == (FRAMES, 2 * FRAMES)
    assert opened.train.masks("few").shape == (FRAMES, 120, 160)
    for split in (opened.train, opened.val):
        full = np.stack([labels[name] for name in split.ids])
        for values, wanted in (((CAR,), 1), ((PEDESTRIAN,), 2), (VOID, 255)):
            share = np.isin(full, values).mean()
            assert share > 0
            assert (split.masks("few") == wanted).mean() == pytest.approx(share, rel=0.25)


def test_cars_fill_about_two_thirds_of_their_boxes(packed):
    statistics = json.loads((packed[0].path / "statistics.json").read_text())
    for split in ("train", "val"):
        assert 0.45 < statistics[split]["car"]["fill_rate"] < 0.9
        assert 40 < statistics[split]["car"]["iou"] < 90
