"""The paper's equations, one function each, in the paper's order.

    Eq 1, 2    l2_uncertainty         Eq 10      bce_bootstrap         Eq 14   sample_logits
    Eq 3       l2                     Eq 11      keep_weight           Eq 16   exceeds_threshold,
    Eq 4, 5    bce                    Figure 4c  bootstrapping_loss            bootstrapped_target
    Eq 6 to 8  expected_logit         Eq 12, 13, 15  ce_uncertainty
    Eq 9       bce_uncertainty        section 4.2    ce, ce_any, ce_bootstrapping_loss

Conventions, unless a docstring says otherwise:

- Every function is per pixel and reduces nothing: tensors of one common shape in, a tensor of that shape out.
  The multi-class functions take the classes as the last dimension: (..., C) in, (...) out.
- `mean` is mu, the mean of the logit (L2 rows: of the target itself); `log_variance` is s = log sigma^2, so that every
  s is a valid variance. `target` is y: 0 or 1 (binary, floating point) or a class number (multi-class, int64).
- Losses are in nats. Half precision (fp16, bf16) is computed in fp32; fp32 and fp64 stay what they are.
- Values and gradients are finite for |mu| <= 1e4 and -20 <= s <= 90.
- No function detaches anything, except `bootstrapping_loss` and `ce_bootstrapping_loss`, which state the detach rule
  of section 3.3.

Where the paper is ambiguous or lost a sign, "Resolution" says what was read and why.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stages.model.numerics import SampledCrossEntropy, constants, full_precision

LOG_PI_8 = math.log(math.pi / 8)
QUADRATURE_NODES = 8

Estimator = Callable[..., Tensor]
"""`ce_uncertainty` or the like: (mean, log_variance, target, noise or None) -> loss."""


# --- 3.1  Learning uncertainty (regression) ---------------------------------------------------------------------------


def l2(mean: Tensor, target: Tensor) -> Tensor:
    """Return the squared error (y - mu)^2, the term of pixel-perfect labels in Eq 3.

    Resolution: literally without the 1/2 of Eq 2, as if sigma^2 = 1/2.
    """
    return (target - full_precision(mean)).square()


def l2_uncertainty(mean: Tensor, log_variance: Tensor, target: Tensor) -> Tensor:
    """Return 1/2 exp(-s) (y - mu)^2 + s/2, the negative log-likelihood of y under N(mu, sigma^2), Eq 2 (of Eq 1).

    It is least at sigma^2 = (y - mu)^2, and goes to minus infinity as sigma^2 -> 0 at mu = y: training bounds s from
    below (recipes.py).

    Resolution: the constant 1/2 log(2 pi) is left out, as in the paper.
    """
    s = full_precision(log_variance)
    return 0.5 * torch.exp(-s) * l2(mean, target) + 0.5 * s


# --- 3.2.1  Switching to the cross-entropy loss -----------------------------------------------------------------------


def bce(logit: Tensor, target: Tensor) -> Tensor:
    """Return the binary cross-entropy of sigmoid(logit), Eq 4 and 5; `target` in [0, 1] may be soft.

    Resolution: Eq 5 lacks the minus sign; this is the negative log-likelihood.
    """
    logit = full_precision(logit)
    return (1 - target) * logit - functional.logsigmoid(logit)


def expected_logit(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the "adapted" logit a with sigmoid(a) = E[sigmoid(l)] for l ~ N(mu, sigma^2), approximately, Eq 6 to 8.

    a = mu / sqrt(1 + pi sigma^2 / 8), written mu exp(-1/2 softplus(s + log(pi/8))): the square root's gradient is NaN
    in fp16 from s = 12 on.

    Resolution: Eq 8 is an approximation that the paper writes as an equality, and is used as it stands (the
    probability is off by up to 0.016 for |mu| <= 15, sigma^2 <= 30).
    """
    return full_precision(mean) * torch.exp(-0.5 * functional.softplus(full_precision(log_variance) + LOG_PI_8))


def bce_uncertainty(mean: Tensor, log_variance: Tensor, target: Tensor) -> Tensor:
    """Return U(mu, sigma^2), the binary cross-entropy of the expected probability, Eq 9.

    It has no interior optimum in sigma^2: with y = 1 the variance grows without bound where mu < 0 and goes to 0 where
    mu > 0.

    Resolution: Eq 9 lacks the minus sign, as Eq 5 does.
    """
    return bce(expected_logit(mean, log_variance), target)


