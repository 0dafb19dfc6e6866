"""The corrected boxes of a run's own images."""

import csv
import json
import math
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from stages import arrays, paths
from stages.boxes.spans import span
from stages.errors import UserError
from stages.predict.relabel import enlarge, write_relabelled
from tests.predict.trained import BINARY, MULTI_CLASS, PLAIN


def write(predictor_of, run_of, scenes, out, row, **options):
    return write_relabelled(predictor_of(row), run_of(row), out, root=scenes, **options)


@pytest.fixture(params=[BINARY, MULTI_CLASS])
def written(request, predictor_of, run_of, scenes, tmp_path):
    """What a run's relabelling wrote, beside its data and its predictor."""
    row = request.param
    count = write(predictor_of, run_of, scenes, tmp_path / "out", row, batch=5)
    packed = arrays.open_packed(paths.packed("synthetic", scenes))
    with (tmp_path / "out" / "relabelled.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    return SimpleNamespace(
        count=count,
        packed=packed,
        predictor=predictor_of(row),
        boxes=json.loads((packed.path / "boxes.json").read_text()),
        coco=COCO(tmp_path / "out" / "relabelled.json"),
        table=table,
    )


def test_each_box_of_the_box_images_is_an_annotation_with_a_mask_inside_of_it(written):
    _, pool = arrays.pools(written.packed, written.predictor.chosen.row)
    names = {written.packed.train.ids[k] for k in pool}
    images = written.coco.dataset["images"]
    assert {image["file_name"] for image in images} == names and len(images) == len(names)
    given = {box["id"]: box for box in written.boxes["annotations"]}
    ids = [box["id"] for box in written.coco.dataset["annotations"]]
    assert len(ids) == len(set(ids)) == written.count > 5
    for box in written.coco.dataset["annotations"]:
        assert box["bbox"] == given[box["id"]]["bbox"] and box["category_id"] == given[box["id"]]["category_id"]
        image = written.coco.imgs[box["image_id"]]
        mask = np.array(coco_mask.decode(box["segmentation"]))
        assert mask.shape == (image["height"], image["width"]) and mask.sum() == box["area"]
        x, y, w, h = box["bbox"]
        assert mask[y : y + h, x : x + w].sum() == mask.sum()


def test_flips_are_the_predictors(written):
    """The mask at the centres of training pixels, and the share, recomputed from Eq 11 or Eq 16 image by image.

    The teacher decides, on the image and its mirror image.
    """
    split, task, predictor = written.packed.train, written.predictor.run["task"], written.predictor
    by_name = {image["file_name"]: image["id"] for image in written.coco.dataset["images"]}
    shares = []
    for k, name in enumerate(split.ids):
        if name not in by_name:
            continue
        image, target, index = (
            torch.from_numpy(np.array(x[k : k + 1])).long()
            for x in (split.images, split.targets(task), split.indices(task))
        )
        own = predictor(image.to(torch.uint8))
        prediction = predictor.decider(image.to(torch.uint8), own, target, index)
        assert not torch.equal(own.output, prediction.output)
        labels = predictor.relabel(prediction, target, predictor.label_flips(prediction, target, index))[0]
        variance = predictor.label_log_variance(prediction, target)[0].exp()
        in_order = sorted(written.coco.imgToAnns[by_name[name]], key=lambda box: box["id"])
        numbers = np.unique(index[index > 0])
        assert len(numbers) == len(in_order)
        for number, box in zip(numbers, in_order, strict=True):
            place = index[0] == int(number)
            assert box["attributes"]["flipped"] == pytest.approx(
                (labels[place] != box["category_id"]).double().mean().item(), abs=1e-4
            )
            assert box["attributes"]["variance"] == pytest.approx(variance[place].double().mean().item(), rel=1e-3)
            mask = np.array(coco_mask.decode(box["segmentation"]))[1::2, 1::2]  # the scenes are twice the training size
            inside = place.numpy()
            np.testing.assert_array_equal(mask[inside], (labels == box["category_id"]).numpy()[inside])
            shares.append(box["attributes"]["flipped"])
    assert min(shares) < 0.8 and max(shares) > 0.2  # kept and flipped pixels are there, or this proves little


def test_most_doubtful_first(written):
    variances = [box["attributes"]["variance"] for box in written.coco.dataset["annotations"]]
    assert variances == sorted(variances, reverse=True)
    first = list(dict.fromkeys(box["image_id"] for box in written.coco.dataset["annotations"]))
    assert [image["id"] for image in written.coco.dataset["images"]][: len(first)] == first
    assert [int(line["rank"]) for line in written.table] == list(range(1, written.count + 1))
    for line, box in zip(written.table, written.coco.dataset["annotations"], strict=True):
        assert line["picture"] == written.coco.imgs[box["image_id"]]["file_name"]
        assert int(line["box"]) == box["id"]
        assert line["class"] == ("background", "car", "person")[box["category_id"]]
        assert float(line["flipped"]) == box["attributes"]["flipped"]
        assert float(line["variance"]) == pytest.approx(box["attributes"]["variance"])
        assert [int(line[key]) for key in ("x", "y", "width", "height")] == box["bbox"]


