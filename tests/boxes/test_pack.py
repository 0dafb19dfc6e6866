"""The split, the statistics and the packed folder as a whole."""

import json
import tracemalloc

import numpy as np
import pytest

from stages.arrays import VOID, open_packed
from stages.boxes.pack import describe, pack
from stages.errors import UserError
from tests.boxes.painted import CAR, PROFILE, crowd, region
from tests.two_classes import TASKS

JSON_FILES = ("boxes.json", "split.json", "statistics.json", "arrays.json")


def contents(out):
    return {file.relative_to(out).as_posix(): file.read_bytes() for file in sorted(out.rglob("*")) if file.is_file()}


def test_same_bytes_when_repeated_and_with_two_workers(folder, tmp_path):
    crowd(folder, train=20, val=6)
    one = contents(folder.pack(tmp_path / "one"))
    two = contents(folder.pack(tmp_path / "two", workers=2))
    assert one == two
    assert set(JSON_FILES) < set(one)
    assert contents(folder.pack(tmp_path / "one")) == one
    assert len(list((tmp_path / "one").glob("*/*.npy"))) == 12


def test_packing_again_replaces_linked_files_and_does_not_write_through_them(folder, tmp_path):
    """DVC may link outs to its cache: a run by hand must not change what the cache holds."""
    crowd(folder, train=4, val=2)
    out = folder.pack(tmp_path / "packed")
    cache = tmp_path / "cache"
    cache.mkdir()
    for number, file in enumerate(sorted(file for file in out.rglob("*") if file.is_file())):
        (cache / str(number)).hardlink_to(file)
    before = contents(cache)
    folder.pack(out, data_seed=1, split="random", val_share=0.5, size=(32, 16))
    assert contents(cache) == before


def test_statistics_equal_an_independent_count(folder, tmp_path):
    crowd(folder, train=8, val=5, seed=7)
    out = folder.pack(tmp_path / "packed")
    statistics, packed = json.loads((out / "statistics.json").read_text()), open_packed(out)
    coco = json.loads((out / "boxes.json").read_text())
    assert statistics["images"] == {"train": 8, "val": 5}
    for name, split in (("train", packed.train), ("val", packed.val)):
        masks = np.array(split.masks("few"))
        valid = masks != VOID
        assert not valid.all()
        image_ids = {image["id"] for image in coco["images"] if image["file_name"] in split.ids}
        for label, kind, own in ((1, "car", "one"), (2, "person", "few")):
            entry = statistics[name][kind]
            boxes = [a for a in coco["annotations"] if a["image_id"] in image_ids and a["category_id"] == label]
            assert entry["boxes"] == len(boxes) == entry["instances"] - entry["dropped"]
            assert entry["groups"] >= sum(a["iscrowd"] for a in boxes) > 0
            assert entry["mask_share"] == pytest.approx(100 * (masks == label).sum() / valid.sum(), abs=1e-5)
            for task, values in ((own, entry), ("few", entry["multi_class"])):
                box, mask = (split.targets(task) == label) & valid, masks == label
                assert values["fill_rate"] == pytest.approx((box & mask).sum() / box.sum(), abs=1e-5)
                assert values["iou"] == pytest.approx(100 * (box & mask).sum() / (box | mask).sum(), abs=1e-5)


def test_a_class_without_pixels_has_no_fill_rate(folder, tmp_path):
    folder.add("a", [(region(2, 2, 8, 8), CAR * 1000)])
    folder.add("b", split="val")
    statistics = pack(PROFILE, 0, "tiny", folder.manifest(), tmp_path / "packed", 1)
    assert statistics["train"]["person"]["fill_rate"] is None
    assert statistics["train"]["car"]["fill_rate"] == 1
    lines = describe(statistics).splitlines()
    assert "fill rate" in lines[1]
    assert lines[2].split() == ["train", "1", "car", "1", "1.000", "100.0", "%"]
    assert lines[3].split() == ["train", "1", "person", "0", "-", "-"]


