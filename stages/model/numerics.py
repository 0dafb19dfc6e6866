"""Floating-point and speed details of losses.py that are no part of the method: precision, constants, sampling."""

import functools
import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def full_precision(x: Tensor) -> Tensor:
    """Return half precision (fp16, bf16) as fp32 and leave other types as they are.

    exp(s) overflows fp16 at s = 11.1, and bf16 has 8 significant bits.
    """
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def constants(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return a few numbers as a tensor (P,), made once for each device and type.

    Copying them to a GPU in every step would force a host-device synchronisation.
    """
    return _made_once(values, dtype, device)  # a compiler looks through a cache, but takes this function's word


@functools.cache
def _made_once(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=dtype, device=device)


class SampledCrossEntropy(torch.autograd.Function):
    """Compute Eq 15 of lists, (P, C), (P, C), (P,), (T, P, C) -> (P,), one Monte Carlo sample after another.

    The gradients are sums over the samples as well, so they are taken in the same pass and no tensor of T times
    the pixels is stored. With q_t = softmax(l_t) and w_t = q_ty / sum_t q_ty,
    d/d mu = sum_t w_t (q_t - onehot y), and d/d s = sum_t w_t (q_t - onehot y) exp(s/2) eps_t / 2. The sums are kept
    relative to the largest q_ty so far, since all of them may be too small for a float.
    """

    @staticmethod
    def forward(ctx: Any, mean: Tensor, log_variance: Tensor, target: Tensor, noise: Tensor) -> Tensor:
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
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        by_mean, by_deviation, total = ctx.saved_tensors
        each = upstream / total
        return None if by_mean is None else (by_mean * each).t(), (by_deviation * (0.5 * each)).t(), None, None