@pytest.mark.parametrize("full", [(32, 16), (64, 32), (100, 50), (7, 5), (333, 200)])
def test_a_box_without_a_flip_stays_the_box_to_the_pixel(full):
    rng = np.random.default_rng(1)
    for _ in range(50):
        x, y = (int(rng.integers(0, side)) for side in full)
        w, h = (int(rng.integers(1, side - start + 1)) for side, start in zip(full, (x, y), strict=True))
        drawn = np.zeros((16, 32), bool)
        drawn[span(y, y + h, full[1], 16), span(x, x + w, full[0], 32)] = True
        picture, box = {"window": [0, 0, *full]}, {"bbox": [x, y, w, h]}
        mask = enlarge(drawn, picture, box)
        assert mask.shape == (h, w) and mask.all()
        assert not enlarge(~drawn, picture, box).any()


def test_a_row_that_flips_nothing_is_refused(predictor_of, run_of, scenes, tmp_path):
    with pytest.raises(UserError, match=r"bce-500-2280/seed-0: loss bce flips no labels; .*bootstrap") as error:
        write(predictor_of, run_of, scenes, tmp_path, PLAIN)
    assert "\n" not in str(error.value)


def test_nothing_is_written_over_without_force(predictor_of, run_of, scenes, tmp_path):
    (tmp_path / "relabelled.csv").write_text("mine")
    with pytest.raises(UserError, match=r"relabelled\.csv: exists already; .*--force"):
        write(predictor_of, run_of, scenes, tmp_path, BINARY)
    assert [file.name for file in tmp_path.iterdir()] == ["relabelled.csv"]
    write(predictor_of, run_of, scenes, tmp_path, BINARY, force=True)
    assert (tmp_path / "relabelled.csv").read_text().startswith("rank,picture,box,class,flipped,variance,")


def test_other_data_than_the_trainings_are_refused(predictor_of, run_of, scenes, tmp_path):
    other = paths.packed("synthetic", tmp_path)
    shutil.copytree(paths.packed("synthetic", scenes), other)
    split = json.loads((other / "split.json").read_text())
    arrays.write_json(other / "split.json", split | {"pp_order": split["pp_order"][::-1]})
    with pytest.raises(UserError, match=r"packed: is not what .*seed-0 was trained on; `dvc repro`"):
        write(predictor_of, run_of, tmp_path, tmp_path / "out", BINARY)


def test_a_boxes_file_of_other_images_is_named(predictor_of, run_of, scenes, tmp_path):
    other = paths.packed("synthetic", tmp_path)
    shutil.copytree(paths.packed("synthetic", scenes), other)
    boxes = json.loads((other / "boxes.json").read_text())
    arrays.write_json(other / "boxes.json", boxes | {"images": boxes["images"][1:]})
    with pytest.raises(UserError, match=r"boxes\.json: lists other images than split\.json"):
        write(predictor_of, run_of, tmp_path, tmp_path / "out", BINARY)


def change_annotation(boxes, **values):
    return boxes | {"annotations": [boxes["annotations"][0] | values, *boxes["annotations"][1:]]}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda boxes: [], "has no list of images"),
        (lambda boxes: {"images": boxes["images"]}, "has no list of annotations"),
        (lambda boxes: boxes | {"images": [*boxes["images"], 1]}, r"entry \d+ of images is damaged"),
        (lambda boxes: boxes | {"images": [{"id": 1}]}, "entry 0 of images is damaged"),
        (lambda boxes: change_annotation(boxes, bbox=[0, 0, 5]), "entry 0 of annotations is damaged"),
        (lambda boxes: change_annotation(boxes, bbox=[0, 0, 0, 5]), "entry 0 of annotations is damaged"),
        (lambda boxes: change_annotation(boxes, category_id="car"), "entry 0 of annotations is damaged"),
        (lambda boxes: change_annotation(boxes, image_id=10**6), r"annotation \d+ names image 1000000, which it lacks"),
    ],
)
def test_a_damaged_boxes_file_is_one_line(predictor_of, run_of, scenes, tmp_path, damage, message):
    other = paths.packed("synthetic", tmp_path)
    shutil.copytree(paths.packed("synthetic", scenes), other)
    arrays.write_json(other / "boxes.json", damage(json.loads((other / "boxes.json").read_text())))
    with pytest.raises(UserError, match=rf"boxes\.json: {message}; make it again with `dvc"):
        write(predictor_of, run_of, tmp_path, tmp_path / "out", BINARY)
    assert not (tmp_path / "out").exists()


def test_a_record_that_is_none_is_one_line(predictor_of, run_of, scenes, tmp_path):
    copy = shutil.copytree(run_of(BINARY), tmp_path / "run")
    (copy / "record.json").write_text("[]")
    with pytest.raises(UserError, match=r"record\.json: is not what a training writes; train this run again$"):
        write_relabelled(predictor_of(BINARY), copy, tmp_path / "out", root=scenes)


def test_variance_far_beyond_fp32_is_still_a_number(predictor_of, run_of, scenes, tmp_path, monkeypatch):
    predictor = predictor_of(BINARY)
    constant = lambda prediction, target: torch.full(target.shape, 90.0)  # noqa: E731
    monkeypatch.setattr(predictor, "label_log_variance", constant)
    write(predictor_of, run_of, scenes, tmp_path, BINARY)
    found = json.loads((tmp_path / "relabelled.json").read_text())["annotations"]
    assert {box["attributes"]["variance"] for box in found} == {float(f"{math.exp(90):.4g}")}