def variance_prior(log_variance: Tensor) -> Tensor:
    """Return 1/2 softplus(s + log(pi/8)) = 1/2 log(1 + pi sigma^2 / 8), which gives Eq 9 a finite optimum in sigma^2.

    Not in the paper; a recipe adds it, weighted by its `prior`.
    """
    return 0.5 * functional.softplus(full_precision(log_variance) + LOG_PI_8)


# --- 3.3  Uncertainty-based online bootstrapping ----------------------------------------------------------------------


def keep_weight(log_variance: Tensor, tau: float, temperature: float) -> Tensor:
    """Return W = sigmoid((tau - sigma^2) / temperature), the weight in [0, 1] of the given label, Eq 11.

    Args:
        log_variance: s.
        tau: The threshold on sigma^2, in logit^2.
        temperature: In logit^2. W falls from 0.9 to 0.1 over tau +- 2.2 temperature.

    Resolution: the paper's unexplained 0.2 is the temperature. Figure 5 plots 1 - W.
    """
    return torch.sigmoid(_keep_logit(log_variance, tau, temperature))


def _keep_logit(log_variance: Tensor, tau: float, temperature: float) -> Tensor:
    variance = torch.exp(full_precision(log_variance).clamp(max=80))  # W is 0 long before; exp(89) is infinite in fp32
    return (tau - variance) / temperature


def supervised_variance(log_variance: Tensor, right: Tensor, tau: float, temperature: float) -> Tensor:
    """Return the cross-entropy of W of Eq 11 as the probability that a label is right.

    Not in the paper, whose sigma^2 learns by Eq 9 alone. That loss lets sigma^2 grow where the mean is against a label
    many times faster than it lets it shrink where the mean is for it: with |mu| = 4 and sigma^2 = 0.7, 35 times. So of
    pixels that look alike all labels flip in the end, even where 3 % of them are wrong. Where a pixel-perfect image has
    a box, its mask says which labels are wrong; then 1 - W learns how probable that is.

    Args:
        log_variance: s.
        right: Whether the mask confirms the label, 0 or 1, in the shape of s.
        tau, temperature: As for `keep_weight`.
    """
    return bce(_keep_logit(log_variance, tau, temperature), right)


def bce_bootstrap(mean: Tensor, weight: Tensor, target: Tensor, flipped_target: Tensor) -> Tensor:
    """Return W BCE(mu, y) + (1 - W) BCE(mu, y*), Eq 10, as one BCE with the soft label W y + (1 - W) y*.

    Resolution: the paper defines y* in three ways. It is the caller's here: the opposite label 1 - y (Figure 4) or the
    model's output (introduction, Eq 16).
    """
    return bce(mean, weight * target + (1 - weight) * flipped_target)


def bce_bootstrap_attenuated(
    mean: Tensor, log_variance: Tensor, weight: Tensor, target: Tensor, flipped_target: Tensor
) -> Tensor:
    """Return W U(mu, sigma^2) + (1 - W) BCE(mu, y*): Eq 10 with Eq 9 in place of its first term.

    Not in the paper, in whose Eq 10 a label of which sigma^2 is large but below tau has full weight, as if nothing were
    known of it. A recipe's `keep_attenuation` asks for this.
    """
    kept = weight * bce_uncertainty(mean, log_variance, target)
    return kept + (1 - weight) * bce(mean, flipped_target)


