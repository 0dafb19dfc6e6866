"""The drawn scenes: a function of their seed, in Cityscapes' layout, with the variety that the paper's task needs."""

import json
import re

import numpy as np
import pytest
from cityscapesscripts.helpers.csHelpers import getCsFileInfo
from PIL import Image

from stages.download.run import download
from stages.errors import UserError
from stages.synthetic.canvas import NEAR, Camera, Canvas
from stages.synthetic.dataset import draw_all
from stages.synthetic.vehicles import paint
from stages.synthetic.world import Difficulty, Street, World
from tests.download.fabricated import DIFFICULTY, profile, snapshot, synthetic

N = 48


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """N train and 4 val scenes at the default size, drawn by two processes."""
    out = tmp_path_factory.mktemp("scenes") / "out"
    draw_all(synthetic(N, 4), out, workers=2)
    return out


@pytest.fixture(scope="module")
def instances(drawn):
    """Every train scene's instance ids, (N, H, W)."""
    paths = sorted(drawn.glob("gtFine/train/*/*_gtFine_instanceIds.png"))
    return np.stack([np.asarray(Image.open(path)).astype(np.int32) for path in paths])


@pytest.fixture(scope="module")
def boxes(instances):
    """(class, height, width, mask pixels, cut by the border) of every visible instance of 40 pixels and more."""
    found = []
    for ids in instances:
        for value in np.unique(ids[ids >= 1000]):
            rows, columns = np.nonzero(ids == value)
            cut = columns.min() == 0 or columns.max() == ids.shape[1] - 1
            if rows.size >= 40:
                found.append((value // 1000, np.ptp(rows) + 1, np.ptp(columns) + 1, rows.size, cut))
    return np.array(found)


def relative(root):
    return {path[len(str(root)) :]: content for path, (content, _) in snapshot(root).items()}


def test_the_number_of_processes_changes_nothing(drawn, tmp_path):
    draw_all(synthetic(N, 4), tmp_path / "one", workers=1)
    assert relative(tmp_path / "one") == relative(drawn)


def test_a_scene_does_not_depend_on_how_many_are_drawn(drawn, tmp_path):
    draw_all(synthetic(3, 1), tmp_path / "few")
    few, many = relative(tmp_path / "few"), relative(drawn)
    assert few.items() <= many.items()


def test_another_seed_draws_other_scenes_and_splits_differ(drawn, tmp_path):
    draw_all(synthetic(1, 1, seed=1), tmp_path / "other")
    first = "leftImg8bit/train/ahrbach/ahrbach_000000_000019_leftImg8bit.png"
    assert (tmp_path / "other" / first).read_bytes() != (drawn / first).read_bytes()
    val = drawn / "gtFine/val/kaltenbach/kaltenbach_000000_000019_gtFine_instanceIds.png"
    train = drawn / "gtFine/train/ahrbach/ahrbach_000000_000019_gtFine_instanceIds.png"
    assert val.read_bytes() != train.read_bytes()


def test_manifest_lists_every_scene_with_paths_from_its_own_folder(out):
    path = download(profile(synthetic(3, 2, size=(64, 32))), "drawn", out)
    manifest = json.loads(path.read_text())
    assert (manifest["dataset"], manifest["layout"], manifest["root"]) == ("drawn", "cityscapes", ".")
    assert [entry["split"] for entry in manifest["images"]].count("train") == 3
    assert [entry["id"] for entry in manifest["images"]] == sorted(entry["id"] for entry in manifest["images"])
    assert manifest["checks"]["images"] == {"train": 3, "val": 2}
    for entry in manifest["images"]:
        files = [out / entry[key] for key in ("image", "labels", "instances")]
        assert [file.stat().st_size for file in files] == entry["bytes"]
        assert Image.open(files[0]).size == (entry["width"], entry["height"]) == (64, 32)


def test_drawing_again_replaces_what_was_drawn_and_gives_the_same_bytes(out):
    scenes = profile(synthetic(2, 1, size=(64, 32)))
    first = download(scenes, "drawn", out).read_bytes()
    download(profile(synthetic(4, 1, size=(64, 32))), "drawn", out)
    assert download(scenes, "drawn", out).read_bytes() == first
    assert len(list(out.glob("leftImg8bit/*/*/*.png"))) == 3


def test_links_into_dvcs_cache_are_replaced_and_what_they_lead_to_stays(out, tmp_path):
    """As of `dvc config cache.type symlink`."""
    scenes, cache = profile(synthetic(2, 1, size=(64, 32))), tmp_path / "cache"
    download(scenes, "drawn", out)
    before = relative(out)
    cache.mkdir()
    for number, file in enumerate(path for path in sorted(out.rglob("*")) if path.is_file()):
        file.rename(cache / str(number))
        file.symlink_to(cache / str(number))
    kept = relative(cache)
    download(scenes, "drawn", out)
    assert relative(out) == before and relative(cache) == kept
    assert not any(path.is_symlink() for path in out.rglob("*"))


def test_files_that_were_not_drawn_are_never_deleted(out):
    out.mkdir(parents=True)
    (out / "holiday.png").write_text("mine")
    with pytest.raises(UserError, match="holiday.png was not drawn"):
        download(profile(synthetic(1, 1, size=(64, 32))), "drawn", out)
    assert (out / "holiday.png").read_text() == "mine"


@pytest.mark.parametrize("size", [(64, 32), (128, 128), (512, 256)])
def test_any_size(out, size):
    draw_all(synthetic(1, 1, size=size), out)
    for path in out.rglob("*.png"):
        assert Image.open(path).size == size


def test_names_are_cityscapes_own(drawn):
    for path in drawn.rglob("*.png"):
        info = getCsFileInfo(path.name)
        assert info.city == path.parent.name
        assert re.fullmatch(r"\d{6}", info.sequenceNb)


def test_instance_ids_agree_with_label_ids(drawn):
    for path in drawn.glob("gtFine/*/*/*_gtFine_instanceIds.png"):
        ids = np.asarray(Image.open(path)).astype(np.int32)
        labels = np.asarray(Image.open(str(path).replace("instanceIds", "labelIds")))
        assert np.array_equal(np.where(ids >= 1000, ids // 1000, ids), labels)
        assert set(np.unique(ids[ids >= 1000] // 1000)) <= set(range(24, 34))


def test_both_classes_void_and_surroundings_are_there(instances):
    labels = np.where(instances >= 1000, instances // 1000, instances)
    share = np.bincount(labels.ravel(), minlength=34) / labels.size
    assert 0.04 < share[26] < 0.2 and 0.01 < share[24] < 0.08
    assert all(share[label] > 0.003 for label in (7, 8, 11, 21, 23)) and share[17] > 0.001
    assert 0 < share[:4].sum() < 0.05
    assert share[[4, 5, 20, 25, 27]].min() > 0  # look-alikes


def test_boxes_are_wrong_on_about_a_third_of_their_pixels(boxes):
    area, box = boxes[:, 3], boxes[:, 1] * boxes[:, 2]
    cars, people = boxes[:, 0] == 26, boxes[:, 0] == 24
    assert 0.58 < area[cars].sum() / box[cars].sum() < 0.75
    assert 0.33 < area[people].sum() / box[people].sum() < 0.6


def test_many_scales_and_things_cut_by_the_border(boxes):
    heights = boxes[boxes[:, 0] == 26, 1]
    assert np.percentile(heights, 10) < 12 and np.percentile(heights, 90) > 36 and heights.max() > 60
    assert 0.03 < boxes[boxes[:, 0] == 26, 4].mean() < 0.4


def test_many_things_stand_in_front_of_others(instances):
    hidden = seen = 0
    for ids in instances:
        for value in np.unique(ids[(ids >= 26000) & (ids < 27000)]):
            car = ids == value
            under = np.zeros_like(car)
            under[1:] = car[:-1] & ~car[1:]
            front = ids[under]  # what the car's lower edge meets: road, or something that hides it
            seen += 1
            hidden += front.size > 0 and ((front >= 1000) | np.isin(front, (4, 5, 13, 17, 21))).mean() > 0.2
    assert 0.2 < hidden / seen < 0.9


def mean_spread(root):
    photographs = [np.asarray(Image.open(path), float) for path in root.glob("leftImg8bit/train/*/*.png")]
    return np.mean([values.std() for values in photographs])


def test_wear_takes_contrast_from_the_photograph(tmp_path):
    for wear in (0.0, 1.0):
        draw_all(synthetic(6, 1, wear=wear), tmp_path / str(wear))
    assert mean_spread(tmp_path / "1.0") < mean_spread(tmp_path / "0.0")


def test_a_few_corners_are_projected_as_arrays_are():
    camera = Camera(focal=200, centre=(120, 60), height=1.5, roll=0.05)
    points = np.random.default_rng(0).uniform(-5, 40, (50, 3))
    assert (points[:, 2] < NEAR).any()
    np.testing.assert_array_equal(np.reshape(camera.corners(points.tolist()), (50, 2)), camera.project(points))


@pytest.mark.parametrize("camouflage", [0.0, 1.0])
def test_camouflage_takes_the_colour_of_the_surroundings(camouflage):
    camera = Camera(focal=64, centre=(32, 12), height=1.5, roll=0)
    canvas = Canvas((64, 32), camera, haze=(255, 255, 255), visibility=1e9)
    surroundings = np.array([40, 120, 80])
    canvas.picture.paste(tuple(surroundings.tolist()), (0, 0, *canvas.picture.size))
    difficulty = Difficulty(**(DIFFICULTY | {"camouflage": camouflage}))
    street = Street(road=(-4, 4), kerb=(-6, 6), kind="park")
    world = World(canvas, np.random.default_rng(0), difficulty, street, sun=0, shade=0, things=frozenset())
    distances = [np.abs(paint(world, 0.0, 1.5, 10.0) - surroundings).max() for _ in range(100)]
    assert (np.mean(distances) < 30) == (camouflage == 1)


def test_distance_makes_cars_small(tmp_path):
    size = {}
    for distance in (0.0, 1.0):
        draw_all(synthetic(12, 1, distance=distance), tmp_path / str(distance))
        maps = [np.asarray(Image.open(path)) for path in tmp_path.glob(f"{distance}/gtFine/train/*/*_instanceIds.png")]
        size[distance] = np.median([np.sum(ids == car) for ids in maps for car in np.unique(ids[ids // 1000 == 26])])
    assert size[0.0] > 1.5 * size[1.0]


def test_clutter_adds_things_that_are_neither_car_nor_person(tmp_path):
    share = {}
    for clutter in (0.0, 1.0):
        draw_all(synthetic(8, 1, clutter=clutter), tmp_path / str(clutter))
        paths = (tmp_path / str(clutter)).glob("gtFine/train/*/*_labelIds.png")
        share[clutter] = np.mean(
            [np.isin(np.asarray(Image.open(path)), (4, 5, 12, 25, 27, 28, 29, 30, 33)) for path in paths]
        )
    assert share[0.0] == 0 and share[1.0] > 0.01
