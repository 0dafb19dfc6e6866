"""Figure 2: what a network trained on boxes alone says of validation images."""

from pathlib import Path

from stages.figures.style import Picture
from stages.figures.validation_pictures import draw_validation
from stages.paths import ROOT

ROW = "regression-0-2780"


def draw(dataset: str, seed: int, root: Path = ROOT) -> Picture:
    """Draw validation images of `regression-0-2780`.

    Raises:
        UserError: The row was not evaluated, or on another dataset.
    """
    return draw_validation(ROW, "Regression with uncertainty, boxes alone", dataset, seed, root)
