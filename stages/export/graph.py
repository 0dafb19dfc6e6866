"""What an exported file computes: from pictures as they are to means, variances and classes."""

import torch
from torch import Tensor, nn

from stages.model.network import normalise
from stages.model.objectives import predict, split_output
from stages.model.predictor import Predictor


class Graph(nn.Module):
    """Map pictures to all that a run predicts, with the normalisation before and the class rule after its network.

    In: (N, H, W, 3) uint8 RGB, H and W multiples of 8. Out, by `names`: `mean` (N, logits, H, W) fp32, `variance` of
    the same shape, of runs that have one, and `classes` (N, H, W) int64.
    """

    def __init__(self, predictor: Predictor):
        super().__init__()
        self.network, self.chosen = predictor.network, predictor.chosen
        self.eval().requires_grad_(False)  # a file's user would keep the gradients' memory, unasked

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the outputs."""
        return ("mean", "variance", "classes") if self.chosen.has_variance else ("mean", "classes")

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        mean, log_variance = split_output(self.network(normalise(images)), self.chosen)
        variance = () if log_variance is None else (log_variance.exp(),)
        return mean, *variance, predict(mean, self.chosen)

    def example(self) -> Tensor:
        """Return an input to follow through the graph; sizes of its own, so that none is taken for a constant."""
        return torch.zeros((2, 48, 80, 3), dtype=torch.uint8)


class NamedGraph(nn.Module):
    """A graph whose outputs are a dictionary."""

    def __init__(self, graph: Graph):
        super().__init__()
        self.graph = graph

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.graph.names, self.graph(images), strict=True))
