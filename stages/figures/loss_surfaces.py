"""What Figures 1 and 4 share: the losses that training uses, on a grid, and how surfaces are drawn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from stages.figures import style
from stages.model import losses

SMALLEST_VARIANCE = 1e-6  # stands for sigma^2 = 0, where log sigma^2 has no value
POINTS = 121

Loss = Callable[[Tensor, Tensor], Tensor]
"""(mean, variance) -> loss, both (...) float64."""


@dataclass(frozen=True)
class Surface:
    """A loss on a grid: `mean` (M,), `variance` (V,), `loss` (V, M), in nats."""

    mean: np.ndarray
    variance: np.ndarray
    loss: np.ndarray


def regression_loss(mean: Tensor, variance: Tensor) -> Tensor:
    """Return Eq 2 for target 0 (Figure 1)."""
    return losses.l2_uncertainty(mean, torch.log(variance), torch.zeros_like(mean))


def uncertainty_loss(mean: Tensor, variance: Tensor) -> Tensor:
    """Return U, Eq 9 for target 1 (Figure 4a)."""
    return losses.bce_uncertainty(mean, torch.log(variance), torch.ones_like(mean))


def bootstrap_loss(mean: Tensor, variance: Tensor, tau: float, temperature: float) -> Tensor:
    """Return B, Eq 10 for target 1, flipped to 0 (Figure 4b)."""
    weight = losses.keep_weight(torch.log(variance), tau, temperature)
    return losses.bce_bootstrap(mean, weight, torch.ones_like(mean), torch.zeros_like(mean))


def surface(loss: Loss, mean: tuple[float, float], variance: tuple[float, float], points: int = POINTS) -> Surface:
    """Compute `loss` on a grid over two closed intervals; a variance of 0 is taken as 1e-6."""
    mu = torch.linspace(*mean, points, dtype=torch.float64)
    sigma2 = torch.linspace(*variance, points, dtype=torch.float64).clamp(min=SMALLEST_VARIANCE)
    grid_variance, grid_mean = torch.meshgrid(sigma2, mu, indexing="ij")
    return Surface(mu.numpy(), sigma2.numpy(), loss(grid_mean, grid_variance).numpy())


def training_field(mean: np.ndarray, variance: np.ndarray, tau: float, temperature: float) -> tuple[np.ndarray, ...]:
    """Return where training goes under the detach rule: (-dB/dmu, -dU/dsigma^2), each the inputs' shape.

    The mean learns from the bootstrapping loss alone and the variance from the uncertainty loss alone, so this is not
    the gradient of their sum.
    """
    mu = torch.from_numpy(np.asarray(mean, np.float64)).requires_grad_()
    sigma2 = torch.from_numpy(np.asarray(variance, np.float64)).requires_grad_()
    (along_mean,) = torch.autograd.grad(bootstrap_loss(mu, sigma2, tau, temperature).sum(), mu)
    (along_variance,) = torch.autograd.grad(uncertainty_loss(mu, sigma2).sum(), sigma2)
    return -along_mean.numpy(), -along_variance.numpy()


def draw_surface(
    axes: Axes, mean: np.ndarray, variance: np.ndarray, loss: np.ndarray, vmin: float, vmax: float
) -> None:
    """Draw a loss over mean and variance in perspective; all three are (R, C), colours run from vmin to vmax."""
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


def draw_contours(axes: Axes, data: Surface, levels: Sequence[float], extend: str, labels: bool = True) -> None:
    """Draw a loss as filled contours at `levels`, with their values where `labels`; `extend` as in matplotlib."""
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
