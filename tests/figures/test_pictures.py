"""Figures 2, 3, 5 and 6: the right pictures in the right places, and a collapse that says so."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from stages import arrays, paths
from stages.analysis.results import read_arrays
from stages.errors import UserError
from stages.figures import figure2, figure3, figure5, figure6, snapshots, style

DATASET = "synthetic"


def texts(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts).replace("\N{NO-BREAK SPACE}", " ")


def images(figure: Figure) -> list[np.ndarray]:
    """The panels' pictures, row by row, without the colour bar."""
    return [axes.images[0].get_array() for axes in figure.axes if axes.images]


@pytest.mark.parametrize("figure", [figure2, figure3, figure5, figure6])
def test_each_figure_names_its_dataset(untouched: Path, figure):
    picture = figure.draw(DATASET, 0, untouched)
    assert "synthetic street scenes" in texts(picture.figure)
    assert "synthetic street scenes" in picture.alt


def test_figure_2_shows_input_target_output_and_uncertainty(untouched: Path):
    panels = images(figure2.draw(DATASET, 0, untouched).figure)
    split = arrays.open_packed(paths.packed(DATASET, untouched)).val
    assert len(panels) == 4 * 4
    # The four pictures with the largest cars are the last four of the six.
    np.testing.assert_array_equal(panels[0], split.images[2])
    np.testing.assert_array_equal(panels[1], style.class_picture(split.targets("one")[2]))
    np.testing.assert_array_equal(panels[2], style.class_picture(split.targets("one")[2]))
    assert panels[3].max() == pytest.approx(1.7, abs=1e-2)


def test_figure_5_shows_two_pictures_at_three_moments_for_both_recipes(untouched: Path):
    figure = figure5.draw(DATASET, 0, untouched).figure
    panels = images(figure)
    assert len(panels) == 2 * 3 * 6
    flips = np.load(paths.train("bootstrap-500-2280-stable", 0, untouched) / "snapshots.npz")["label_flip"]
    np.testing.assert_array_equal(panels[2 * 6 + 4], flips[2, 4])  # third row: picture 4 (the fifth) at the last step
    assert "step\n35" in texts(figure)


def test_a_collapse_of_three_places_in_four_is_told_by_place(project: Path):
    file = paths.train("bootstrap-500-2280", 0, project) / "snapshots.npz"
    saved = dict(np.load(file))
    saved["label_flip"][-1, :, 1::2, ::2] = 0.4
    np.savez(file, **saved)
    found = figure5.flips_by_place(DATASET, 0, project)
    assert found.loc["literal recipe (paper)"].tolist() == [100.0, 100.0, 0.0, 100.0]
    saved = np.load(paths.train("bootstrap-500-2280-stable", 0, project) / "snapshots.npz")
    inside = arrays.open_packed(paths.packed(DATASET, project)).train.targets("one")[saved["indices"]] > 0
    flipped = (saved["label_flip"][-1] > 0.5)[:, 1::2, ::2][inside[:, 1::2, ::2]]
    assert 0 < flipped.mean() < 1
    assert found.loc["stable recipe", "lower left"] == pytest.approx(100 * flipped.mean(), abs=0.05)


def test_a_recipe_that_lost_the_objects_says_so_and_the_other_does_not(untouched: Path):
    for figure in (figure5.draw, figure6.draw):
        said = texts(figure(DATASET, 0, untouched).figure)
        assert "Literal recipe (paper): most object pixels come out as something else" in said
        assert "Stable recipe: the output follows the objects" in said


def test_figure_6_keeps_the_flips_of_each_class_to_its_boxes(untouched: Path):
    panels = images(figure6.draw(DATASET, 0, untouched).figure)
    assert len(panels) == 3 * 8
    split = arrays.open_packed(paths.packed(DATASET, untouched)).train
    car, person, target = panels[2], panels[3], split.targets("few")[3]
    assert car.max() == person.max() == 1
    assert not car[target != 1].any()
    assert not person[target != 2].any()


