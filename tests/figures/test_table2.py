"""Table 2 as a chart: our bars beside the paper's."""

from stages.analysis.results import recipes_of
from stages.figures.table2 import draw, row_title


def test_every_rows_bar_is_its_mean_and_the_papers_number_stands_beside_it(comparison):
    rows = list(comparison.paper.numbers.tables["table2"].rows)
    figure = draw(comparison.paper, "synthetic", comparison.found).figure
    ours, theirs = figure.axes
    means = [
        result.iou("car").mean for row in rows for result in recipes_of(row, comparison.found).values()
    ]  # drawn in this order
    assert [bar.get_width() for bar in ours.patches if bar.get_width()] == means
    assert [bar.get_width() for bar in theirs.patches] == [comparison.paper.iou(row, "car") for row in rows]
    assert [label.get_text() for label in ours.get_yticklabels()] == [row_title(row) for row in rows]


def test_both_axes_have_one_range_and_the_alt_text_names_the_dataset_and_every_row(comparison):
    picture = draw(comparison.paper, "synthetic", comparison.found)
    assert {axes.get_xlim() for axes in picture.figure.axes} == {(0.0, 100.0)}
    assert "synthetic" in picture.alt
    for row in comparison.paper.numbers.tables["table2"].rows:
        assert f"{row_title(row)}: " in picture.alt
