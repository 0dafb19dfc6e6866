"""Which images train and which validate, and the order in which they become pixel-perfect."""

import json
from pathlib import Path

import pytest

from stages.boxes import split as rules
from stages.boxes.scenes import Entry
from stages.errors import UserError
from tests.boxes.painted import PROFILE, crowd


def split_of(out):
    return json.loads((out / "split.json").read_text())


def test_official_split_is_the_sources(folder, tmp_path):
    for name, split in (("d", "train"), ("a", "test"), ("c", "val"), ("b", "train")):
        folder.add(name, split=split)
    split = split_of(folder.pack(tmp_path / "packed"))
    assert (split["train"], split["val"]) == (["b", "d"], ["a", "c"])
    assert split["val_parts"] == ["test", "val"]


def test_random_split_is_80_20_without_overlap_and_follows_data_seed(folder, tmp_path):
    crowd(folder, train=30, val=20)
    splits = [
        split_of(folder.pack(tmp_path / str(k), data_seed=seed, split="random", val_share=0.2))
        for k, seed in enumerate((0, 0, 1))
    ]
    for split in splits:
        assert (len(split["train"]), len(split["val"])) == (40, 10)
        assert set(split["train"]) | set(split["val"]) == {entry["id"] for entry in folder.images}
    assert splits[0] == splits[1]
    assert set(splits[0]["val"]) != set(splits[2]["val"])
    official = {entry["id"] for entry in folder.images if entry["split"] == "val"}
    assert 0 < len(official & set(splits[0]["val"])) < 10  # drawn from both of the source's splits
    assert splits[0]["val_parts"] == []


def test_holdout_takes_runs_of_neighbours_from_the_training_images_alone(folder, tmp_path):
    for k in range(60):
        folder.add(f"{k:03}", split="train" if k < 50 else "val")
    splits = [
        split_of(folder.pack(tmp_path / str(k), data_seed=seed, split="holdout", val_share=0.2))
        for k, seed in enumerate((0, 0, 1))
    ]
    for split in splits:
        assert sorted(split["train"] + split["val"]) == [f"{k:03}" for k in range(50)]
        assert 10 <= len(split["val"]) < 15
        numbers = [int(name) for name in split["val"]]
        assert sum(b - a > 1 for a, b in zip(numbers, numbers[1:], strict=False)) <= 2  # at most three runs
    assert splits[0] == splits[1]
    assert splits[0]["val"] != splits[2]["val"]


def grouped(sizes: dict[str, int]) -> list[Entry]:
    """Entries a0, a1 ..., b0 ... of groups a, b ..."""
    return [
        Entry(f"{name}{k:03}", "train", Path("a.png"), Path("a.png"), None, (32, 16), (1, 1), "", None, True, name)
        for name, size in sizes.items()
        for k in range(size)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_holdout_takes_whole_groups_where_the_source_knows_them(seed):
    """CamVid's three drives for training: one of the two smaller ones is held out, never the largest."""
    profile = PROFILE.model_copy(update={"split": "holdout", "val_share": 0.2})
    parts = rules.split(grouped({"a": 62, "b": 101, "c": 204}), profile, seed, Path("manifest.json"))
    held_out = {entry.group for entry in parts["val"]}
    assert held_out in ({"a"}, {"b"}) and not held_out & {entry.group for entry in parts["train"]}
    small = rules.split(grouped({f"g{k:02}": 1 + k % 4 for k in range(40)}), profile, seed, Path("manifest.json"))
    assert 20 <= len(small["val"]) <= 30  # a fifth of 100
    assert not {entry.group for entry in small["val"]} & {entry.group for entry in small["train"]}


def test_holdout_of_two_large_groups_takes_the_smaller_one():
    profile = PROFILE.model_copy(update={"split": "holdout", "val_share": 0.1})
    parts = rules.split(grouped({"a": 60, "b": 50}), profile, 0, Path("manifest.json"))
    assert {entry.group for entry in parts["val"]} == {"b"}


def test_pp_order_is_a_permutation_that_follows_data_seed_and_leaves_the_official_split(folder, tmp_path):
    crowd(folder, train=20, val=2)
    first, again, other = (split_of(folder.pack(tmp_path / str(k), data_seed=s)) for k, s in enumerate((0, 0, 1)))
    assert sorted(first["pp_order"]) == list(range(20))
    assert first["pp_order"] != list(range(20))
    assert first["pp_order"] == again["pp_order"] != other["pp_order"]
    assert first["train"] == other["train"]


def own(pixel_perfect: str, split: str = "train") -> list[Entry]:
    """Entries 00, 01 ..., those pixel-perfect whose letter is a p."""
    return [
        Entry(f"{k:02}", split, Path(f"{k:02}.png"), Path("a.png"), None, (32, 16), (1, 1), "", (), letter == "p")
        for k, letter in enumerate(pixel_perfect)
    ]


@pytest.mark.parametrize("kind", ["random", "holdout"])
def test_validation_images_are_drawn_from_the_pixel_perfect_ones_alone(kind):
    profile = PROFILE.model_copy(update={"split": kind, "val_share": 0.25})
    kinds = "pbbbbpbbpb" * 4
    drawn = [rules.split(own(kinds), profile, seed, Path("manifest.json")) for seed in range(5)]
    for parts in drawn:
        assert len(parts["val"]) in (3, 4) and all(entry.pixel_perfect for entry in parts["val"])  # a quarter of 12
        assert len(parts["val"]) + len(parts["train"]) == 40
    assert len({parts["val"] and parts["val"][0].id for parts in drawn}) > 1


@pytest.mark.parametrize(("kinds", "split"), [("pbbb", "auto"), ("bbbb", "official")])
def test_training_images_without_any_masks_are_one_line(kinds, split):
    """The one image with masks is drawn for validation; or all of them are the source's for validation."""
    entries = own(kinds) if split == "auto" else [*own(kinds), *own("....pp", "val")[4:]]
    profile = PROFILE.model_copy(update={"split": split, "val_share": 0.25})
    with pytest.raises(
        UserError, match=r"manifest.json: no image for training has masks of all its objects, \d for val"
    ):
        rules.split(entries, profile, 0, Path("manifest.json"))


def test_a_validation_image_with_boxes_alone_is_one_line():
    with pytest.raises(UserError, match=r"^01.png: is for validation and has boxes alone; validation needs a mask"):
        rules.split([*own("p"), *own("pb", "val")[1:]], PROFILE, 0, Path("manifest.json"))
