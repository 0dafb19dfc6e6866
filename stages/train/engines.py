"""How a step runs: op by op, as one recorded CUDA graph, or as a graph of compiled operations.

All three compute the same step; a GPU waits for the host in the first wherever its work is short.
"""

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from stages.train.losses import constants
from stages.train.objectives import Supervision

ENGINES = ("eager", "graph", "compiled")
_TENSORS = ("target", "box", "pixel_perfect")  # of Supervision
WARM_UP = 3  # steps before the recording, in which the optimiser makes its state and cuDNN finds its algorithms

Step = Callable[[Tensor, Supervision], tuple[Tensor, dict[str, Tensor]]]


def choose(device: torch.device, processes: int, schedule: str) -> str:
    """One of ENGINES: `graph` on a CUDA device, where it can be.

    A recording cannot hold several processes' communication here, nor the momentum that one_cycle changes each step.
    `compiled` takes more than a minute before the first step, and is chosen by nobody but benchmarks/train_step.py.
    """
    return "graph" if device.type == "cuda" and processes == 1 and schedule != "one_cycle" else "eager"


def prepare(optimiser: torch.optim.Optimizer, engine: str, device: torch.device) -> None:
    """Have the optimiser's rate where the engine reads it: a recording would keep a plain number as it is.

    Also after a state was loaded, which may be of another engine.
    """
    recorded = engine != "eager"
    for group in optimiser.param_groups:
        rate = float(group["lr"])
        group["lr"] = torch.tensor(rate, device=device) if recorded else rate
        group["capturable"] = recorded


def compiled(function: Callable) -> Callable:
    """The function, compiled at its first call; `losses.constants` stay the tensors that they are."""
    torch.compiler.assume_constant_result(constants)  # not where it is defined: that would import torch's compiler
    return torch.compile(function)


class Recorded:
    """A step of fixed shapes on a CUDA device, run by replaying a recording of it.

    The first WARM_UP calls run as they are; the next one is recorded. What it returns is overwritten by the next call.
    The step must not wait for the device, and must take its labels' lists at a fixed length (`Supervision.room`).
    """

    def __init__(self, step: Step):
        self._step, self._calls = step, 0
        self._stream = torch.cuda.Stream()
        self._graph: torch.cuda.CUDAGraph | None = None
        self._images: Tensor | None = None
        self._labels: Supervision | None = None
        self._result: Any = None

    def __call__(self, images: Tensor, labels: Supervision) -> tuple[Tensor, dict[str, Tensor]]:
        """Take the step."""
        self._calls += 1
        if self._calls <= WARM_UP:
            return self._warm(images, labels)
        if self._graph is None:
            self._images = images.clone()
            self._labels = replace(labels, **{name: getattr(labels, name).clone() for name in _TENSORS})
            self._graph = torch.cuda.CUDAGraph()
            with warnings.catch_warnings():
                warnings.filterwarnings("error", message="The CUDA Graph is empty")  # it would replay nothing, for ever
                with torch.cuda.graph(self._graph):
                    self._result = self._step(self._images, self._labels)
        else:
            self._images.copy_(images)
            for name in _TENSORS:
                getattr(self._labels, name).copy_(getattr(labels, name))
        self._graph.replay()
        return self._result

    def _warm(self, images: Tensor, labels: Supervision) -> tuple[Tensor, dict[str, Tensor]]:
        """On a stream of its own, as torch asks for before a recording."""
        before = torch.backends.cudnn.benchmark
        torch.backends.cudnn.benchmark = True
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            result = self._step(images, labels)
        torch.cuda.current_stream().wait_stream(self._stream)
        torch.backends.cudnn.benchmark = before
        return result
