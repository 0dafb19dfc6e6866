"""Whole scenes: the default's pixels, the switch for each class, and how often each one appears."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.errors import UserError
from stages.synthetic.dataset import draw_all
from stages.synthetic.scene import draw
from stages.synthetic.schema import SyntheticScenes
from stages.synthetic.world import LABELS, PERSON, Difficulty
from stages.yaml_files import check, refuse
from tests.download.fabricated import DIFFICULTY, synthetic

ALL = tuple(LABELS)
EASY = {"clutter": 0.1, "camouflage": 0.1, "occlusion": 0.1, "variety": 0.45, "distance": 0.0, "wear": 0.0}
CLUTTERED = EASY | {"clutter": 1.0}


def with_things(scenes: SyntheticScenes, things) -> SyntheticScenes:
    return SyntheticScenes.model_validate(scenes.model_dump() | {"things": list(things)})


def drawn_ids(things, count: int, difficulty=EASY, seed: int = 0) -> np.ndarray:
    """Instance ids (count, 128, 256) of scenes with these things."""
    return np.stack(
        [draw(np.random.default_rng([seed, i]), (256, 128), Difficulty(**difficulty), things)[1] for i in range(count)]
    )


def digest(out: Path, kind: str) -> str:
    """Hash the names and pixels of files, so that another version of zlib gives the same."""
    summary = hashlib.sha256()
    for path in sorted(out.rglob(f"*_{kind}.png")):
        values = np.asarray(Image.open(path))
        summary.update(f"{path.name}{(values.dtype, values.shape)}".encode())
        summary.update(values.tobytes())
    return summary.hexdigest()[:16]


# ---- the default -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("difficulty", "pictures", "instances", "labels"),
    [
        (EASY, "d13e427228b09d68", "d06264bffddf7a5f", "eeab077789a7eb47"),
        (dict.fromkeys(EASY, 0.0), "1e3f0f5dbbbb4031", "2bfc1ae6ca7b5844", "5d01120b6ad66ccc"),
        (dict.fromkeys(EASY, 1.0), "d1f54d0ecd73cada", "12c4f268e85b2299", "ae8c18329a4259d5"),
        (CLUTTERED, "2651a74241372b51", "6bb9382d0c373bdf", "a815279a631718b7"),
    ],
    ids=["profile", "plain", "hardest", "cluttered"],
)
def test_scenes_of_cars_and_people_are_those_of_the_first_release(tmp_path, difficulty, pictures, instances, labels):
    """The checksums were computed before other classes could be drawn: committed results rest on these scenes."""
    out = tmp_path / "scenes"
    draw_all(synthetic(4, 2, seed=3, **difficulty), out, workers=1)
    found = {kind: digest(out, kind) for kind in ("leftImg8bit", "instanceIds", "labelIds")}
    assert found == {"leftImg8bit": pictures, "instanceIds": instances, "labelIds": labels}


def test_cars_and_people_are_the_default():
    assert synthetic(1, 1).things == ("car", "person")


# ---- the switch ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("things", "message"),
    [
        (["car", "lorry"], 'scenes.things is ["car", "lorry"]; allowed: a list of one or more different names of car,'),
        ([], "scenes.things is []; allowed: a list of one or more different names of car, person, truck"),
        (["bus", "bus"], "scenes: things names a class twice; allowed: a list"),
        ("bus", 'scenes.things is "bus"; allowed: a list'),
    ],
)
def test_things_that_are_no_list_of_classes(things, message):
    problems = []
    check(SyntheticScenes, synthetic(1, 1).model_dump() | {"things": things}, problems, "scenes")
    with pytest.raises(UserError) as caught:
        refuse("datasets.yaml", problems)
    assert message in str(caught.value)


def test_a_name_in_a_profile_for_every_label():
    assert with_things(synthetic(1, 1), ALL).things == ALL


@pytest.mark.parametrize("name", ALL)
def test_a_class_alone(name):
    """Nothing of another class is there; without clutter, all instances are of this one."""
    ids = drawn_ids((name,), 12, EASY | {"clutter": 0.0})
    assert set(np.unique(ids[ids >= 1000] // 1000)) == {LABELS[name]}


def test_a_class_that_is_off_stays_clutter():
    ids = drawn_ids(tuple(name for name in ALL if name not in ("bus", "traffic sign")), 40, CLUTTERED)
    assert (ids // 1000 == 28).any() and (ids == 20).any()
    assert not (ids // 1000 == 20).any()


def test_nothing_of_a_class_that_is_on_is_without_an_instance():
    ids = drawn_ids(ALL, 40, CLUTTERED)
    plain = set(np.unique(ids[ids < 1000]))
    assert not plain & (set(LABELS.values()) - {PERSON})  # a crowd of people is a group region
    assert not (ids // 1000 == 25).any()  # a rider is part of the bicycle
    assert {4, 12, 17} <= plain  # billboards, walls, posts


# ---- what a network sees ---------------------------------------------------------------------------------------------


def test_every_class_is_in_a_sixth_of_the_scenes_and_more():
    ids = drawn_ids(ALL, 80)
    for label in LABELS.values():
        large = [
            any((scene == value).sum() >= 40 for value in np.unique(scene[scene // 1000 == label])) for scene in ids
        ]
        assert np.mean(large) > 0.15, label


def test_boxes_of_every_class_have_a_shape_of_its_own():
    fill = {label: [] for label in LABELS.values()}
    for scene in drawn_ids(ALL, 60):
        for value in np.unique(scene[scene >= 1000]).tolist():
            rows, columns = np.nonzero(scene == value)
            if rows.size >= 40 and value // 1000 in fill:
                fill[value // 1000].append(rows.size / ((np.ptp(rows) + 1) * (np.ptp(columns) + 1)))
    mean = {label: np.mean(shares) for label, shares in fill.items()}
    assert mean[33] < 0.5 and mean[32] < 0.6  # two-wheelers leave half of their boxes to the street
    assert mean[27] < mean[28] and mean[28] > 0.7 and mean[31] > 0.65
    assert mean[19] > 0.75 and 0.5 < mean[20] < 0.95


@pytest.mark.integration
def test_labels_agree_and_the_number_of_processes_changes_nothing(tmp_path):
    scenes = with_things(synthetic(24, 2, size=(128, 64)), ALL)
    draw_all(scenes, tmp_path / "one", workers=1)
    draw_all(scenes, tmp_path / "two", workers=2)
    for kind in ("leftImg8bit", "instanceIds", "labelIds"):
        assert digest(tmp_path / "one", kind) == digest(tmp_path / "two", kind)
    for path in (tmp_path / "one").rglob("*_instanceIds.png"):
        ids = np.asarray(Image.open(path)).astype(np.int32)
        labels = np.asarray(Image.open(str(path).replace("instanceIds", "labelIds")))
        assert np.array_equal(np.where(ids >= 1000, ids // 1000, ids), labels)


def test_scenes_with_all_things_are_a_function_of_their_seed():
    first, again, other = (drawn_ids(ALL, 2, DIFFICULTY, seed) for seed in (5, 5, 6))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
