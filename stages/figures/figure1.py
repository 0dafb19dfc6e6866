"""Figure 1: the L2 loss with uncertainty (Eq 2)."""

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure

from stages.figures import style
from stages.figures.loss_surfaces import POINTS, draw_contours, draw_surface, heading, regression_loss, surface
from stages.figures.style import Picture


def draw() -> Picture:
    """Draw Eq 2 for target 0 over mu in [-3, 3] and sigma^2 in [0.1, 5], with the valley sigma^2 = mu^2."""
    top = 5.0  # the loss reaches 44 in the corners; it is shown up to here, so that the valley can be seen
    data = surface(regression_loss, (-3, 3), (0.1, 5))
    valley = np.linspace(np.sqrt(0.1), np.sqrt(5), 201)
    height = 0.5 + np.log(valley)
    with rc_context(style.RULES):
        figure = Figure(figsize=(8.6, 4.0))
        solid = figure.add_axes((0.0, 0.01, 0.52, 0.88), projection="3d")
        draw_surface(solid, *_regression_below(top), vmin=-1.2, vmax=top)
        solid.view_init(elev=32, azim=-62)
        flat = figure.add_axes((0.6, 0.14, 0.36, 0.7))
        draw_contours(flat, data, [-1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4, 5], "both")
        for side in (-valley, valley):
            solid.plot(side, valley**2, height + 0.04, color=style.MARK, lw=1.6, zorder=10)
            flat.plot(side, valley**2, color=style.MARK, lw=1.6, ls=(0, (4, 2)))
        flat.text(0, 4.3, "valley: σ² = μ²", color=style.MARK, ha="center", fontweight="bold")
        flat.set_ylim(0.1, 5)
        subtitle = "computed from the loss function, no data; the valley σ² = μ² in orange"
        heading(figure, "Regression loss with uncertainty (Eq 2), target 0", subtitle)
    alt = (
        "Surface and contours of the L2 loss with uncertainty for target 0: even in the mean, lowest at mean 0, with a "
        "valley along variance = mean squared, where a larger variance lowers the loss of a wrong mean."
    )
    return Picture(figure, alt)


def _regression_below(top: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Eq 2's (mean, variance, loss) where the loss is at most `top`; the grid's sides follow that edge."""
    variance = np.geomspace(0.1, 5, POINTS)[:, None]
    half_width = np.minimum(3, np.sqrt(2 * variance * (top - 0.5 * np.log(variance))))
    mean = half_width * np.linspace(-1, 1, POINTS)
    variance = np.broadcast_to(variance, mean.shape)
    loss = regression_loss(torch.from_numpy(mean), torch.from_numpy(variance.copy())).numpy()
    return mean, variance, loss
