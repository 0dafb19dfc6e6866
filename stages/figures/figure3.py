"""Figure 3: what a network trained with some pixel-perfect images says of validation images."""

from pathlib import Path

from stages.figures.style import Picture
from stages.figures.validation_pictures import draw_validation
from stages.paths import ROOT

ROW = "regression-all-500-2280"


def draw(dataset: str, seed: int, root: Path = ROOT) -> Picture:
    """Draw validation images of `regression-all-500-2280`.

    Raises:
        UserError: The row was not evaluated, or on another dataset.
    """
    return draw_validation(ROW, "Regression with uncertainty, some pixel-perfect images", dataset, seed, root)
