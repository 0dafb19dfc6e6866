"""The processes that share one training under `torchrun`; without it, one process trains alone.

Each process takes its part of every batch. Counts of pixels are summed over the processes, so the loss is the same mean
over the batch's valid pixels as with one process, and so are its gradients. Dropout and Monte Carlo noise differ, and
on CPUs batch norm normalises each process's part by itself.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn

TIMEOUT = timedelta(minutes=30)  # the first process writes snapshots and checkpoints while the others wait


@dataclass(frozen=True)
class Ranks:
    """The processes of one training.

    Attributes:
        rank: This process's number, from 0.
        world: How many there are.
    """

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one process that writes files and shows progress."""
        return self.rank == 0

    def all_reduce_sum(self, x: Tensor) -> Tensor:
        """Return the sum of a tensor over the processes, on all of them and without a gradient; alone, the tensor."""
        if self.world == 1:
            return x
        x = x.detach().clone()
        distributed.all_reduce(x)
        return x

    def broadcast(self, value: Any) -> Any:
        """Return the first process's `value` on all of them."""
        if self.world == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box)
        return box[0]

    def wrap_ddp(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Return the network with its gradients averaged over the processes; alone, the network itself."""
        if self.world == 1:
            return network
        return nn.parallel.DistributedDataParallel(network, device_ids=None if device.type == "cpu" else [device])

    def convert_sync_batchnorm(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Return the network, on CUDA with batch norm over all processes; alone, the network itself.

        On the CPU torch has no such layer: each process normalises its own part, and the running statistics of the
        first are kept.
        """
        several = self.world > 1 and device.type == "cuda"
        return nn.SyncBatchNorm.convert_sync_batchnorm(network) if several else network


@contextmanager
def join(device: torch.device) -> Iterator[Ranks]:
    """Join the processes that torchrun started until the block ends, and yield this one's place among them."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Ranks()
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
    try:
        yield Ranks(distributed.get_rank(), world)
    finally:
        distributed.destroy_process_group()
