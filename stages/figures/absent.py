"""What stands in place of a picture whose trainings are not there."""

from collections.abc import Iterable
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from stages import left_out, paths
from stages.analysis.naming import dataset_title
from stages.figures import style
from stages.figures.style import Picture


def absent(rows: Iterable[str], dataset: str, seed: int, root: Path) -> Picture | None:
    """Return a picture of the reason for the first of these rows that was left out; None where all were trained."""
    for row in rows:
        if why := left_out.read(paths.train(row, seed, root)):
            return notice(f"Not shown on {dataset_title(dataset)}: {row} was left out, {why}.")
    return None


@rc_context(style.RULES)
def notice(text: str) -> Picture:
    """Return a picture of one line of text."""
    figure = Figure(figsize=(style.WIDTH, 0.5))
    figure.text(0.0125, 0.5, text, va="center", color=style.MUTED)
    return Picture(figure, text)
