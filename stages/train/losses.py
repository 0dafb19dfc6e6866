"""The paper's equations, one function each, in the paper's order.

Conventions, unless a docstring says otherwise:

- Every function is per pixel and reduces nothing: tensors of one common shape in, a tensor of that shape out.
  The multi-class functions take the classes as the last dimension: (..., C) in, (...) out.
- `mean` is mu, the mean of the logit (L2 rows: of the target itself); `log_variance` is s = log sigma^2, so that every
  s is a valid variance. `target` is y: 0 or 1 (binary, floating point) or a class number (multi-class, int64).
- Losses are in nats. Half precision (fp16, bf16) is computed in fp32; fp32 and fp64 stay what they are.
- Values and gradients are finite for |mu| <= 1e4 and -20 <= s <= 90.
- No function detaches anything, but for `bootstrapping_loss` and `ce_bootstrapping_loss`, which state the detach rule
  of section 3.3.

Where the paper is ambiguous or a sign is lost, the docstring says what was read and why ("Resolution").
"""

import functools
import math

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

LOG_PI_8 = math.log(math.pi / 8)
QUADRATURE_NODES = 8


def constants(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """A few numbers as a tensor (P,) that is made once: to copy it each time would make the host wait for a GPU."""
    return _made(values, dtype, device)  # a compiler looks through a cache, but takes this function's word


@functools.cache
def _made(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=dtype, device=device)


def _full(x: Tensor) -> Tensor:
    """Half precision as fp32: exp(s) overflows fp16 at s = 11.1, and bf16 keeps 8 bits."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


# --- 3.1  Learning uncertainty (regression) ---------------------------------------------------------------------------


def l2(mean: Tensor, target: Tensor) -> Tensor:
    """(y - mu)^2, the pixel-perfect term of Eq 3.

    Resolution: literally without the 1/2 of Eq 2, as if sigma^2 = 1/2.
    """
    return (target - _full(mean)).square()


def l2_uncertainty(mean: Tensor, log_variance: Tensor, target: Tensor) -> Tensor:
    """Eq 2: 1/2 exp(-s) (y - mu)^2 + s/2, the negative log-likelihood of y under N(mu, sigma^2).

    Least at sigma^2 = (y - mu)^2. Resolution: the constant 1/2 log(2 pi) is left out, as in the paper. It goes to minus
    infinity as sigma^2 -> 0 at mu = y, so training bounds s from below (recipes.py).
    """
    s = _full(log_variance)
    return 0.5 * torch.exp(-s) * l2(mean, target) + 0.5 * s


# --- 3.2.1  Switching to the cross-entropy loss -----------------------------------------------------------------------


def bce(logit: Tensor, target: Tensor) -> Tensor:
    """Eq 4 and 5: binary cross-entropy of sigmoid(logit); `target` in [0, 1] may be soft.

    Resolution: Eq 5 lacks the minus sign; this is the negative log-likelihood.
    """
    logit = _full(logit)
    return (1 - target) * logit - functional.logsigmoid(logit)


def expected_logit(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Eq 6 to 8: the "adapted" logit a with sigmoid(a) = E[sigmoid(l)], l ~ N(mu, sigma^2), approximately.

    a = mu / sqrt(1 + pi sigma^2 / 8), written mu exp(-1/2 softplus(s + log(pi/8))): the square root's gradient is NaN
    in fp16 from s = 12 on. Resolution: Eq 8 is an approximation (for |mu| <= 15, sigma^2 <= 30 the probability is off
    by up to 0.016), used as the paper uses it.
    """
    return _full(mean) * torch.exp(-0.5 * functional.softplus(_full(log_variance) + LOG_PI_8))


def bce_uncertainty(mean: Tensor, log_variance: Tensor, target: Tensor) -> Tensor:
    """Eq 9: the binary cross-entropy of the expected probability, U(mu, sigma^2).

    It has no interior optimum in sigma^2: with y = 1 the variance grows without bound where mu < 0 and goes to 0 where
    mu > 0. Resolution: minus sign, as in Eq 5.
    """
    return bce(expected_logit(mean, log_variance), target)


def variance_prior(log_variance: Tensor) -> Tensor:
    """1/2 softplus(s + log(pi/8)) = 1/2 log(1 + pi sigma^2 / 8): what gives Eq 9 a finite optimum in sigma^2.

    Not in the paper; a recipe adds it, weighted by its `prior`.
    """
    return 0.5 * functional.softplus(_full(log_variance) + LOG_PI_8)


# --- 3.3  Uncertainty-based online bootstrapping ----------------------------------------------------------------------


def keep_weight(log_variance: Tensor, tau: float, temperature: float) -> Tensor:
    """Eq 11: W = sigmoid((tau - sigma^2) / temperature), the weight of the given label; Figure 5 plots 1 - W.

    `tau` and `temperature` (the paper's unexplained 0.2) are in logit^2: W falls from 0.9 to 0.1 over
    tau +- 2.2 temperature (0.44 at 0.2).
    """
    variance = torch.exp(_full(log_variance).clamp(max=80))  # W is 0 long before; exp(89) is infinite in fp32
    return torch.sigmoid((tau - variance) / temperature)


def bce_bootstrap(mean: Tensor, weight: Tensor, target: Tensor, flipped_target: Tensor) -> Tensor:
    """Eq 10: W BCE(mu, y) + (1 - W) BCE(mu, y*), written as one BCE with the soft label W y + (1 - W) y*.

    Resolution: y* is a parameter of the recipe, the opposite label 1 - y (Figure 4) or the model's output (Eq 16).
    """
    return bce(mean, weight * target + (1 - weight) * flipped_target)


def bootstrapping_loss(
    mean: Tensor, log_variance: Tensor, target: Tensor, flipped_target: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Section 3.3 and Figure 4c: the pair (U of Eq 9, B of Eq 10) under the detach rule; their sum is the loss.

    The variance learns from U alone and the mean from B alone: mu is detached in U, W in B. The field that training
    follows is therefore not the gradient of U + B.
    """
    uncertainty = bce_uncertainty(mean.detach(), log_variance, target)
    bootstrap = bce_bootstrap(mean, weight.detach(), target, flipped_target)
    return uncertainty, bootstrap


# --- 4.2  Extending to multi-class ------------------------------------------------------------------------------------


def ce(mean: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of softmax(mu): (..., C) and (...) int64 -> (...)."""
    mean = _full(mean)
    return torch.logsumexp(mean, dim=-1) - mean.gather(-1, target.unsqueeze(-1)).squeeze(-1)


def sample_logits(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """Eq 14: l_t = mu + exp(s/2) eps_t; `noise` is eps ~ N(0, I), (T, ..., C), and so is the result.

    Resolution: the paper multiplies by Sigma and draws eps ~ N(mu, Sigma), which counts mu twice.
    """
    return _full(mean) + torch.exp(0.5 * _full(log_variance)) * noise


def ce_uncertainty(mean: Tensor, log_variance: Tensor, target: Tensor, noise: Tensor) -> Tensor:
    """Eq 12 to 15: -log of the mean over T samples of softmax(l_t)_y, Monte Carlo integration as in Kendall and Gal.

    Args:
        mean, log_variance: (..., C). target: (...) int64. noise: (T, ..., C), standard normal.

    Resolution: minus sign as in Eq 12 (Eq 15 lost it); logarithms throughout, with logsumexp over classes and over
    samples, since the outer exp of Eq 15 overflows fp32 at a logit of 88.7. T samples for each pixel.
    """
    mean, log_variance = (_full(x).reshape(-1, x.shape[-1]) for x in (mean, log_variance))
    noise = noise.reshape(len(noise), *mean.shape)
    return _SampledCrossEntropy.apply(mean, log_variance, target.flatten(), noise).view_as(target)


class _SampledCrossEntropy(torch.autograd.Function):
    """`ce_uncertainty` of lists, (P, C), (P, C), (P,), (T, P, C) -> (P,), one sample after another.

    The gradients are sums over the samples as well, so they are taken in the same pass and nothing of T times the
    pixels is kept or read again. With q_t = softmax(l_t) and w_t = q_ty / sum_t q_ty,
    d/d mu = sum_t w_t (q_t - onehot y), and d/d s = sum_t w_t (q_t - onehot y) exp(s/2) eps_t / 2. The sums are kept
    relative to the largest q_ty so far, since all of them may be too small for a float.
    """

    @staticmethod
    def forward(ctx, mean: Tensor, log_variance: Tensor, target: Tensor, noise: Tensor) -> Tensor:
        mean, deviation = (x.t().contiguous() for x in (mean, torch.exp(0.5 * log_variance)))  # (C, P) from here on
        index = target.unsqueeze(0)
        onehot = torch.zeros_like(mean).scatter_(0, index, 1.0)
        largest, total = mean.new_full(target.shape, -math.inf), mean.new_zeros(target.shape)
        by_mean = torch.zeros_like(mean) if ctx.needs_input_grad[0] else None
        by_deviation = torch.zeros_like(mean)
        for sample in noise.unbind():
            shift = deviation * sample.t()
            logits = mean + shift
            top = logits.amax(dim=0)
            logit_y = logits.gather(0, index).squeeze(0) - top
            q = logits.sub_(top).exp_()
            over = q.sum(dim=0)
            log_p = logit_y - over.log()
            before, largest = largest, torch.maximum(largest, log_p)
            kept, weight = (before - largest).exp_(), (log_p - largest).exp_()
            total.mul_(kept).add_(weight)
            pull = q.mul_(weight / over).sub_(onehot * weight)
            if by_mean is not None:
                by_mean.mul_(kept).add_(pull)
            by_deviation.mul_(kept).addcmul_(pull, shift)
        ctx.save_for_backward(by_mean, by_deviation, total)
        return math.log(len(noise)) - largest - total.log()

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor):
        by_mean, by_deviation, total = ctx.saved_tensors
        each = upstream / total
        return None if by_mean is None else (by_mean * each).t(), (by_deviation * (0.5 * each)).t(), None, None


def ce_uncertainty_rao_blackwell(mean: Tensor, log_variance: Tensor, target: Tensor, noise: Tensor) -> Tensor:
    """The integral of Eq 13 with the target's logit integrated by Gauss-Hermite quadrature and only the others sampled.

    Not in the paper; a recipe's `estimator` may be it. p_y = E[sigmoid(l_y - log sum_{c != y} exp l_c)], the inner
    expectation over l_y by an 8-node rule: less than half of the variance of `ce_uncertainty` at about its cost.
    Arguments and shapes as there; the target's column of `noise` is not used.
    """
    mean, log_variance = _full(mean), _full(log_variance)
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


def exceeds_threshold(log_variance: Tensor, target: Tensor, tau: float, trigger: str) -> Tensor:
    """The condition of Eq 16: whether the variance is above tau. (..., C), (...) int64 -> (...) bool.

    Args:
        trigger: `max`, the largest variance of the classes (the paper's); `target`, the variance of the label's class.

    Resolution: strictly greater (the paper leaves equality open).

    Raises:
        ValueError: a trigger that is neither `max` nor `target`.
    """
    variance = torch.exp(_full(log_variance))
    if trigger == "max":
        return variance.amax(dim=-1) > tau
    if trigger == "target":
        return variance.gather(-1, target.unsqueeze(-1)).squeeze(-1) > tau
    raise ValueError(f"trigger={trigger!r}: use 'max' or 'target'")


def bootstrapped_target(mean: Tensor, target: Tensor, flip: Tensor) -> Tensor:
    """Eq 16: y* = argmax(mu) where `flip`, else y. (..., C), (...) int64, (...) bool -> (...) int64.

    Resolution: the first of equal means; a hard flip, where the binary one of Eq 10 is soft.
    """
    return torch.where(flip, mean.argmax(dim=-1), target)


def ce_bootstrapping_loss(
    mean: Tensor, log_variance: Tensor, target: Tensor, new_target: Tensor, noise: Tensor, estimator
) -> tuple[Tensor, Tensor]:
    """Section 4.2: the pair (uncertainty loss on y, CE(mu, y*)) under the detach rule; their sum is the loss.

    Args:
        mean, log_variance: (..., C). target, new_target: (...) int64, y and the bootstrapped y* of Eq 16.
        noise: (T, ..., C). estimator: `ce_uncertainty` or `ce_uncertainty_rao_blackwell`.

    Resolution: section 3.3 states the detach rule for the binary loss; the same here.
    """
    return estimator(mean.detach(), log_variance, target, noise), ce(mean, new_target)
