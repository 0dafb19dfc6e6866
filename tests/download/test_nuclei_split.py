"""Pictures of nuclei are split by slides, some of each staining in both parts."""

import numpy as np
import pytest

from stages.download.nuclei_split import Crop, crop, describe, groups, staining, validation
from tests.download.fabricated import BACKGROUNDS, draw_slide


def crops_of(slides, size=80):
    """Crops of slides, two by two, by slide and place."""
    found = {}
    for staining_, count in slides.items():
        for number in range(count):
            picture, _ = draw_slide(staining_, (2 * size, 2 * size), seed=len(found))
            for k in range(4):
                rows, columns = (slice(i * size, (i + 1) * size) for i in divmod(k, 2))
                found[f"{staining_} {number:02} {k}"] = crop(picture[rows, columns])
    return found


@pytest.fixture(scope="module")
def crops():
    return crops_of(dict.fromkeys(BACKGROUNDS, 6))


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_a_staining_is_told_by_its_background(name):
    for seed in range(3):
        assert staining(draw_slide(name, (64, 48), seed)[0]) == name


def test_crops_of_one_slide_are_one_group(crops):
    together = {name: number for number, group in enumerate(groups(crops)) for name in group}
    for slide in {name[:-2] for name in crops}:
        assert len({together[f"{slide} {k}"] for k in range(4)}) == 1
    for group in groups(crops):
        assert len({crops[name].kind for name in group}) == 1


def test_strangers_of_flat_borders_stay_alone():
    flat = {str(k): crop(np.full((16, 16, 3), 200 + k, np.uint8)) for k in range(5)}
    assert groups(flat) == [[str(k)] for k in range(5)]


def test_a_fifth_of_each_kind_validates_and_no_group_is_cut(crops):
    found = groups(crops)
    val = validation(found, crops)
    for kind in {item.kind for item in crops.values()}:
        members = [name for name in crops if crops[name].kind == kind]
        assert 0.1 <= len(val.intersection(members)) / len(members) <= 0.35
    assert all(set(group) <= val or not val.intersection(group) for group in found)


def test_the_split_does_not_depend_on_the_order_and_other_kinds(crops):
    val = validation(groups(crops), crops)
    backwards = dict(reversed(crops.items()))
    assert validation(groups(backwards), backwards) == val
    fewer = {name: item for name, item in crops.items() if item.kind.startswith("pink")}
    assert validation(groups(fewer), fewer) == val & set(fewer)


def test_two_groups_are_enough_for_both_parts_and_one_trains():
    slides = [["a", "b", "c", "d"], ["e", "f", "g", "h"], ["i", "j", "k"]]
    crops = {name: Crop("grey stain 80x80" if name > "h" else "pink tissue 80x80", {}) for name in "abcdefghijk"}
    val = validation(slides, crops)
    assert val in ({*"abcd"}, {*"efgh"})
    assert describe(crops, val) == "training + validation: pink tissue 80x80 4 + 4, grey stain 80x80 3 + 0"
