"""Figures 1 and 4: the losses themselves, computed with the functions that training uses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from stages import style
from stages.style import Picture
from stages.train import losses

SMALLEST_VARIANCE = 1e-6  # stands for sigma^2 = 0, where log sigma^2 has no value
POINTS = 121
FIELD_POINTS = (15, 13)  # arrows along mu and sigma^2

Loss = Callable[[Tensor, Tensor], Tensor]
"""(mean, variance) -> loss, both (...) float64."""


@dataclass(frozen=True)
class Surface:
    """A loss on a grid: `mean` (M,), `variance` (V,), `loss` (V, M), in nats."""

    mean: np.ndarray
    variance: np.ndarray
    loss: np.ndarray


def regression_loss(mean: Tensor, variance: Tensor) -> Tensor:
    """Eq 2 for target 0 (Figure 1)."""
    return losses.l2_uncertainty(mean, torch.log(variance), torch.zeros_like(mean))


def uncertainty_loss(mean: Tensor, variance: Tensor) -> Tensor:
    """U: Eq 9 for target 1 (Figure 4a)."""
    return losses.bce_uncertainty(mean, torch.log(variance), torch.ones_like(mean))


def bootstrap_loss(mean: Tensor, variance: Tensor, tau: float, temperature: float) -> Tensor:
    """B: Eq 10 for target 1, flipped to 0 (Figure 4b)."""
    weight = losses.keep_weight(torch.log(variance), tau, temperature)
    return losses.bce_bootstrap(mean, weight, torch.ones_like(mean), torch.zeros_like(mean))


def surface(loss: Loss, mean: tuple[float, float], variance: tuple[float, float], points: int = POINTS) -> Surface:
    """`loss` on a grid over two closed intervals; a variance of 0 is taken as 1e-6."""
    mu = torch.linspace(*mean, points, dtype=torch.float64)
    sigma2 = torch.linspace(*variance, points, dtype=torch.float64).clamp(min=SMALLEST_VARIANCE)
    grid_variance, grid_mean = torch.meshgrid(sigma2, mu, indexing="ij")
    return Surface(mu.numpy(), sigma2.numpy(), loss(grid_mean, grid_variance).numpy())


def training_field(mean: np.ndarray, variance: np.ndarray, tau: float, temperature: float) -> tuple[np.ndarray, ...]:
    """The direction that training follows under the detach rule: (-dB/dmu, -dU/dsigma^2), each the inputs' shape.

    The mean learns from the bootstrapping loss alone and the variance from the uncertainty loss alone, so this is not
    the gradient of their sum.
    """
    mu = torch.from_numpy(np.asarray(mean, np.float64)).requires_grad_()
    sigma2 = torch.from_numpy(np.asarray(variance, np.float64)).requires_grad_()
    (along_mean,) = torch.autograd.grad(bootstrap_loss(mu, sigma2, tau, temperature).sum(), mu)
    (along_variance,) = torch.autograd.grad(uncertainty_loss(mu, sigma2).sum(), sigma2)
    return -along_mean.numpy(), -along_variance.numpy()


def figure1() -> Picture:
    """Eq 2 for target 0 over mu in [-3, 3] and sigma^2 in [0.1, 5], with the valley sigma^2 = mu^2."""
    top = 5.0  # the loss reaches 44 in the corners; it is shown up to here, so that the valley can be seen
    data = surface(regression_loss, (-3, 3), (0.1, 5))
    valley = np.linspace(np.sqrt(0.1), np.sqrt(5), 201)
    height = 0.5 + np.log(valley)
    with rc_context(style.RULES):
        figure = Figure(figsize=(8.6, 4.0))
        solid = figure.add_axes((0.0, 0.01, 0.52, 0.88), projection="3d")
        _solid(solid, *_regression_below(top), vmin=-1.2, vmax=top)
        solid.view_init(elev=32, azim=-62)
        flat = figure.add_axes((0.6, 0.14, 0.36, 0.7))
        _contours(flat, data, [-1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4, 5], "both")
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
    """Eq 2's surface (mean, variance, loss) where the loss is at most `top`; the grid's sides follow that edge."""
    variance = np.geomspace(0.1, 5, POINTS)[:, None]
    half_width = np.minimum(3, np.sqrt(2 * variance * (top - 0.5 * np.log(variance))))
    mean = half_width * np.linspace(-1, 1, POINTS)
    variance = np.broadcast_to(variance, mean.shape)
    loss = regression_loss(torch.from_numpy(mean), torch.from_numpy(variance.copy())).numpy()
    return mean, variance, loss


def figure4(tau: float, temperature: float) -> Picture:
    """Eq 9, Eq 10 and their sum for target 1 over mu in [-10, 10] and sigma^2 in [0, 2 tau].

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
            _solid(solid, *np.meshgrid(data.mean, data.variance), data.loss, vmin=0, vmax=highest)
            solid.set_xticks([-10, -5, 0, 5, 10])
            solid.zaxis.set_major_locator(MaxNLocator(5))
            solid.view_init(elev=28, azim=-58)
            figure.text(left + 0.175, 0.885, title, ha="center", fontweight="bold")
            flat = figure.add_axes((left + 0.055, 0.085, 0.255, 0.31))
            _contours(flat, data, np.linspace(0, highest, 11), "neither", labels=column < 2)
            flat.set_xticks([-10, -5, 0, 5, 10])
            if column:
                flat.axhline(tau, color=style.MARK, lw=1, ls=(0, (4, 2)))
                style_of_tau = {"color": style.MARK, "va": "center", "fontsize": style.FONT_SIZE - 1}
                flat.text(10.3, tau, "τ", **style_of_tau)
        _arrows(flat, tau, temperature, top)
        subtitle = f"target 1, τ = {tau:g}, temperature {temperature:g}; computed from the loss functions; no data"
        heading(figure, "BCE with uncertainty, bootstrapping, and their sum", subtitle)
    alt = (
        f"Three loss surfaces over mean and variance for target 1 and tau {tau:g}. (a) falls with the mean, and with "
        "the variance where the mean is negative. (b) two opposite ramps that meet at variance tau. (c) their sum, "
        "with arrows of the field that training follows: below tau to the right, above tau to the left."
    )
    return Picture(figure, alt)


