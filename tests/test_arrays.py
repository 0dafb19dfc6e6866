"""Packed arrays: opening, what is refused, pools of rows."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from stages.arrays import checksum, create, open_packed, pools, seal, specs, write, write_json
from stages.config import PAPER_IMAGES, Row, load
from stages.errors import UserError
from stages.paths import ROOT
from tests.two_classes import CLASSES, TASKS, content

ROWS = load(ROOT).rows
SIZE = (8, 4)


def make(path: Path, train: int = 5, val: int = 3, order: list[int] | None = None) -> Path:
    """A packed folder in which every value follows from the image's place."""
    counts = {"train": train, "val": val}
    create(path, counts, SIZE, CLASSES.tasks)
    for split, count in counts.items():
        for index in range(count):
            entry = {
                name.removesuffix(".npy"): np.full(shape[1:], index + place, dtype)
                for place, (name, (shape, dtype)) in enumerate(specs(count, SIZE, CLASSES.tasks).items())
            }
            write(path, split, index, entry)
    ids = {split: [f"{split}{index}" for index in range(count)] for split, count in counts.items()}
    write_json(path / "split.json", content(ids, order or list(range(train))[::-1]))
    seal(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small packed folder."""
    return make(tmp_path / "packed")


def test_what_was_written_is_read_back_as_read_only_maps(folder):
    packed = open_packed(folder)
    assert packed.train.ids == ("train0", "train1", "train2", "train3", "train4")
    assert (len(packed.train), len(packed.val)) == (5, 3)
    assert packed.train.images.shape == (5, 4, 8, 3)
    assert packed.val.masks("few").shape == (3, 4, 8)
    assert packed.train.masks("few")[3].max() == 3 + 1
    for split in (packed.train, packed.val):
        arrays = [split.images, split.masks("few"), *(split.targets(task) for task in TASKS)]
        assert all(array.dtype == np.uint8 for array in arrays)
        arrays += [split.indices(task) for task in TASKS]
        assert all(split.indices(task).dtype == np.uint16 for task in TASKS)
        for array in arrays:
            assert isinstance(array, np.memmap)
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        packed.pp_order[0] = 1


def test_the_fingerprint_follows_every_array_and_the_order(tmp_path):
    same, again, other = (make(tmp_path / name) for name in ("same", "again", "other"))
    write(other, "val", 2, {"indices-one": np.zeros((4, 8), np.uint16)})
    seal(other)
    order = make(tmp_path / "order", order=[0, 1, 2, 3, 4])
    prints = [open_packed(path).fingerprint for path in (same, again, other, order)]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


def test_the_checksums_are_those_of_the_files(folder):
    recorded = json.loads((folder / "arrays.json").read_text())
    assert len(recorded) == 12
    assert all(checksum(folder / name) == entry["sha256"] for name, entry in recorded.items())


def cut(folder):
    file = folder / "train" / "images.npy"
    file.write_bytes(file.read_bytes()[:-1])


def cut_header(folder):
    file = folder / "train" / "images.npy"
    file.write_bytes(file.read_bytes()[:20])


def empty(folder):
    (folder / "train" / "images.npy").write_bytes(b"")


def lengthen(folder):
    file = folder / "train" / "images.npy"
    file.write_bytes(file.read_bytes() + b"\x00")


def remove(folder):
    (folder / "val" / "targets-few.npy").unlink()


def reshape(folder):
    np.save(folder / "train" / "masks.npy", np.zeros((5, 8, 4), np.uint8))


def retype(folder):
    np.save(folder / "train" / "indices-one.npy", np.zeros((5, 4, 8), np.uint8))


def pickle(folder):
    np.save(folder / "train" / "masks.npy", np.array([{}, 1], object), allow_pickle=True)


def lose_record(folder):
    (folder / "arrays.json").unlink()


def lose_entry(folder):
    record = json.loads((folder / "arrays.json").read_text())
    del record["train/targets-one.npy"]
    write_json(folder / "arrays.json", record)


def break_record(folder):
    (folder / "arrays.json").write_text("[1, 2]")


def break_json(folder):
    (folder / "arrays.json").write_text('{"train/')


def lose_id(folder):
    split = json.loads((folder / "split.json").read_text())
    split["val"].pop()
    write_json(folder / "split.json", split)


def repeat_order(folder):
    split = json.loads((folder / "split.json").read_text())
    split["pp_order"][0] = split["pp_order"][1]
    write_json(folder / "split.json", split)


def name_a_part_too_few(folder):
    split = json.loads((folder / "split.json").read_text())
    write_json(folder / "split.json", split | {"val_parts": ["test"]})


def break_split(folder):
    write_json(folder / "split.json", {"train": []})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, r"train/images.npy: truncated or not a .npy file"),
        (cut_header, r"train/images.npy: truncated or not a .npy file \(20 bytes\)"),
        (empty, r"train/images.npy: truncated or not a .npy file \(0 bytes\)"),
        (lengthen, r"train/images.npy: 1 bytes more than its array has"),
        (remove, r"val/targets-few.npy: no such file"),
        (reshape, r"train/masks.npy: holds uint8 \[5, 8, 4\], arrays.json says uint8 \[5, 4, 8\]"),
        (retype, r"train/indices-one.npy: holds uint8 .*, arrays.json says uint16"),
        (pickle, r"train/masks.npy: truncated or not a .npy file"),
        (lose_record, r"arrays.json: no such file"),
        (lose_entry, r"arrays.json: train/targets-one.npy should be uint8 \[5, 4, 8\] .*, is absent"),
        (break_record, r"arrays.json: not a record of packed arrays"),
        (break_json, r"arrays.json: not valid JSON"),
        (lose_id, r"arrays.json: val/images.npy should be uint8 \[2, 4, 8, 3\] for the images of split.json"),
        (repeat_order, r"split.json: pp_order is not a permutation of the 5 train images"),
        (name_a_part_too_few, r"split.json: val_parts names 1 images; allowed: none, or the 3 of val"),
        (break_split, r"split.json: not a split with train, val, val_parts, pp_order, masked"),
    ],
)
def test_a_broken_folder_is_refused_in_one_line_that_names_the_file(folder, damage, message):
    damage(folder)
    with pytest.raises(UserError, match=message) as error:
        open_packed(folder)
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def sizes(tmp_path_factory):
    """Opened folders with 367, 40 and the paper's 2780 training images in a shuffled order, by size."""
    opened = {}
    for images in (367, 40, PAPER_IMAGES):
        path = tmp_path_factory.mktemp(str(images))
        create(path, {"train": images, "val": 1}, SIZE, CLASSES.tasks)
        order = np.random.default_rng(images).permutation(images).tolist()
        write_json(path / "split.json", content({"train": [*map(str, range(images))], "val": ["x"]}, order))
        seal(path)
        opened[images] = open_packed(path)
    return opened


@pytest.mark.parametrize("images", [367, 40, PAPER_IMAGES])
@pytest.mark.parametrize("name", list(ROWS))
def test_pools_hold_the_rows_shares_of_the_training_images(sizes, images, name):
    row = ROWS[name]
    pp, box = pools(sizes[images], row)
    assert len(pp) == round(row.pp / PAPER_IMAGES * images)
    # Every row of the paper uses up the rest of the pool, or trains on masks alone.
    assert len(box) == (images - len(pp) if row.box else 0)
    assert not set(pp) & set(box)
    assert pp.tolist() == sorted(set(pp))
    assert box.tolist() == sorted(set(box))
    assert set(pp) | set(box) <= set(range(images))


def test_on_the_papers_count_pools_are_the_papers(sizes):
    for row in ROWS.values():
        pp, box = pools(sizes[PAPER_IMAGES], row)
        assert (len(pp), len(box)) == (row.pp, row.box)


@pytest.mark.parametrize("images", [367, 40])
def test_pixel_perfect_sets_are_nested_and_the_same_for_every_row_of_a_count(sizes, images):
    sets = {}
    for row in ROWS.values():
        sets.setdefault(row.pp, []).append(set(pools(sizes[images], row)[0].tolist()))
    assert all(other == same[0] for same in sets.values() for other in same)
    ordered = [sets[count][0] for count in sorted(sets)]
    assert len(ordered) == 7
    assert all(small < large for small, large in pairwise(ordered))


def test_a_row_that_leaves_images_out_takes_its_share_of_boxes(sizes):
    pp, box = pools(sizes[367], Row(classes="one", loss="bce", pp=500, box=500))
    assert (len(pp), len(box)) == (66, 66)


def test_tiny_datasets_give_each_pool_an_image_or_say_that_they_cannot(tmp_path):
    mixed = Row(classes="one", loss="bce", pp=100, box=2680)
    pp, box = pools(open_packed(make(tmp_path / "two", train=2)), mixed)
    assert (len(pp), len(box)) == (1, 1)
    with pytest.raises(UserError, match="1 training images are too few to give box images"):
        pools(open_packed(make(tmp_path / "one", train=1)), mixed)


def test_a_json_file_replaces_a_link_and_leaves_nothing_else(tmp_path):
    cached, file = tmp_path / "cached", tmp_path / "run.json"
    cached.write_text("{}")
    cached.chmod(0o444)
    file.hardlink_to(cached)
    write_json(file, {"b": 1, "a": [1.5]})
    assert json.loads(file.read_text()) == {"a": [1.5], "b": 1}
    assert cached.read_text() == "{}"
    assert {path.name for path in tmp_path.iterdir()} == {"cached", "run.json"}


def test_a_json_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    file = tmp_path / "run.json"
    write_json(file, {"a": 1})
    with pytest.raises(TypeError):
        write_json(file, {"a": object()})
    assert json.loads(file.read_text()) == {"a": 1}


def test_where_some_images_have_no_mask_500_stands_for_all_that_there_are(sizes, tmp_path):
    """10 of 40 training images have masks, the first of pp_order."""
    whole = sizes[40]
    some = replace(whole, contents=replace(whole.contents, masked=10))
    first, rest = sorted(whole.pp_order[:10]), sorted(whole.pp_order[10:])
    for name, masks, boxes in (
        ("bce-500", first, []),
        ("bce-500-2280", first, rest),
        ("bootstrap-100-2680", sorted(whole.pp_order[:2]), sorted(whole.pp_order[2:])),
        ("bce-0-2780", [], list(range(40))),
    ):
        pp, box = pools(some, ROWS[name])
        assert (pp.tolist(), box.tolist()) == (masks, boxes)
