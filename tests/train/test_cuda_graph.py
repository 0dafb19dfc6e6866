"""Which engine a training runs on, and the lists of fixed length that a captured step needs."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from stages import arrays
from stages.model.objectives import Supervision, list_pixels
from stages.train import cuda_graph
from stages.train.batches import Batches, plan

CUDA, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.mark.parametrize(
    ("device", "processes", "schedule", "engine"),
    [
        (CPU, 1, "polynomial", "eager"),
        (CUDA, 1, "polynomial", "graph"),
        (CUDA, 1, "constant", "graph"),
        (CUDA, 2, "polynomial", "eager"),  # a graph holds no communication
        (CUDA, 1, "one_cycle", "eager"),  # nor a momentum that changes
    ],
)
def test_an_engine_fits_the_device_and_the_schedule(device, processes, schedule, engine):
    assert cuda_graph.choose_engine(device, processes, schedule) == engine


def test_a_rate_lies_where_a_graph_reads_it_whichever_engine_it_was_saved_by():
    weight = torch.nn.Parameter(torch.ones(2))
    optimiser = torch.optim.Adam([weight], 0.25, fused=True)
    for engine, captured in (("graph", True), ("eager", False), ("compiled", True)):
        cuda_graph.prepare_optimiser(optimiser, engine, CPU)
        (group,) = optimiser.param_groups
        assert isinstance(group["lr"], torch.Tensor) == captured == group["capturable"]
        assert float(group["lr"]) == 0.25


@pytest.mark.parametrize("length", [5, 6, 9])
@pytest.mark.parametrize("places", [[], [0], [3, 4, 8], [1, 2, 5, 6, 9]])
def test_a_padded_list_has_the_pixels_first_and_then_others_that_are_not_real(places, length):
    selected = torch.zeros(12, dtype=torch.bool)
    selected[places] = True
    expected, _ = list_pixels(selected)
    index, real = cuda_graph.padded_list(length)(selected)
    assert len(index) == len(real) == length
    assert real.tolist() == [True] * len(places) + [False] * (length - len(places))
    assert index[real].tolist() == expected.tolist() == places
    assert ((index >= 0) & (index < 12)).all()


@pytest.mark.parametrize("name", ["bce-500-2280", "regression-all-500-2280", "ce-500-2280", "bce-2780"])
def test_no_batch_has_more_uncertain_pixels_than_the_padding_allows_for(name, packed, settings):
    row = settings.rows[name]
    pp, box = arrays.pools(packed, row)
    drawn = plan(pp, box, steps=30, batch_size=4, seed=0, horizontal_flip=0.5)
    batches, counts = Batches(packed, row, pp, drawn, CPU), []
    for step in range(30):
        _, labels = batches[step]
        inside = labels.box > 0
        if row.pixels == "all":
            inside = (~labels.pixel_perfect).view(-1, 1, 1).expand_as(inside)
        counts.append(int(inside.sum()))
    assert cuda_graph.max_box_pixels(packed, row, drawn) == max(1, np.max(counts))


def test_a_replay_sees_each_batch_in_the_tensors_that_were_captured(monkeypatch):
    """The calls of torch.cuda pretended: a few steps run as they are, one is captured, the next ones are replayed."""
    replays, stream = [], SimpleNamespace(wait_stream=lambda _: None)
    pretended = {
        "Stream": lambda: stream,
        "current_stream": lambda: stream,
        "stream": nullcontext,
        "graph": nullcontext,
        "CUDAGraph": lambda: SimpleNamespace(replay=lambda: replays.append(len(replays))),
    }
    for name, value in pretended.items():
        monkeypatch.setattr(torch.cuda, name, value, raising=False)
    seen = []

    def step(images, labels):
        seen.append((images, labels.target, labels.box, labels.pixel_perfect))
        return images, {"loss": images.sum()}

    def batch(k):
        return torch.full((2, 3), k), Supervision(*(torch.full((2,), 10 * k + i) for i in range(3)))

    graphed = cuda_graph.GraphedStep(step)
    for k in range(cuda_graph.WARM_UP_STEPS + 4):
        images, labels = batch(k)
        graphed(images, labels)
        captured = k >= cuda_graph.WARM_UP_STEPS
        assert len(seen) == min(k, cuda_graph.WARM_UP_STEPS) + 1
        assert (seen[-1][0] is images) == (not captured)
        for own, given in zip(seen[-1], (images, labels.target, labels.box, labels.pixel_perfect), strict=True):
            torch.testing.assert_close(own, given)
    assert len(replays) == 4
