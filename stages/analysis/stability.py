"""Where the multi-class loss is numerically unstable, and what each estimator of Eq 13 costs in noise and in bias.

Pixels are drawn: means from a normal distribution whose standard deviation is the logit scale, the logarithms of the
variances uniformly over VARIANCES. Everything follows from fixed seeds.
"""

import math
from collections.abc import Callable

import pandas as pd
import torch
from torch import Tensor

from stages.model import losses

CLASSES = (2, 3, 5, 8, 11)
SCALES = (1, 3, 10, 30, 100, 300)  # standard deviation of the means, in logits
VARIANCES = (0.1, 100.0)  # sigma^2; read as exp(raw), a collapsed training ends near 1000
PIXELS, SAMPLES = 1000, 20
DRAWS = 60  # of the noise, for the spread of a gradient
TS = (1, 5, 20, 100)
EXACT, EXACT_PIXELS = 10**6, 8  # samples that stand for the integral, and pixels that they are drawn for
SPREADS = (0.1, 1.0, 10.0, 100.0, 1000.0)  # sigma^2 at which errors are measured

Form = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def _mean_field(mean: Tensor, log_variance: Tensor, target: Tensor, _: Tensor) -> Tensor:
    return losses.ce_uncertainty_mean_field(mean, log_variance, target)


FORMS: dict[str, tuple[Form, torch.dtype]] = {
    "as printed, fp16": (losses.ce_uncertainty_printed, torch.float16),
    "as printed, fp32": (losses.ce_uncertainty_printed, torch.float32),
    "logarithmic, fp32": (losses.ce_uncertainty, torch.float32),
    "mean field, fp32": (_mean_field, torch.float32),
}
ESTIMATORS: dict[str, Form] = {
    "Monte Carlo": losses.ce_uncertainty,
    "Rao-Blackwell": losses.ce_uncertainty_rao_blackwell,
    "mean field": _mean_field,
}


def pixels(classes: int, scale: float, count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return means and log-variances (P, C) fp32 and targets (P,) int64 of drawn pixels."""
    generator = torch.Generator().manual_seed(seed)
    mean = scale * torch.randn(count, classes, generator=generator)
    low, high = (math.log(x) for x in VARIANCES)
    log_variance = low + (high - low) * torch.rand(count, classes, generator=generator)
    return mean, log_variance, torch.randint(classes, (count,), generator=generator)


def non_finite() -> pd.DataFrame:
    """Return the share of pixels whose loss, and whose gradient, is not finite.

    Returns:
        Columns form, classes, scale, loss and gradient, in percent; SAMPLES samples a pixel.
    """
    lines = []
    for classes in CLASSES:
        for scale in SCALES:
            drawn, s, target = pixels(classes, scale, PIXELS, 1)
            noise = torch.randn(SAMPLES, PIXELS, classes, generator=torch.Generator().manual_seed(2))
            for name, (form, dtype) in FORMS.items():
                mean, log_variance = (x.to(dtype).requires_grad_() for x in (drawn, s))
                loss = form(mean, log_variance, target, noise.to(dtype))
                gradients = torch.autograd.grad(loss.sum(), (mean, log_variance))
                broken = ~torch.stack([torch.isfinite(x).all(-1) for x in gradients]).all(0)
                shares = (100 * float(x.float().mean()) for x in (~torch.isfinite(loss), broken))
                lines.append((name, classes, scale, *shares))
    return pd.DataFrame(lines, columns=["form", "classes", "scale", "loss", "gradient"])


def gradient_noise() -> pd.DataFrame:
    """Return how far the gradient by the log-variances scatters over draws of the noise.

    Returns:
        Columns estimator, classes, T and sd: the root of the variance over DRAWS draws, a mean over pixels and classes,
        at a logit scale of 3. Mean field draws none, and has 0.
    """
    lines = []
    for classes in CLASSES:
        mean, s, target = pixels(classes, 3, 64, 3)
        for name, form in ESTIMATORS.items():
            for t in TS:
                generator = torch.Generator().manual_seed(4)
                found = []
                for _ in range(DRAWS):
                    log_variance = s.clone().requires_grad_()
                    noise = torch.randn(t, 64, classes, generator=generator)
                    found.append(torch.autograd.grad(form(mean, log_variance, target, noise).sum(), log_variance)[0])
                lines.append((name, classes, t, float(torch.stack(found).var(0).mean().sqrt())))
    return pd.DataFrame(lines, columns=["estimator", "classes", "T", "sd"])


def errors() -> pd.DataFrame:
    """Return how far each estimator's probability of the target lies from the integral of Eq 13.

    Returns:
        Columns estimator, classes, variance, bias and error: mean and root mean square of its difference from the mean
        of EXACT samples, with SAMPLES samples, at a logit scale of 3 and one variance for all classes. `loss`: the mean
        difference of the losses, in nats.
    """
    lines = []
    for classes in CLASSES:
        mean, _, target = pixels(classes, 3, EXACT_PIXELS, 5)
        for variance in SPREADS:
            s = torch.full_like(mean, math.log(variance))
            exact = torch.stack([_integral(mean[i], variance, int(target[i]), 6 + i) for i in range(EXACT_PIXELS)])
            generator = torch.Generator().manual_seed(7)
            for name, form in ESTIMATORS.items():
                draws = 1 if name == "mean field" else 100
                noise = [torch.randn(SAMPLES, *mean.shape, generator=generator) for _ in range(draws)]
                loss = torch.stack([form(mean, s, target, each) for each in noise])
                off, of_loss = torch.exp(-loss) - exact, float((loss + exact.log()).mean())
                lines.append((name, classes, variance, float(off.mean()), float(off.square().mean().sqrt()), of_loss))
    return pd.DataFrame(lines, columns=["estimator", "classes", "variance", "bias", "error", "loss"])


def _integral(mean: Tensor, variance: float, target: int, seed: int) -> Tensor:
    """Return the mean of EXACT samples of softmax(l)_y of one pixel."""
    generator = torch.Generator().manual_seed(seed)
    logits = mean + math.sqrt(variance) * torch.randn(EXACT, len(mean), generator=generator)
    return torch.softmax(logits, dim=-1)[:, target].double().mean().float()


def answer(found: pd.DataFrame) -> str:
    """Say in one sentence where which form breaks.

    Args:
        found: What `non_finite` returned.
    """
    said = []
    for form, of_form in found.groupby("form", sort=False):
        broken = of_form[(of_form.loss > 0) | (of_form.gradient > 0)]
        if broken.empty:
            said.append(f"{form} it is finite at every scale")
            continue
        first = broken[broken.scale == broken.scale.min()]
        worst = first.sort_values("gradient").iloc[-1]
        said.append(
            f"{form} it breaks from a logit scale of {broken.scale.min():g} on (there {worst.gradient:.0f} % of the "
            f"gradients with {worst.classes} classes)"
        )
    return f"Eq 15 of drawn pixels: {'; '.join(said)}."
