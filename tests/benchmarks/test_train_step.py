"""The benchmark of a training step: its sides do what they say, in turn."""

import argparse
import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import public_recipe, sides, train_step
from benchmarks.public_recipe import Pictures, PublicRecipe
from stages.errors import UserError
from stages.model.erfnet import ERFNet


@pytest.fixture
def scenes(tmp_path):
    """Two photographs of 32x16 whose columns are their brightness; a car on the left half, a person on the right."""
    for kind in ("leftImg8bit", "gtFine"):
        (tmp_path / kind / "train" / "town").mkdir(parents=True)
    columns = np.broadcast_to(np.arange(32, dtype=np.uint8) * 8, (16, 32))
    labels = np.broadcast_to(np.where(np.arange(32) < 16, 26, 24).astype(np.uint8), (16, 32))
    for name in ("a", "b"):
        photograph = Image.fromarray(np.stack([columns] * 3, axis=-1))
        photograph.save(tmp_path / "leftImg8bit" / "train" / "town" / f"{name}_leftImg8bit.png")
        Image.fromarray(labels).save(tmp_path / "gtFine" / "train" / "town" / f"{name}_gtFine_labelIds.png")
    return tmp_path


def test_the_public_recipe_decodes_resizes_mirrors_and_shifts_both_pictures_alike(scenes):
    pictures = Pictures(scenes, (16, 8))
    assert len(pictures) == 2
    mirrored = set()
    for _ in range(40):
        image, classes = pictures[0]
        assert (image.shape, image.dtype) == ((3, 8, 16), torch.float32)
        assert (classes.shape, classes.dtype) == ((8, 16), torch.int64)
        known = classes != 255
        assert 4 * 12 <= known.sum() <= 8 * 16
        assert set(classes[known].tolist()) == {1, 2}
        assert (
            (image[0] > 0.5)[known] == (classes == 2)[known]
        ).float().mean() > 0.9  # the right half is the bright one
        mirrored.add(bool(classes[4, 4] == 2))
    assert mirrored == {True, False}


@pytest.mark.parametrize(("right", "down"), list(itertools.product((-2, 0, 1), repeat=2)))
def test_a_shift_moves_and_fills(right, down):
    array = np.arange(1, 49, dtype=np.uint8).reshape(6, 8)
    moved = public_recipe._shifted(array, right, down, 0)
    for y, x in itertools.product(range(6), range(8)):
        inside = 0 <= y - down < 6 and 0 <= x - right < 8
        assert moved[y, x] == (array[y - down, x - right] if inside else 0)


def test_the_public_recipe_learns(scenes):
    torch.manual_seed(0)
    network = ERFNet(3, 0.25)
    before = network.head.weight.detach().clone()
    PublicRecipe(network, scenes, (16, 8), batch_size=2, workers=0, device=torch.device("cpu")).step()
    assert not torch.equal(network.head.weight, before)


def test_sides_run_in_turn_and_a_ratio_is_the_median_of_the_rounds(monkeypatch):
    ran, now = [], [0.0]
    monkeypatch.setattr(sides.time, "perf_counter", lambda: now[0])

    def side(name, cost):
        def step():
            ran.append(name)
            now[0] += cost * (10 if len(ran) in (5, 6) else 1)  # a disturbance of one round's one side

        return step

    timed = sides.in_turn({"a": side("a", 1.0), "b": side("b", 3.0)}, rounds=3, steps=2, warm_up=1)
    assert ran == ["a", "b", *["a", "a", "b", "b"] * 3]
    assert timed["a"].ratio(timed["b"]) == 3.0
    assert timed["a"].median == 1.0
    assert timed["b"].seconds == (30.0, 3.0, 3.0)


def options(**changed) -> argparse.Namespace:
    given = {
        "size": "32x16",
        "batch": 2,
        "images": 8,
        "width": 0.25,
        "rows": ["bce-500-2280", "bootstrap-500-2280-stable"],
        "device": "cpu",
        "workers": 0,
        "engines": ["auto", "plain"],
        "rounds": 1,
        "steps": 1,
        "public": None,
    }
    return argparse.Namespace(**given | changed)


def test_every_side_is_timed_beside_the_public_recipe(tmp_path):
    timed = train_step.run(options(), tmp_path)
    lines = train_step.table(timed, 2).splitlines()
    assert [line.split("  ")[0].strip() for line in lines[1:]] == list(timed)
    rows = ["bce-500-2280", "bootstrap-500-2280-stable"]
    assert list(timed) == [train_step.PUBLIC, *rows, *(f"{row} (plain)" for row in rows)]
    assert [lines[i].split()[-1] for i in (1, 2, 4)] == ["1.00"] * 3  # the plain loss over itself


def test_a_row_with_a_clean_label_warm_up_is_timed_where_it_draws_boxes(tmp_path, monkeypatch):
    settings = train_step.settings_for((32, 16), 2, 0.25, "cpu", 8)
    train_step.draw(settings, tmp_path)
    clean: list[torch.Tensor] = []
    monkeypatch.setattr(train_step.Trainer, "advance", lambda _, images, labels: clean.append(labels.pixel_perfect))
    step = train_step.ours(settings, "uncertainty-500-2280-warmup", tmp_path, torch.device("cpu"), "auto")
    for _ in range(8):
        step()
    assert not torch.cat(clean).all()


@pytest.mark.parametrize("option", ["--batch", "--images", "--threads", "--rounds", "--steps"])
def test_a_count_below_one_is_a_line_of_usage(option, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["train_step", option, "0"])
    with pytest.raises(SystemExit) as stopped:
        train_step.main()
    assert stopped.value.code == 2
    assert f"argument {option}: 0; allowed: a whole number from 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"size": "30x16"}, "--size 30x16: allowed: "),
        ({"size": "large"}, "--size large: allowed: "),
        ({"rows": ["bce-1"]}, "--rows bce-1: no such row"),
        ({"width": 0.3}, "--width: width=0.3: 16 * width must be"),
        ({"device": "gpu"}, "device is gpu; allowed: auto, cpu, cuda"),
        ({"public": "nowhere"}, "--public nowhere: "),
    ],
)
def test_a_mistake_is_told_before_anything_is_drawn(tmp_path, changed, message):
    if "public" in changed:
        changed = {"public": tmp_path / "nowhere"}
        message = f"--public {tmp_path / 'nowhere'}: "
    with pytest.raises(UserError) as error:
        train_step.run(options(**changed), tmp_path / "empty")
    assert str(error.value).startswith(message)
    assert not (tmp_path / "empty").exists()
