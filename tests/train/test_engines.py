"""Which engine a training runs on."""

import pytest
import torch

from stages.train import engines

CUDA, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.mark.parametrize(
    ("device", "processes", "schedule", "engine"),
    [
        (CPU, 1, "polynomial", "eager"),
        (CUDA, 1, "polynomial", "graph"),
        (CUDA, 1, "constant", "graph"),
        (CUDA, 2, "polynomial", "eager"),  # a recording holds no communication
        (CUDA, 1, "one_cycle", "eager"),  # nor a momentum that changes
    ],
)
def test_an_engine_fits_the_device_and_the_schedule(device, processes, schedule, engine):
    assert engines.choose(device, processes, schedule) == engine


def test_a_rate_lies_where_a_recording_reads_it_whichever_engine_it_was_saved_by():
    weight = torch.nn.Parameter(torch.ones(2))
    optimiser = torch.optim.Adam([weight], 0.25, fused=True)
    for engine, recorded in (("graph", True), ("eager", False), ("compiled", True)):
        engines.prepare(optimiser, engine, CPU)
        (group,) = optimiser.param_groups
        assert isinstance(group["lr"], torch.Tensor) == recorded == group["capturable"]
        assert float(group["lr"]) == 0.25
