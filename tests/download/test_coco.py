"""Own data: where pictures and annotation files may lie, and which images validate."""

import numpy as np
import pytest

from stages.download import coco as source
from stages.download.coco import CocoScenes, splits
from tests.download.fabricated import profile, save, snapshot


def add(coco, *names: str, **changes) -> None:
    for name in names:
        coco.object(coco.picture(name, **changes), segmentation=[[1, 1, 9, 1, 9, 9, 1, 9]])


def parts(entries) -> dict[str, str]:
    return {name: entry.split for name, entry in entries.items()}


def test_the_folder_is_left_alone_and_labels_are_drawn_elsewhere(coco, entries, out):
    add(coco, "a.png", "deep/er/b b.png")
    coco.write()
    before = snapshot(coco.root)
    found = entries()
    assert snapshot(coco.root) == before
    assert sorted(path.name for path in out.iterdir()) == ["labels", "manifest.json"]
    assert list(found) == ["a.png", "deep/er/b b.png"]
    assert found["deep/er/b b.png"].image == coco.root / "deep/er/b b.png"
    assert found["deep/er/b b.png"].labels == out / "labels/deep/er/b b.png.png"


@pytest.mark.parametrize("name", ["result.json", "annotations/instances_default.json", "_annotations.coco.json"])
def test_one_file_is_all_of_train(coco, entries, name):
    add(coco, "images/a.png", "images/b.png")
    coco.write(name)
    assert parts(entries()) == {"images/a.png": "train", "images/b.png": "train"}


@pytest.mark.parametrize(
    ("train", "val"),
    [
        ("train.json", "val.json"),
        ("annotations/instances_train2017.json", "annotations/instances_val2017.json"),
        ("my-Train.json", "my-Validation.json"),
        ("train/_annotations.coco.json", "valid/_annotations.coco.json"),
    ],
)
def test_files_are_split_by_their_names(coco, entries, train, val):
    add(coco, "train/a.png")
    coco.write(train)
    add(coco, "valid/b.png")
    coco.write(val)
    assert parts(entries()) == {"train/a.png": "train", "valid/b.png": "val"}


def test_names_without_a_word_for_validation_are_pooled(tmp_path):
    files = [tmp_path / name for name in ("interval.json", "trainval.json", "evaluation.json")]
    assert set(splits(files).values()) == {"train"}
    assert set(splits([tmp_path / "val.json"]).values()) == {"train"}
    assert set(splits([tmp_path / "val.json", tmp_path / "valid.json"]).values()) == {"train"}
    three = splits([tmp_path / f"{name}.json" for name in ("train", "val", "test")])
    assert [three[tmp_path / f"{name}.json"] for name in ("train", "val", "test")] == ["train", "val", "test"]


def test_roboflows_pictures_are_found_beside_their_file_though_names_repeat(coco, entries):
    for part in ("train", "valid"):
        coco.object(coco.picture(f"{part}/a.png", file_name="a.png"), segmentation=[[1, 1, 9, 1, 9, 9, 1, 9]])
        coco.write(f"{part}/_annotations.coco.json")
    assert parts(entries()) == {"train/a.png": "train", "valid/a.png": "val"}


def test_other_tasks_files_beside_instances_are_left_out(coco, entries):
    add(coco, "a.png")
    coco.write("annotations/instances_train.json")
    (coco.root / "annotations" / "captions_train.json").write_text("{}")
    (coco.root / "labelme").mkdir()
    (coco.root / "labelme" / "a.json").write_text("{}")
    assert list(entries()) == ["a.png"]


def test_files_with_a_leading_dot_are_no_files(coco, entries):
    add(coco, "a.png")
    coco.write()
    (coco.root / "._instances.json").write_bytes(b"\0\5\26\7")
    save(coco.root / ".hidden" / "a.png", np.zeros((9, 9), np.uint8))
    assert list(entries()) == ["a.png"]


def test_the_profile_may_name_both_places(coco, entries, tmp_path, monkeypatch):
    add(coco, "pictures/a.png")
    file = coco.write("a.json").rename(tmp_path / "masks.json")
    add(coco, "pictures/b.png")
    coco.write("elsewhere/val.json")
    monkeypatch.chdir(tmp_path)
    scenes = {"source": "coco", "images": "own/pictures", "annotations": [str(file), "own/elsewhere/val.json"]}
    found = entries(profile(CocoScenes.model_validate(scenes)), COCO_ROOT="/nope")
    assert parts(found) == {"a.png": "train", "b.png": "val"}


def test_paths_of_a_profile_are_found_from_a_queued_copy(coco, entries, tmp_path, monkeypatch):
    add(coco, "a.png")
    coco.write()
    (tmp_path / "copy").mkdir()
    monkeypatch.chdir(tmp_path / "copy")
    scenes = CocoScenes(source="coco", images="own")
    assert list(entries(profile(scenes), COCO_ROOT="", DVC_ROOT=str(tmp_path))) == ["a.png"]


def test_what_decides_whether_download_runs_again(coco, tmp_path, out):
    add(coco, "a.png")
    outside = coco.write().rename(tmp_path / "instances.json")
    scenes = CocoScenes(source="coco", annotations=str(outside))
    place = source.place(scenes, out, {"COCO_ROOT": str(coco.root)})
    assert (place.root, place.parts) == (coco.root, (coco.root, outside))


# ---- refusals --------------------------------------------------------------------------------------------------------


def test_no_place_is_named(refusal):
    assert "set COCO_ROOT to a folder of pictures" in refusal(COCO_ROOT="")


def test_a_folder_that_there_is_not(refusal, coco):
    assert refusal(COCO_ROOT="/nope") == "COCO_ROOT is /nope, which is no folder"
    images = profile(CocoScenes(source="coco", images="/nope"))
    assert refusal(images) == "configs/datasets.yaml: scenes.images is /nope, which is no folder"
    add(coco, "a.png")
    files = profile(CocoScenes(source="coco", annotations="/nope.json"))
    assert refusal(files) == "configs/datasets.yaml: scenes.annotations is /nope.json, which is no file"


def test_a_folder_without_annotations(coco, refusal):
    add(coco, "a.png")
    message = refusal()
    assert message.startswith(f"{coco.root}: no annotation file; expected") and "scenes.annotations" in message
