"""The public recipe of ERFNet, after its authors' description, as the side to compare with.

Every step decodes PNG files of the full size in a DataLoader's workers, resizes photograph and label, mirrors half of
them, shifts them by up to two pixels, and trains in fp32, op by op, in contiguous memory: Adam at 5e-4, weight decay
1e-4, cross-entropy with the background's weight 1.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

CLASS_OF = {26: 1, 24: 2}  # Cityscapes' car and person
SHIFT = 2  # pixels


class Pictures(Dataset):
    """Photographs and labels in Cityscapes' folders, decoded and resized at each access.

    An item is an fp32 (3, H, W) in [0, 1] and an int64 (H, W), classes 0 to 2, 255 where a shift leaves nothing.

    Args:
        scenes: The folder with leftImg8bit and gtFine.
        size: (width, height) to resize to, in pixels.
    """

    def __init__(self, scenes: Path, size: tuple[int, int]):
        self._photographs = sorted((scenes / "leftImg8bit" / "train").rglob("*_leftImg8bit.png"))
        self._labels = sorted((scenes / "gtFine" / "train").rglob("*_labelIds.png"))
        self._size = size
        self._classes = np.zeros(256, np.uint8)
        for label, number in CLASS_OF.items():
            self._classes[label] = number

    def __len__(self) -> int:
        return len(self._photographs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        photograph = Image.open(self._photographs[index]).convert("RGB").resize(self._size, Image.Resampling.BILINEAR)
        label = Image.open(self._labels[index]).resize(self._size, Image.Resampling.NEAREST)
        image, classes = np.asarray(photograph), self._classes[np.asarray(label)]
        if random.random() < 0.5:
            image, classes = image[:, ::-1], classes[:, ::-1]
        right, down = (random.randint(-SHIFT, SHIFT) for _ in range(2))
        image, classes = _shifted(image, right, down, 0), _shifted(classes, right, down, 255)
        return torch.from_numpy(image).permute(2, 0, 1).float() / 255, torch.from_numpy(classes).long()


def _shifted(array: np.ndarray, right: int, down: int, fill: int) -> np.ndarray:
    """Return an image moved by whole pixels, with `fill` where nothing is left."""
    moved = np.roll(array, (down, right), axis=(0, 1))
    moved[: max(down, 0)] = moved[moved.shape[0] + min(down, 0) :] = fill
    moved[:, : max(right, 0)] = moved[:, moved.shape[1] + min(right, 0) :] = fill
    return moved


class PublicRecipe:
    """The recipe with a network of three classes.

    Args:
        network: Maps fp32 images (N, 3, H, W) to (N, 3, H, W) logits.
        scenes: The folder with leftImg8bit and gtFine.
        size: (width, height) of the images, in pixels.
        batch_size: Images in a step.
        workers: Processes of the loader; 0 loads in this one.
        device: Where to train.
    """

    def __init__(
        self,
        network: nn.Module,
        scenes: Path,
        size: tuple[int, int],
        batch_size: int,
        workers: int,
        device: torch.device,
    ):
        self.network = network.to(device).train()
        self._device = device
        self._optimiser = torch.optim.Adam(network.parameters(), 5e-4, weight_decay=1e-4)
        self._loader = DataLoader(
            Pictures(scenes, size),
            batch_size,
            shuffle=True,
            drop_last=True,
            num_workers=workers,
            persistent_workers=workers > 0,
        )
        self._batches = self._endless()

    def _endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from self._loader

    def step(self) -> None:
        """Load a batch and take one optimiser step."""
        images, classes = (x.to(self._device) for x in next(self._batches))
        output = self.network(images)
        self._optimiser.zero_grad()
        loss = functional.nll_loss(functional.log_softmax(output, dim=1), classes, ignore_index=255)
        loss.backward()
        self._optimiser.step()
        loss.item()  # the recipe logs every step's loss