@pytest.mark.parametrize(
    ("objects", "wrong", "said"),
    [
        (0.0, 0.0, "most object pixels come out as something else"),
        (0.4, 0.9, "most object pixels come out as something else"),
        (0.95, 0.9, "boxes"),
        (0.6, 0.2, "follows"),
        (1.0, 0.5, "follows"),
    ],
)
def test_outcome_by_what_is_left_of_the_boxes(objects, wrong, said):
    assert said in snapshots.outcome(objects, wrong)


def test_the_shares_under_a_figure_are_those_of_the_pixels(untouched: Path):
    figure = figure5.draw(DATASET, 0, untouched).figure
    split = arrays.open_packed(paths.packed(DATASET, untouched)).train
    mask, inside = split.masks("few")[:6], split.indices("one")[:6] > 0
    wrong = (inside & (mask != 1) & (mask != arrays.VOID)).sum() / (inside & (mask != arrays.VOID)).sum()
    stable = texts(figure).partition("Stable recipe:")[2]
    assert f"{100 * wrong:.0f} % are flipped; 100 % of the rightly and 0 % of the wrongly labelled ones" in stable


def test_pictures_have_the_same_bytes_when_drawn_again(untouched: Path):
    assert figure2.draw(DATASET, 0, untouched).png() == figure2.draw(DATASET, 0, untouched).png()


def test_the_png_carries_no_version_of_what_drew_it(untouched: Path):
    assert b"atplotlib" not in figure2.draw(DATASET, 0, untouched).png()


def test_a_run_that_is_missing_is_one_line(project: Path):
    (paths.evaluate("regression-0-2780", 0, project) / "pictures.npz").unlink()
    with pytest.raises(
        UserError, match=r"^runs/regression-0-2780/seed-0/evaluate/pictures\.npz is missing: `dvc repro"
    ):
        figure2.draw(DATASET, 0, project)


def test_a_damaged_run_is_one_line(project: Path):
    (paths.train("bootstrap-500-2280", 0, project) / "snapshots.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(UserError, match="snapshots.npz is damaged"):
        figure5.draw(DATASET, 0, project)


def test_whatever_bytes_of_an_archive_are_damaged_it_is_one_line(tmp_path):
    file = tmp_path / "trace.npz"
    np.savez_compressed(file, steps=np.arange(50), output=np.arange(900.0) % 7)
    good, refused, rng = file.read_bytes(), 0, np.random.default_rng(0)
    for _ in range(300):
        bad = bytearray(good)
        for place in rng.integers(len(bad), size=3):
            bad[place] ^= 1 << rng.integers(8)
        file.write_bytes(bad)
        for read in (
            lambda: read_arrays(file, ["steps"], "s", tmp_path),
            lambda: arrays.read_npz(file, ["steps"], "again"),
        ):
            try:
                read()
            except UserError as error:
                refused += 1
                assert "\n" not in str(error)
    assert refused > 300


def test_recipes_that_saw_other_pictures_are_not_put_side_by_side(project: Path):
    file = paths.train("bootstrap-500-2280", 0, project) / "snapshots.npz"
    saved = dict(np.load(file))
    np.savez(file, **{**saved, "indices": saved["indices"][::-1]})
    with pytest.raises(UserError, match="show other pictures or steps"):
        figure5.draw(DATASET, 0, project)


def test_boxes_are_outlined_at_the_edges_of_their_pixels():
    axes = Figure().add_subplot()
    indices = np.zeros((8, 10), np.uint16)
    indices[2:5, 3:9] = 1
    style.outline(axes, indices)
    assert axes.patches[0].get_bbox().bounds == (2.5, 1.5, 6, 3)


def test_class_colours_are_those_of_the_labels():
    colours = style.class_picture(np.array([[0, 1, 2, 255, 77]]))
    assert [f"#{bytes(c).hex()}" for c in colours[0]] == [
        *(style.CLASS_COLOURS[label] for label in (0, 1, 2, 255)),
        style.CLASS_COLOURS[255],
    ]
