"""The ways to run a training step: op by op, as one captured CUDA graph, or as a graph of compiled operations.

All three compute the same step. Op by op, a GPU idles while the host launches short operations. A captured graph needs
tensors of the same shapes in every step, so this module also pads the lists of in-box pixels to one length.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stages.arrays import Packed
from stages.config import Row
from stages.model.numerics import constants
from stages.model.objectives import ListPixels, Supervision
from stages.model.recipes import recipe_of
from stages.train.batches import Plan

ENGINES = ("eager", "graph", "compiled")
WARM_UP_STEPS = 3  # before the capture: the optimiser makes its state and cuDNN finds its algorithms

Step = Callable[[Tensor, Supervision], tuple[Tensor, dict[str, Tensor]]]


def choose_engine(device: torch.device, processes: int, schedule: str) -> str:
    """Return the fastest of ENGINES that a training can run on: `graph` on CUDA devices, where possible, else `eager`.

    A captured graph cannot hold the communication between processes, nor the momentum that `one_cycle` changes in each
    step. `compiled` compiles for long before the first step; only benchmarks/train_step.py asks for it.

    Args:
        device: Where the training runs.
        processes: How many share it.
        schedule: Of the learning rate.
    """
    return "graph" if device.type == "cuda" and processes == 1 and schedule != "one_cycle" else "eager"


def prepare_optimiser(optimiser: torch.optim.Optimizer, engine: str, device: torch.device) -> None:
    """Make the learning rate a tensor on the device where the engine needs it, else a number.

    A captured graph would replay a plain number unchanged. To be called again after the optimiser loads a state, which
    may have been saved by another engine.
    """
    captured = engine != "eager"
    for group in optimiser.param_groups:
        rate = float(group["lr"])
        group["lr"] = torch.tensor(rate, device=device) if captured else rate
        group["capturable"] = captured


def compiled(function: Callable) -> Callable:
    """Return the function, to be compiled at its first call with what `numerics.constants` returns as constants."""
    torch.compiler.assume_constant_result(constants)  # not where it is defined: that would import torch's compiler
    return torch.compile(function)


def max_box_pixels(packed: Packed, row: Row, plan: Plan) -> int:
    """Return the largest number of uncertain pixels in any batch, the length to which their lists are padded.

    Args:
        packed: The data.
        row: Decides whether in-box pixels are uncertain, or all pixels of box images; and whether those of
            pixel-perfect images count.
        plan: What this process draws.
    """
    certain = np.zeros(plan.image.shape, bool) if recipe_of(row).own_boxes else plan.pixel_perfect
    numbers = packed.train.indices(row.classes)
    if row.pixels == "all":
        inside = np.full(len(numbers), numbers[0].size)
    else:
        inside = np.array([np.count_nonzero(image) for image in numbers])
    return max(1, int(np.where(certain, 0, inside[plan.image]).sum(axis=1).max()))


def padded_list(length: int) -> ListPixels:
    """Return a `ListPixels` whose lists all have one length, without a host-device synchronisation.

    The indices where the mask is True come first, and any others, marked as padding, behind them.

    Args:
        length: At least the number of True pixels of any mask, see `max_box_pixels`.
    """

    def list_pixels(selected: Tensor) -> tuple[Tensor, Tensor]:
        count, each = selected.cumsum(0), torch.arange(len(selected), device=selected.device)
        slot = torch.where(selected, count - 1, length)  # pixels that are not selected share one slot behind the list
        index = count.new_zeros(length + 1).scatter_(0, slot, each)[:length]
        real = each[:length] < count[-1]
        # Padding takes different pixels: adding their (zero) gradients to one would serialise the additions.
        return torch.where(real, index, each[:length]), real

    return list_pixels


class GraphedStep:
    """A step of fixed shapes on a CUDA device, run by replaying a CUDA graph of it.

    The first WARM_UP_STEPS calls run op by op; the next one is captured. A call overwrites what the last one returned.

    Args:
        step: Must not force a host-device synchronisation, and must list pixels at one length (`padded_list`).
    """

    def __init__(self, step: Step):
        self._step, self._calls = step, 0
        self._stream = torch.cuda.Stream()
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: tuple[Tensor, ...] = ()
        self._result: Any = None

    def __call__(self, images: Tensor, labels: Supervision) -> tuple[Tensor, dict[str, Tensor]]:
        """Take the step, see `Trainer.advance`."""
        self._calls += 1
        if self._calls <= WARM_UP_STEPS:
            return self._warm_up(images, labels)
        given = {name: value for name, value in vars(labels).items() if value is not None}
        inputs = (images, *given.values())
        if self._graph is None:
            self._inputs = tuple(x.clone() for x in inputs)
            self._graph = torch.cuda.CUDAGraph()
            with warnings.catch_warnings():
                warnings.filterwarnings("error", message="The CUDA Graph is empty")  # it would replay nothing
                with torch.cuda.graph(self._graph):
                    self._result = self._step(
                        self._inputs[0], Supervision(**dict(zip(given, self._inputs[1:], strict=True)))
                    )
        else:
            for own, new in zip(self._inputs, inputs, strict=True):
                own.copy_(new)
        self._graph.replay()
        return self._result

    def _warm_up(self, images: Tensor, labels: Supervision) -> tuple[Tensor, dict[str, Tensor]]:
        """Take the step on a stream of its own, as torch requires before a capture."""
        before = torch.backends.cudnn.benchmark
        torch.backends.cudnn.benchmark = True
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            result = self._step(images, labels)
        torch.cuda.current_stream().wait_stream(self._stream)
        torch.backends.cudnn.benchmark = before
        return result