def _arrows(axes: Axes, tau: float, temperature: float, top: float) -> None:
    """The training field as arrows of one length: where each (mean, variance) is pushed."""
    mean = np.linspace(-9.3, 9.3, FIELD_POINTS[0])
    variance = np.linspace(0.04 * top, 0.96 * top, FIELD_POINTS[1])
    grid_mean, grid_variance = np.meshgrid(mean, variance)
    along_mean, along_variance = training_field(grid_mean, grid_variance, tau, temperature)
    x, y = along_mean / 20, along_variance / top  # in widths and heights of the panel, as the eye sees them
    length = np.hypot(x, y)
    unit = np.where(length > 0, length, 1)
    axes.quiver(grid_mean, grid_variance, x / unit, y / unit, color="white", scale=24, width=0.0045, headwidth=4.5)


def _solid(axes: Axes, mean: np.ndarray, variance: np.ndarray, loss: np.ndarray, vmin: float, vmax: float) -> None:
    axes.plot_surface(
        mean, variance, loss, cmap=style.SURFACE, vmin=vmin, vmax=vmax,
        rcount=60, ccount=60, linewidth=0.15, edgecolor=(1, 1, 1, 0.25), antialiased=True,
    )  # fmt: skip
    axes.set_xlabel("mean μ", labelpad=-6)
    axes.set_ylabel("variance σ²", labelpad=-6)
    axes.zaxis.set_rotate_label(False)
    axes.set_zlabel("loss", labelpad=-8, rotation=90)
    axes.tick_params(labelsize=style.FONT_SIZE - 2, pad=-3)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color((1, 1, 1, 0))
        axis._axinfo["grid"].update(color=style.LINE, linewidth=0.4)
    axes.set_box_aspect((1.15, 1, 0.75))


def _contours(axes: Axes, data: Surface, levels: Sequence[float], extend: str, labels: bool = True) -> None:
    axes.contourf(data.mean, data.variance, data.loss, levels, cmap=style.SURFACE, extend=extend)
    lines = axes.contour(
        data.mean, data.variance, data.loss, levels, colors="white", linewidths=0.35, linestyles="solid"
    )
    if labels:
        axes.clabel(lines, fontsize=style.FONT_SIZE - 2.5, fmt="%g")
    axes.set_xlabel("mean μ")
    axes.set_ylabel("variance σ²")
    axes.tick_params(labelsize=style.FONT_SIZE - 1.5)


def heading(figure: Figure, title: str, subtitle: str) -> None:
    """Write what a figure shows above it, and in smaller letters from what."""
    height = figure.get_figheight()
    figure.text(0.02, 1 - 0.1 / height, title, fontsize=style.FONT_SIZE + 1.5, fontweight="bold", va="top")
    figure.text(0.02, 1 - 0.31 / height, subtitle, fontsize=style.FONT_SIZE - 1, color=style.MUTED, va="top")
