"""The overview picture: every run of every row, with the paper's number beside it."""

import math

import matplotlib.colors
from matplotlib import rc_context

from stages import config
from stages.analysis.results import Result
from stages.figures.overview import draw, runs_frame
from stages.figures.style import RECIPE_COLOURS, RULES


def inputs(comparison):
    return comparison.paper, config.load(), comparison.found


def test_the_frame_has_each_run_once_with_its_iou_and_the_papers_number(comparison):
    printed, settings, results = inputs(comparison)
    frame = runs_frame(printed, settings, results)
    assert list(dict.fromkeys(frame.row)) == list(results)
    assert len(frame) == sum(len(result.runs) for result in results.values())
    stable = frame[frame.row == "bootstrap-500-2280-stable"].iloc[0]
    assert stable.iou == results["bootstrap-500-2280-stable"].runs[0]["iou"]["car"]
    assert (stable.recipe, stable.task, stable.paper) == ("stable", "one", 85.45)
    assert math.isnan(frame[frame.row == "regression-0-2780"].iloc[0].paper)
    assert frame[frame.row == "ce-2780"].iloc[0].iou == results["ce-2780"].runs[0]["mean_iou"]


def test_the_picture_has_a_dot_for_each_run_in_its_recipes_colour_and_names_the_dataset(comparison):
    printed, settings, results = inputs(comparison)
    picture = draw(printed, settings, results)
    frame = runs_frame(printed, settings, results)
    dots = [
        (round(float(x), 6), matplotlib.colors.to_hex(dot_colours[i % len(dot_colours)]))
        for axes in picture.figure.axes
        for collection in axes.collections
        if len(dot_colours := collection.get_facecolors())
        for i, (x, _) in enumerate(collection.get_offsets())
    ]
    expected = [(round(iou, 6), RECIPE_COLOURS[recipe]) for iou, recipe in zip(frame.iou, frame.recipe, strict=True)]
    assert sorted(dots) == sorted(expected)
    assert "synthetic street scenes" in picture.alt
    assert "paper's on Cityscapes" in picture.alt


def test_every_word_of_the_picture_lies_inside_it(comparison):
    figure = draw(*inputs(comparison)).figure
    with rc_context(RULES):  # matplotlib makes the labels of ticks when asked for them
        figure.draw_without_rendering()
        words = [figure.legends[0], *(axes._left_title for axes in figure.axes)]
        words += [label for axes in figure.axes for label in (*axes.get_yticklabels(), *axes.get_xticklabels())]
        boxes = [word.get_window_extent() for word in words]
    outside = [
        word for word, box in zip(words, boxes, strict=True) if box.x0 < figure.bbox.x0 or figure.bbox.x1 < box.x1
    ]
    assert not outside


def test_headings_keep_the_capitals_of_names(comparison):
    printed, settings, results = inputs(comparison)
    titles = [axes.get_title(loc="left") for axes in draw(printed, settings, results).figure.axes]
    assert titles == [
        "Car or background: car IoU · synthetic street scenes",
        "Background, car, person: mean IoU · synthetic street scenes",
    ]


def test_a_panel_of_rows_that_the_paper_lacks_has_dots_and_no_diamond(comparison):
    printed, settings, results = inputs(comparison)
    classes = ("background", "car", "person", "truck")
    run = {"seed": 0, "recipe": None, "classes": list(classes), "iou": {"car": 50.0}, "mean_iou": 40.0}
    figure = draw(printed, settings, results | {"ce-all-500": Result("ce-all-500", (run,))}).figure
    last = figure.axes[-1]
    assert [list(map(float, dots.get_offsets()[0])) for dots in last.collections if len(dots.get_offsets())] == [
        [40, 0]
    ]
    assert [len(line.get_xdata()) for line in last.lines] == [0]
    assert [len(line.get_xdata()) for line in figure.axes[0].lines][0] > 0
    assert draw(printed, settings, results).png().startswith(b"\x89PNG")
    figure.draw_without_rendering()
