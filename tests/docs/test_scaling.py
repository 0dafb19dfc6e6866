"""docs/scaling.md: what is called counted, or follows from it, is what counting gives."""

import re
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from stages import arrays, config
from stages.model.erfnet import ERFNet

ROOT = Path(__file__).resolve().parents[2]
SCALING = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
SIZE, IMAGES = (1024, 512), 3475
PIXELS = SIZE[0] * SIZE[1]


def said(pattern: str) -> float:
    """The number that the page gives in a phrase."""
    found = re.search(pattern, SCALING.replace(",", ""))
    assert found, pattern
    return float(found[1])


def test_the_work_is_that_of_the_profile_and_the_network():
    profile = config.read_profiles(ROOT)["cityscapes"]
    every = config.load().rows.values()
    rows = [row for row in every if row.classes != "all" and row.group != "methods"]  # the profile has two classes
    assert int(said(r"All (\d+) rows")) == len(rows)
    drawn = profile.train.steps * 8
    assert profile.boxes.size == SIZE
    assert said(r"so ([\d]+)\s+images a row") == drawn
    assert said(r"and ([\d.]+) million in all") == round(len(rows) * drawn / 1e6, 1)
    network = ERFNet(2).to("meta")
    with FlopCounterMode(display=False) as counter:
        network(torch.empty(1, 3, SIZE[1], SIZE[0], device="meta")).sum().backward()
    assert said(r"takes (\d+) GFLOP") == round(counter.get_total_flops() / 1e9)
    total = len(rows) * drawn
    assert said(r"\| ([\d.]+) hours") == round(total / said(r"one H200 \| (\d+)") / 3600, 1)
    assert said(r"\| (\d+) minutes") == round(4 * drawn / said(r"one H200 \| (\d+)") / 60)
    assert said(r"\| (\d+) days") == round(total / said(r"bf16 units \| ([\d.]+)") / 86400, -1)


def test_the_arrays_are_what_their_files_hold():
    specs = arrays.specs(1, SIZE, ("one", "few"))
    size = sum(np.prod(shape) * np.dtype(dtype).itemsize for shape, dtype in specs.values())
    assert said(r"counted\* (\d+) bytes a\s+pixel") == size / PIXELS
    assert said(r"leaves (\d+) GB") == round(IMAGES * size / 1e9)
    assert said(r"(\d+) GB \| 1.8 TB") == round(10 * IMAGES * size / 1e9)
    drawn = 3 + 1 + 2  # a picture, a task's targets and box numbers; and a mask if all are pixel-perfect
    assert said(r"arrays ([\d.]+) GB") == round(2780 * PIXELS * (drawn + 1) / 1e9, 1)
    assert said(r"drawn ([\d.]+) MB an image") == round(PIXELS * (drawn + 1) / 1e6, 1)


def test_the_activations_are_what_the_backward_pass_keeps():
    network, kept = ERFNet(2), {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = network(torch.zeros(1, 3, 128, 256))
    assert output.shape[-1] == 256
    of_a_batch = 8 * sum(kept.values()) * PIXELS / (128 * 256) / (1 << 30)
    assert said(r"activations ([\d.]+) GiB in fp32") == round(of_a_batch, 1)
    assert said(r"backward pass ([\d.]+) GiB in bf16") == round(of_a_batch / 2, 1)
