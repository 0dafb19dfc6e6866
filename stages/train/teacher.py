"""The teacher of a training: a network whose weights follow the trained one's as a running mean.

Source: Tarvainen and Valpola 2017, Mean teachers are better role models, section 2. Not in the paper.
"""

import copy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Teacher:
    """A copy of a network that follows it.

    Attributes:
        network: The copy, without gradients. Its running statistics follow those of the batch norms, too.
    """

    def __init__(self, network: nn.Module, decay: float):
        """Copy a network.

        Args:
            network: As it is before the first step.
            decay: What a step keeps of the mean, in (0, 1).
        """
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self._mean = get_ema_multi_avg_fn(decay)
        self._own = _averaged(self.network)

    def follow(self, network: nn.Module) -> None:
        """Take a step towards the network, of the same architecture, after an optimiser step of it."""
        self._mean(self._own, _averaged(network), 0)


@torch.no_grad()
def _averaged(network: nn.Module) -> list[torch.Tensor]:
    """Return the weights and running statistics, but for counts of batches."""
    return [value for value in network.state_dict().values() if value.is_floating_point()]
