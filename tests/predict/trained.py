"""A small project of synthetic street scenes, and runs of it whose networks say something of every kind."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from stages import config, paths
from stages.boxes.pack import pack
from stages.download.run import download
from stages.model.hyperparameters import Hyperparameters
from stages.model.network import normalise
from stages.model.predictor import load
from stages.model.recipes import raw_start
from stages.train.loop import train
from tests.train.tiny import FILES, REPOSITORY, change

SIZE = (128, 64)  # width and height at training size
BINARY, MULTI_CLASS, PLAIN, L2 = (
    "bootstrap-500-2280-stable",
    "ce-bootstrap-500-2280-stable",
    "bce-500-2280",
    "regression-500-2280",
)


def write_project(root: Path) -> Path:
    """Draw and pack 12 + 4 scenes, twice as large as the training size; return `root`."""
    for name in FILES:
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        shutil.copy(REPOSITORY / name, root / name)
    change(
        root / "params.yaml",
        ("batch_size: 8", "batch_size: 4"),
        ("steps: auto", "steps: 2"),
        ("device: auto", "device: cpu"),
    )
    change(
        root / "configs" / "datasets.yaml",
        ("images: {train: 400, val: 160}", "images: {train: 12, val: 4}"),
        ("width: 0.5 ", "width: 0.25 "),
    )
    profile = config.load(root).profile
    manifest = download(profile, "synthetic", paths.scenes("synthetic", root), {})
    pack(profile.boxes, 0, "synthetic", manifest, paths.packed("synthetic", root), workers=1)
    return root


def train_run(root: Path, row: str) -> Path:
    """Train a row for two steps, then make its outputs vary about their thresholds; return the run's folder."""
    train(config.load(root), row, 0, root)
    folder = paths.train(row, 0, root)
    predictor = load(folder, torch.device("cpu"))
    _vary(predictor.network, predictor.chosen, 3)
    torch.save(predictor.network.state_dict(), folder / "weights.pt")
    if predictor.teacher is not None:  # another network, or it would not matter which of them decides
        _vary(predictor.teacher, predictor.chosen, 4)
        torch.save(predictor.teacher.state_dict(), folder / "teacher.pt")
    return paths.run(row, 0, root)


def _vary(network: nn.Module, chosen: Hyperparameters, seed: int) -> None:
    """Draw weights with which means lie about zero (L2: one half), and variances about tau."""
    network.eval()
    torch.manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.normal_(1.0, 0.3)
        head = network.head
        head.weight.normal_()
        images = torch.stack([torch.from_numpy(photograph(*SIZE, seed=seed)) for seed in range(8)])
        output = network(normalise(images)).movedim(1, 0).flatten(1)
        middle, spread = output.median(dim=1).values, output.std(dim=1)
        head.weight /= spread.view(1, -1, 1, 1)
        head.bias.copy_((head.bias - middle) / spread)
        head.bias[chosen.logits :] += raw_start(replace(chosen.recipe, initial_variance=2.5))
        if chosen.loss == "regression":
            head.bias[0] += 0.5


def photograph(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Return a picture of large blobs of colour and noise, (height, width, 3) uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 230, (height // 16 + 1, width // 16 + 1, 3))
    return (coarse.repeat(16, 0).repeat(16, 1)[:height, :width] + rng.integers(0, 25, (height, width, 3))).astype(
        np.uint8
    )