def bootstrapping_loss(
    mean: Tensor,
    log_variance: Tensor,
    target: Tensor,
    flipped_target: Tensor,
    weight: Tensor,
    keep_attenuation: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return U of Eq 9 and B of Eq 10 under the detach rule of section 3.3; their sum is the loss of Figure 4c.

    The variance learns from U alone and the mean from B alone: mu is detached in U, W in B. The field that training
    follows is therefore not the gradient of U + B. With `keep_attenuation`, B is `bce_bootstrap_attenuated`, in which
    sigma^2 is detached, too.
    """
    uncertainty = bce_uncertainty(mean.detach(), log_variance, target)
    if keep_attenuation:
        return uncertainty, bce_bootstrap_attenuated(
            mean, log_variance.detach(), weight.detach(), target, flipped_target
        )
    return uncertainty, bce_bootstrap(mean, weight.detach(), target, flipped_target)


# --- 4.2  Extending to multi-class ------------------------------------------------------------------------------------


def ce(mean: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy of softmax(mu), section 4.2: (..., C) and (...) int64 -> (...)."""
    mean = full_precision(mean)
    return torch.logsumexp(mean, dim=-1) - mean.gather(-1, target.unsqueeze(-1)).squeeze(-1)


def ce_any(mean: Tensor, allowed: Tensor) -> Tensor:
    """Return the cross-entropy of a label that is one of several classes: -log of the sum of their probabilities.

    Not in the paper, whose boxes leave background alone outside of them. Where a dataset tells classes without boxes
    apart, such as road and sky, a box image says of such a pixel only that it is one of these.

    Args:
        mean: (..., C) mu.
        allowed: (C,) bool, the classes that the label may be; at least one.

    Returns:
        (...) the loss.
    """
    mean = full_precision(mean)
    return torch.logsumexp(mean, dim=-1) - torch.logsumexp(mean[..., allowed], dim=-1)


def sample_logits(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """Return logits l_t = mu + exp(s/2) eps_t, Eq 14: (..., C), (..., C), (T, ..., C) -> (T, ..., C).

    Resolution: `noise` is eps ~ N(0, I). The paper multiplies by Sigma and draws eps ~ N(mu, Sigma), which counts mu
    twice.
    """
    return full_precision(mean) + torch.exp(0.5 * full_precision(log_variance)) * noise


def ce_uncertainty(mean: Tensor, log_variance: Tensor, target: Tensor, noise: Tensor) -> Tensor:
    """Return -log of the mean over T samples of softmax(l_t)_y, Eq 12, 13 and 15: Monte Carlo as in Kendall and Gal.

    Args:
        mean: (..., C) mu.
        log_variance: (..., C) s.
        target: (...) int64, y.
        noise: (T, ..., C), standard normal.

    Returns:
        (...) the loss.

    Resolution: minus sign as in Eq 12 (Eq 15 lost it). Logarithms throughout, with logsumexp over classes and over
    samples, since the outer exp of Eq 15 overflows fp32 at a logit of 88.7. T samples for each pixel.
    """
    mean, log_variance = (full_precision(x).reshape(-1, x.shape[-1]) for x in (mean, log_variance))
    noise = noise.reshape(len(noise), *mean.shape)
    return SampledCrossEntropy.apply(mean, log_variance, target.flatten(), noise).view_as(target)


def ce_uncertainty_printed(mean: Tensor, log_variance: Tensor, target: Tensor, noise: Tensor) -> Tensor:
    """Return Eq 15 as it is printed, with both exp unguarded, in the precision of `mean`.

    It is here for comparison: a training with it ends once an exponential overflows. The inner exp does at a logit of
    88.7 in fp32 and of 11.1 in fp16; the outer one underflows, and the loss is infinite, once that happens in every
    sample.

    Args:
        mean, log_variance, target, noise: As for `ce_uncertainty`, of one floating point type.

    Returns:
        (...) the loss, in that type; infinite or NaN where it cannot be computed.
    """
    logits = mean + torch.exp(0.5 * log_variance) * noise  # Eq 14
    of_target = logits.gather(-1, target.expand(noise.shape[:-1]).unsqueeze(-1)).squeeze(-1)
    return -torch.log(torch.exp(of_target - torch.log(torch.exp(logits).sum(-1))).mean(0))


def ce_uncertainty_rao_blackwell(mean: Tensor, log_variance: Tensor, target: Tensor, noise: Tensor) -> Tensor:
    """Return -log of the integral of Eq 13, over the target's logit by quadrature and over the others by sampling.

    p_y = E[sigmoid(l_y - log sum_{c != y} exp l_c)], the inner expectation over l_y by a Gauss-Hermite rule of
    QUADRATURE_NODES nodes: an estimate with less variance than that of `ce_uncertainty`. Not in the paper; a recipe's
    `estimator` may be it.

    Args:
        mean, log_variance, target: As for `ce_uncertainty`.
        noise: As there; the target's column is not used.

    Returns:
        (...) the loss.
    """
    mean, log_variance = full_precision(mean), full_precision(log_variance)
    index = target.unsqueeze(-1)
    is_target = torch.zeros_like(mean, dtype=torch.bool).scatter(-1, index, True)
    others = sample_logits(mean, log_variance, noise).masked_fill(is_target, -math.inf)
    rest = torch.logsumexp(others, dim=-1)  # (T, ...)
    rule = np.polynomial.hermite_e.hermegauss(QUADRATURE_NODES)
    nodes, weights = (constants(tuple(x.tolist()), mean.dtype, mean.device) for x in rule)
    by_node = (-1, *(1,) * target.dim())  # nodes first and pixels last: the reductions run over contiguous memory
    deviation_y = torch.exp(0.5 * log_variance.gather(-1, index).squeeze(-1))
    logit_y = mean.gather(-1, index).squeeze(-1) + deviation_y * nodes.view(by_node)  # (nodes, ...)
    log_p = torch.logsumexp(functional.logsigmoid(logit_y.unsqueeze(1) - rest), dim=1)
    log_weights = torch.log(weights / weights.sum()).view(by_node)
    return math.log(noise.shape[0]) - torch.logsumexp(log_p + log_weights, dim=0)


def ce_uncertainty_mean_field(mean: Tensor, log_variance: Tensor, target: Tensor) -> Tensor:
    """Return -log of the integral of Eq 13 by the mean-field approximation, without samples.

    E[softmax(l)]_y = 1 / sum_c exp(-(mu_y - mu_c) / sqrt(1 + pi (sigma_y^2 + sigma_c^2) / 8)), the term c = y being 1
    (Lu, Ie and Sha 2020, Mean-field approximation to Gaussian-softmax integral). For two classes it is Eq 8, of the
    difference of their logits. Not in the paper; a recipe's `estimator` may be it.

    Args:
        mean, log_variance, target: As for `ce_uncertainty`.

    Returns:
        (...) the loss, the same whenever it is computed.
    """
    mean, s = full_precision(mean), full_precision(log_variance)
    index = target.unsqueeze(-1)
    together = torch.logaddexp(s, s.gather(-1, index))  # log of sigma_y^2 + sigma_c^2
    adapted = (mean - mean.gather(-1, index)) * torch.exp(-0.5 * functional.softplus(together + LOG_PI_8))
    return torch.logsumexp(adapted, dim=-1)


def exceeds_threshold(log_variance: Tensor, target: Tensor, tau: float, trigger: str) -> Tensor:
    """Return whether the variance is above tau, the condition of Eq 16: (..., C), (...) int64 -> (...) bool.

    Args:
        log_variance: (..., C) s.
        target: (...) int64, y.
        tau: The threshold on sigma^2, in logit^2.
        trigger: `max`, the largest variance of the classes (the paper's); `target`, the variance of the label's class.

    Raises:
        ValueError: As `triggering`.

    Resolution: strictly greater; the paper leaves equality open.
    """
    return torch.exp(full_precision(triggering(log_variance, target, trigger))) > tau


def triggering(log_variance: Tensor, target: Tensor, trigger: str) -> Tensor:
    """Return the log-variance that Eq 16 compares with log tau: (..., C), (...) int64 -> (...).

    Args:
        log_variance, target, trigger: As for `exceeds_threshold`.

    Raises:
        ValueError: The trigger is neither `max` nor `target`.
    """
    if trigger == "max":
        return log_variance.amax(dim=-1)
    if trigger == "target":
        return log_variance.gather(-1, target.unsqueeze(-1)).squeeze(-1)
    raise ValueError(f"trigger={trigger!r}: use 'max' or 'target'")


def bootstrapped_target(mean: Tensor, target: Tensor, flip: Tensor) -> Tensor:
    """Return y* = argmax(mu) where `flip`, else y, Eq 16: (..., C), (...) int64, (...) bool -> (...) int64.

    Resolution: the first of equal means. The flip is hard, where the binary one of Eq 10 is soft.
    """
    return torch.where(flip, mean.argmax(dim=-1), target)


def ce_bootstrapping_loss(
    mean: Tensor, log_variance: Tensor, target: Tensor, new_target: Tensor, noise: Tensor | None, estimator: Estimator
) -> tuple[Tensor, Tensor]:
    """Return the uncertainty loss on y and CE(mu, y*) under the detach rule, section 4.2; their sum is the loss.

    Args:
        mean, log_variance: (..., C).
        target: (...) int64, y.
        new_target: (...) int64, the bootstrapped y* of Eq 16.
        noise: (T, ..., C), standard normal; None for an estimator that takes none.
        estimator: `ce_uncertainty` or another with its arguments.

    Resolution: section 3.3 states the detach rule for the binary loss; the same here.
    """
    return estimator(mean.detach(), log_variance, target, noise), ce(mean, new_target)
