"""The prediction of pictures of every size and kind with a trained network."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from stages.errors import UserError
from stages.figures.style import class_picture
from stages.predict import maps, run
from stages.predict.run import Options, predict_pictures
from stages.predict.sources import find
from tests.predict.trained import BINARY, L2, MULTI_CLASS, PLAIN, SIZE, photograph

KINDS = {
    "as trained.png": (SIZE, "RGB"),
    "sub/larger.jpg": ((301, 160), "RGB"),
    "sub/dot.png": ((1, 1), "RGB"),
    "tall.png": ((3, 400), "RGB"),
    "wide.png": ((400, 3), "RGB"),
    "grey.png": ((90, 60), "L"),
    "clear.png": ((70, 50), "RGBA"),
}


ORIENTATION = 0x0112  # EXIF's tag


@pytest.fixture
def pictures(tmp_path):
    """A folder with pictures of all kinds."""
    for number, (name, (size, kind)) in enumerate(KINDS.items()):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photograph(*size, seed=number)).convert(kind).save(tmp_path / "in" / name, quality=95)
    return tmp_path / "in"


@pytest.fixture
def exact(tmp_path):
    """A folder with one picture of the training size."""
    (tmp_path / "one").mkdir()
    Image.fromarray(photograph(*SIZE)).save(tmp_path / "one" / "exact.png")
    return tmp_path / "one"


def predict(predictor, folder, out, **options):
    return predict_pictures(predictor, find([str(folder)], out), out, Options(**options))


def contents(out):
    return {file.relative_to(out).as_posix(): file.read_bytes() for file in out.rglob("*") if file.is_file()}


def decoded(annotation):
    return np.asarray(coco_mask.decode(annotation["segmentation"])).astype(bool)


@pytest.mark.parametrize("mode", [{}, {"mode": "tile", "scale": 0.7}], ids=["fit", "tile"])
@pytest.mark.parametrize("row", [BINARY, MULTI_CLASS, PLAIN, L2])
def test_every_picture_gets_its_files_at_its_own_size(predictor_of, pictures, tmp_path, row, mode):
    predictor, out = predictor_of(row), tmp_path / "out"
    assert predict(predictor, pictures, out, workers=2, batch=3, **mode) == len(KINDS)
    endings = [".png", "_overlay.jpg"] + (["_uncertainty.png"] if row != PLAIN else [])
    stems = [name.rsplit(".", 1)[0] for name in KINDS]
    assert set(contents(out)) == {"predictions.json", *(stem + ending for stem in stems for ending in endings)}
    coco = COCO(out / "predictions.json")
    assert [image["file_name"] for image in coco.dataset["images"]] == sorted(KINDS)
    names = predictor.run["classes"]
    assert [category["name"] for category in coco.dataset["categories"]] == names[1:]
    for image in coco.dataset["images"]:
        size = KINDS[image["file_name"]][0]
        assert (image["width"], image["height"]) == size
        stem = image["file_name"].rsplit(".", 1)[0]
        opened = [Image.open(out / (stem + ending)) for ending in endings]
        assert {file.size for file in opened} == {size}
        ids = np.array(opened[0])
        assert opened[0].mode == "P" and ids.max() < len(names)
        np.testing.assert_array_equal(opened[0].convert("RGB"), class_picture(ids))
        rebuilt = np.zeros_like(ids)
        for part in coco.imgToAnns[image["id"]]:
            mask = decoded(part)
            assert mask.sum() == part["area"] and not rebuilt[mask].any()
            assert (1 / len(names)) <= part["score"] <= 1
            rebuilt[mask] = part["category_id"]
            rows, columns = np.nonzero(mask)
            x, y, w, h = part["bbox"]
            assert (rows.min(), columns.min(), np.ptp(rows) + 1, np.ptp(columns) + 1) == (y, x, h, w)
        np.testing.assert_array_equal(rebuilt, ids)


@pytest.mark.parametrize("row", [BINARY, MULTI_CLASS, PLAIN])
def test_a_picture_of_the_training_size_is_what_the_predictor_says(predictor_of, exact, tmp_path, row):
    predictor = predictor_of(row)
    predict(predictor, exact, tmp_path / "out")
    expected = predictor(torch.from_numpy(photograph(*SIZE))[None])
    ids = np.array(Image.open(tmp_path / "out" / "exact.png"))
    np.testing.assert_array_equal(ids, expected.output[0])
    assert len(np.unique(ids)) == len(predictor.run["classes"])  # or this proves little
    if row != PLAIN:
        level = np.array(Image.open(tmp_path / "out" / "exact_uncertainty.png"))
        np.testing.assert_array_equal(level, maps.levels(expected.variance[0].amax(dim=0)))
        assert np.ptp(level) > 10


def test_a_tile_that_is_the_picture_gives_what_fit_gives(predictor_of, exact, tmp_path):
    predict(predictor_of(MULTI_CLASS), exact, tmp_path / "fit")
    predict(predictor_of(MULTI_CLASS), exact, tmp_path / "tile", mode="tile")
    assert contents(tmp_path / "fit") == contents(tmp_path / "tile")


@pytest.mark.parametrize("mode", ["fit", "tile"])
def test_batches_and_workers_change_nothing(predictor_of, pictures, tmp_path, mode):
    for name in ("again 1.png", "again 2.png", "again 3.png"):
        Image.fromarray(photograph(200, 100, seed=len(name))).save(pictures / name)
    predict(predictor_of(BINARY), pictures, tmp_path / "a", mode=mode, batch=1)
    predict(predictor_of(BINARY), pictures, tmp_path / "b", mode=mode, batch=5, workers=3)
    first, second = (contents(tmp_path / name) for name in "ab")
    assert first.keys() == second.keys()
    for name in first.keys() - {"predictions.json"}:
        one, other = (np.array(Image.open(tmp_path / folder / name), int) for folder in "ab")
        assert np.abs(one - other).max() <= name.endswith("_uncertainty.png"), name  # a level may round otherwise
    of_first, of_second = (json.loads(found["predictions.json"])["annotations"] for found in (first, second))
    for one, other in zip(of_first, of_second, strict=True):
        assert one.pop("score") == pytest.approx(other.pop("score"), abs=2e-4)
        assert one == other


def test_a_photograph_on_its_side_is_predicted_as_it_is_shown(predictor_of, exact, tmp_path):
    shown = Image.open(exact / "exact.png")
    (tmp_path / "turned").mkdir()
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # shown turned clockwise
    shown.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned" / "exact.png", exif=exif)
    predict(predictor_of(BINARY), exact, tmp_path / "a")
    predict(predictor_of(BINARY), tmp_path / "turned", tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_larger_copy_is_predicted_as_the_picture(predictor_of, exact, tmp_path):
    (tmp_path / "three").mkdir()
    large = Image.open(exact / "exact.png").resize((SIZE[0] * 3, SIZE[1] * 3), Image.Resampling.NEAREST)
    large.save(tmp_path / "three" / "exact.png")
    predictor = predictor_of(BINARY)
    predict(predictor, exact, tmp_path / "one out")
    predict(predictor, tmp_path / "three", tmp_path / "fit")
    predict(predictor, tmp_path / "three", tmp_path / "tile", mode="tile", scale=1 / 3)
    small, fit, tile = (np.array(Image.open(tmp_path / name / "exact.png")) for name in ("one out", "fit", "tile"))
    np.testing.assert_array_equal(fit[1::3, 1::3], small)  # the centres of the pixels
    np.testing.assert_array_equal(fit, tile)


def test_a_broken_picture_is_left_out_and_listed(predictor_of, pictures, tmp_path, capsys):
    (pictures / "sub" / "broken.png").write_bytes((pictures / "grey.png").read_bytes()[:80])
    (pictures / "text.jpg").write_text("no picture")
    with pytest.raises(UserError, match="^2 of 9 pictures could not be predicted") as error:
        predict(predictor_of(PLAIN), pictures, tmp_path / "out")
    assert "\n" not in str(error.value)
    lines = [line for line in capsys.readouterr().err.splitlines() if "not an image, or a truncated one" in line]
    assert len(lines) == 2
    assert lines[0].startswith(f"{pictures / 'sub' / 'broken.png'}: not an image, or a truncated one (")
    assert lines[1].startswith(f"{pictures / 'text.jpg'}: not an image, or a truncated one (")
    listed = json.loads((tmp_path / "out" / "predictions.json").read_text())["images"]
    assert [image["file_name"] for image in listed] == sorted(KINDS)


def test_nothing_is_written_over_without_force(predictor_of, exact, tmp_path):
    out = tmp_path / "out"
    predict(predictor_of(BINARY), exact, out)
    (out / "predictions.json").unlink()
    (out / "exact.png").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"exact\.png: exists already \(and 2 more\); .*--force") as error:
        predict(predictor_of(BINARY), exact, out)
    assert "\n" not in str(error.value)
    assert (out / "exact.png").read_bytes() == b"mine" and not (out / "predictions.json").exists()
    predict(predictor_of(BINARY), exact, out, force=True)
    assert np.array(Image.open(out / "exact.png")).shape == SIZE[::-1]


def test_a_folder_that_cannot_be_written_is_one_line(predictor_of, exact, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UserError, match="out: is no folder; take another --out$"):
        predict(predictor_of(PLAIN), exact, tmp_path / "out")


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("folder", ["one", "link"])
def test_a_picture_is_never_written_over(predictor_of, exact, tmp_path, folder, force):
    (tmp_path / "link").symlink_to("one")
    before = contents(exact)
    for named, out in ((exact, tmp_path / folder), (tmp_path / folder, exact)):
        sources = find([str(named / "exact.png")], out)
        with pytest.raises(UserError, match=r"exact\.png: is one of the pictures and would be written over; take ano"):
            predict_pictures(predictor_of(PLAIN), sources, out, Options(force=force))
    assert contents(exact) == before


def test_outputs_that_cannot_be_written_are_found_before_any_is(predictor_of, pictures, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "sub").write_text("a file")
    with pytest.raises(UserError, match=r"out/sub: is no folder; take another --out$"):
        predict(predictor_of(PLAIN), pictures, out)
    (out / "sub").unlink()
    Image.fromarray(photograph(9, 9)).save(pictures / f"{'n' * 245}.png")
    with pytest.raises(UserError, match=r"n\.png: cannot be written: a name in it takes \d+ bytes .*; allowed: 255; "):
        predict(predictor_of(PLAIN), pictures, out)
    assert contents(out) == {}


def test_a_picture_that_the_scale_makes_too_large_is_left_out(predictor_of, exact, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run, "LARGEST", 2_000_000)
    Image.fromarray(photograph(9, 9)).save(exact / "small.png")
    with pytest.raises(UserError, match="^1 of 2 pictures could not be predicted, those above; .*out has the rest$"):
        predict(predictor_of(PLAIN), exact, tmp_path / "out", mode="tile", scale=20)
    message = "exact.png: --scale 20 makes it 2560x1280 pixels; allowed: up to 2 million pixels; take a smaller"
    assert message in capsys.readouterr().err


def test_a_name_that_json_cannot_hold_is_left_out(predictor_of, exact, tmp_path, capsys):
    try:
        Image.open(exact / "exact.png").save(exact / "caf\udce9.png")
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    with pytest.raises(UserError, match="^1 of 2 pictures could not be predicted"):
        predict(predictor_of(PLAIN), exact, tmp_path / "out")
    assert "its name is not UTF-8, as predictions.json needs; rename it" in capsys.readouterr().err
    listed = json.loads((tmp_path / "out" / "predictions.json").read_text())["images"]
    assert [image["file_name"] for image in listed] == ["exact.png"]


def test_where_all_pictures_are_broken_nothing_is_written_and_each_is_a_line(predictor_of, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "two\nlines.png").write_text("no picture")
    message = "^1 of 1 pictures could not be predicted, those above; nothing was predicted, and nothing written$"
    with pytest.raises(UserError, match=message):
        predict(predictor_of(PLAIN), tmp_path / "in", tmp_path / "out")
    assert "two\\nlines.png: not an image" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_no_part_of_a_file_is_left(predictor_of, exact, tmp_path, monkeypatch):
    def stop(image, path, *_, **__):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", stop)
    with pytest.raises(UserError, match=r"exact\.png: cannot be written: No space left on device"):
        predict(predictor_of(PLAIN), exact, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
