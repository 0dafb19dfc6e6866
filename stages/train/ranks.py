"""The processes that share one training, under `torchrun`; without it, one process is all of them.

Each process takes its part of every batch. Counts of pixels are added up over the processes, so the loss is the same
mean over the batch's valid pixels, and its gradients are those of one process; but dropout and Monte Carlo noise
differ, and on CPUs batch norm sees a process's part alone.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn

PATIENCE = timedelta(minutes=30)  # the first process writes pictures and checkpoints while the others wait


@dataclass(frozen=True)
class Ranks:
    """This process's number, from 0, and how many there are."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one process that writes files and shows progress."""
        return self.rank == 0

    def total(self, x: Tensor) -> Tensor:
        """The sum of a tensor over the processes, without a gradient, on all of them; the tensor itself if alone."""
        if self.world == 1:
            return x
        x = x.detach().clone()
        distributed.all_reduce(x)
        return x

    def told(self, value: Any) -> Any:
        """What the first process has as `value`, on all of them."""
        if self.world == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box)
        return box[0]

    def share(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network whose gradients are averaged over the processes; the network itself if alone."""
        if self.world == 1:
            return network
        return nn.parallel.DistributedDataParallel(network, device_ids=None if device.type == "cpu" else [device])

    def whole(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network, on CUDA with batch norm over all processes.

        On the CPU torch has no such layer: each process normalises its own part, and the first one's running statistics
        are kept.
        """
        several = self.world > 1 and device.type == "cuda"
        return nn.SyncBatchNorm.convert_sync_batchnorm(network) if several else network


@contextmanager
def ranks(device: torch.device) -> Iterator[Ranks]:
    """The processes that torchrun started, joined for the length of the block."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Ranks()
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Ranks(distributed.get_rank(), world)
    finally:
        distributed.destroy_process_group()