def test_memory_does_not_grow_with_the_dataset(folder, tmp_path):
    """Peak of Python's and numpy's memory for 4 and 24 images, in which the arrays alone grow by 2.6 MB."""
    peaks = []
    for count in (4, 24):
        while len(folder.images) < count:
            folder.add(f"{len(folder.images):03}", split="val" if folder.images else "train", size=(256, 128))
        tracemalloc.start()
        folder.pack(tmp_path / str(count), size=(128, 64))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    packed = open_packed(tmp_path / "24").val
    grown = 20 * sum(array[0].nbytes for array in (packed.images, *packed.maps.values()))
    assert grown > 1.5e6
    assert peaks[1] - peaks[0] < 0.1 * grown


def test_labels_without_instances_need_components(folder, tmp_path):
    folder.add("a", [(region(2, 2, 8, 8), CAR)], instances=False)
    folder.add("b", split="val", instances=False)
    with pytest.raises(UserError, match="a_labels.png: has no instance file; boxes.instances must be `components`"):
        folder.pack(tmp_path / "packed")
    assert len(open_packed(folder.pack(tmp_path / "packed", instances="components")).train) == 1


def break_aspect(folder):
    folder.add("c", size=(32, 24))


def break_size(folder):
    folder.images[0]["width"], folder.images[0]["height"] = 64, 32


def break_labels(folder):
    file = folder.root / "a_labels.png"
    file.write_bytes(bytes(reversed(file.read_bytes())))


def break_image(folder):
    file = folder.root / "a_image.png"
    file.write_bytes(file.read_bytes()[:-40])
    folder.images[0]["bytes"][0] -= 40


def shorten_image(folder):
    file = folder.root / "a_image.png"
    file.write_bytes(file.read_bytes()[:-40])


def remove_instances(folder):
    (folder.root / "a_instances.png").unlink()


def repeat_id(folder):
    folder.images.append(folder.images[0])


def lose_key(folder):
    del folder.images[0]["sha256"]


def lose_val(folder):
    folder.images.pop()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_aspect, r"c_image.png: is 32x24, .* aspect of the training size 16x8"),
        (break_size, r"a_labels.png: is 32x16, the manifest says 64x32"),
        (break_labels, r"a_labels.png: its content differs from the manifest's checksum"),
        (break_image, r"a_image.png: not an image, or a truncated one"),
        (shorten_image, r"a_image.png: has \d+ bytes, the manifest says \d+"),
        (remove_instances, r"a_instances.png: cannot be read \(No such file or directory\)"),
        (repeat_id, r"manifest.json: the id a stands there twice"),
        (lose_key, r"manifest.json: not a manifest .* no sha256"),
        (lose_val, r"manifest.json: its 1 images leave none for val \(boxes.split: official\)"),
    ],
)
def test_what_is_broken_is_named_in_one_line(folder, tmp_path, damage, message):
    folder.add("a", [(region(2, 2, 8, 8), CAR * 1000)])
    folder.add("b", split="val")
    damage(folder)
    with pytest.raises(UserError, match=message) as error:
        folder.pack(tmp_path / "packed")
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="no such file"):
        open_packed(tmp_path / "packed")


def test_an_error_in_a_worker_process_arrives_as_one_line(folder, tmp_path):
    crowd(folder, train=9, val=9)
    (folder.root / "scene004_labels.png").unlink()
    with pytest.raises(UserError, match="scene004_labels.png: cannot be read"):
        folder.pack(tmp_path / "packed", workers=2)


def test_index_maps_point_at_boxes_of_the_targets_class(folder, tmp_path):
    crowd(folder, train=10, val=2, seed=5)
    out = folder.pack(tmp_path / "packed")
    packed, coco = open_packed(out), json.loads((out / "boxes.json").read_text())
    ids = {image["file_name"]: image["id"] for image in coco["images"]}
    for task, classes in TASKS.items():
        for place, name in enumerate(packed.train.ids):
            labels = [
                a["category_id"]
                for a in coco["annotations"]
                if a["image_id"] == ids[name] and a["category_id"] <= len(classes)
            ]
            index, target = packed.train.indices(task)[place], packed.train.targets(task)[place]
            assert index.max() <= len(labels)
            np.testing.assert_array_equal(np.array([0, *labels])[index], target)
