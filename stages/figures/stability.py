"""Where Eq 15 breaks, how much its estimators scatter, and how far they are off."""

import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages.figures import style
from stages.figures.style import Picture

COLOURS = ("#d4553f", "#e0a526", "#27609c", "#3f9b6b")


@rc_context(style.RULES)
def draw(broken: pd.DataFrame, noise: pd.DataFrame, errors: pd.DataFrame, classes: int = 5) -> Picture:
    """Draw three panels for one number of classes.

    Args:
        broken: What `analysis.stability.non_finite` returned.
        noise: What `gradient_noise` did.
        errors: What `errors` did.
        classes: C.
    """
    figure = Figure(figsize=(style.WIDTH, 2.9), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    broken, noise, errors = (x[x.classes == classes] for x in (broken, noise, errors))
    _lines(left, broken, "form", "scale", "gradient")
    left.set(xscale="log", ylim=(-4, 104), xlabel="logit scale", ylabel="gradients that are not finite (%)")
    _lines(middle, noise[noise.sd > 0], "estimator", "T", "sd")
    middle.set(xscale="log", yscale="log", xlabel="samples T", ylabel="scatter of d loss / d log σ²")
    _lines(right, errors, "estimator", "variance", "error")
    right.set(xscale="log", ylim=(0, None), xlabel="variance σ²", ylabel="error of the probability, T = 20")
    for axes, title in ((left, "Eq 15 in finite precision"), (middle, "noise"), (right, "error against 10⁶ samples")):
        axes.set_title(title, loc="left", fontweight="bold")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=style.FONT_SIZE - 2)
    worst = broken[broken.scale == broken.scale.max()]
    said = ", ".join(f"{line.form} {line.gradient:.0f} %" for line in worst.itertuples())
    return Picture(
        figure,
        f"Three panels for {classes} classes: the share of gradients that are not finite by logit scale (at the "
        f"largest one {said}), the scatter of the gradient by the number of samples, and the error of each estimator "
        "by variance.",
    )


def _lines(axes: Axes, found: pd.DataFrame, by: str, x: str, y: str) -> None:
    for colour, (name, of_name) in zip(COLOURS, found.groupby(by, sort=False), strict=False):
        axes.plot(of_name[x], of_name[y], "o-", color=colour, markersize=3, lw=1.2, label=name)
