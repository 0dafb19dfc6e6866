"""Figure 4: the uncertainty loss, the bootstrapping loss, and their sum (Eq 9 to 11)."""

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from stages.figures import style
from stages.figures.loss_surfaces import (
    Loss,
    bootstrap_loss,
    draw_contours,
    draw_surface,
    heading,
    surface,
    training_field,
    uncertainty_loss,
)
from stages.figures.style import Picture

FIELD_POINTS = (15, 13)  # arrows along mu and sigma^2


def draw(tau: float, temperature: float) -> Picture:
    """Draw Eq 9, Eq 10 and their sum for target 1 over mu in [-10, 10] and sigma^2 in [0, 2 tau].

    The third panel carries the field that training follows. The paper's tau of 2.5 gives its range, sigma^2 to 5.
    """
    top = 2 * tau

    def bootstrap(mean: Tensor, variance: Tensor) -> Tensor:
        return bootstrap_loss(mean, variance, tau, temperature)

    parts: list[tuple[str, Loss]] = [
        ("(a)  uncertainty loss U (Eq 9)", uncertainty_loss),
        ("(b)  bootstrapping loss B (Eq 10)", bootstrap),
        ("(c)  U + B, and what training follows", lambda *point: uncertainty_loss(*point) + bootstrap(*point)),
    ]
    with rc_context(style.RULES):
        figure = Figure(figsize=(9.6, 5.7))
        for column, (title, loss) in enumerate(parts):
            data = surface(loss, (-10, 10), (0, top))
            left = column / 3
            solid = figure.add_axes((left + 0.005, 0.42, 0.315, 0.46), projection="3d")
            highest = float(np.ceil(data.loss.max() - 1e-3))
            draw_surface(solid, *np.meshgrid(data.mean, data.variance), data.loss, vmin=0, vmax=highest)
            solid.set_xticks([-10, -5, 0, 5, 10])
            solid.zaxis.set_major_locator(MaxNLocator(5))
            solid.view_init(elev=28, azim=-58)
            figure.text(left + 0.175, 0.885, title, ha="center", fontweight="bold")
            flat = figure.add_axes((left + 0.055, 0.085, 0.255, 0.31))
            draw_contours(flat, data, np.linspace(0, highest, 11), "neither", labels=column < 2)
            flat.set_xticks([-10, -5, 0, 5, 10])
            if column:
                flat.axhline(tau, color=style.MARK, lw=1, ls=(0, (4, 2)))
                style_of_tau = {"color": style.MARK, "va": "center", "fontsize": style.FONT_SIZE - 1}
                flat.text(10.3, tau, "τ", **style_of_tau)
        _draw_field(flat, tau, temperature, top)
        subtitle = f"target 1, τ = {tau:g}, temperature {temperature:g}; computed from the loss functions; no data"
        heading(figure, "BCE with uncertainty, bootstrapping, and their sum", subtitle)
    alt = (
        f"Three loss surfaces over mean and variance for target 1 and tau {tau:g}. (a) falls with the mean, and with "
        "the variance where the mean is negative. (b) two opposite ramps that meet at variance tau. (c) their sum, "
        "with arrows of the field that training follows: below tau to the right, above tau to the left."
    )
    return Picture(figure, alt)


def _draw_field(axes: Axes, tau: float, temperature: float, top: float) -> None:
    """Draw the training field as arrows of one length: where each (mean, variance) is pushed."""
    mean = np.linspace(-9.3, 9.3, FIELD_POINTS[0])
    variance = np.linspace(0.04 * top, 0.96 * top, FIELD_POINTS[1])
    grid_mean, grid_variance = np.meshgrid(mean, variance)
    along_mean, along_variance = training_field(grid_mean, grid_variance, tau, temperature)
    x, y = along_mean / 20, along_variance / top  # in widths and heights of the panel, as the eye sees them
    length = np.hypot(x, y)
    unit = np.where(length > 0, length, 1)
    axes.quiver(grid_mean, grid_variance, x / unit, y / unit, color="white", scale=24, width=0.0045, headwidth=4.5)
