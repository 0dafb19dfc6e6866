"""An encoder that learns by itself before the network is trained, from masks at an eighth of the size.

The paper does not say whether its ERFNet starts pretrained. The network's own paper trains the encoder first, to a
segmentation at an eighth of the size, and attaches the decoder then (Romera et al. 2018, ERFNet, section IV). Weights
of ImageNet, which the authors may have used, are no part of this project.
"""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim import lr_scheduler

from stages.arrays import VOID, Packed
from stages.device import precision
from stages.model.erfnet import ERFNet, Upsampler
from stages.model.hyperparameters import Hyperparameters
from stages.model.network import normalise
from stages.train.batches import Batches, plan

STRIDE = 8


def pretrain(
    network: ERFNet, chosen: Hyperparameters, packed: Packed, pp: np.ndarray, seed: int, device: torch.device
) -> None:
    """Train the encoder for `encoder_steps` on pixel-perfect images alone; the head that it needs is thrown away.

    Args:
        network: Its encoder is changed in place.
        chosen: Gives the steps, the batches and the optimiser's numbers.
        packed: The data.
        pp: (N,) int64, the row's pixel-perfect training indices, N above 0.
        seed: Of the training.
        device: Where the network lies.
    """
    steps, no_boxes = chosen.encoder_steps, np.empty(0, np.int64)
    drawn = plan(
        pp,
        no_boxes,
        steps=steps,
        batch_size=chosen.batch_size,
        seed=seed,
        pp_chance=0.0,
        sampler="coin",
        warmup_share=0.0,
        horizontal_flip=chosen.horizontal_flip,
    )
    batches = Batches(packed, chosen.row, pp, drawn, device)
    attached = network.decoder[0]
    assert isinstance(attached, Upsampler)
    head = nn.Conv2d(attached.conv.in_channels, len(chosen.classes), 1).to(device)
    weights = [*network.encoder.parameters(), *head.parameters()]
    optimiser = torch.optim.Adam(weights, chosen.learning_rate, weight_decay=chosen.weight_decay)
    schedule = lr_scheduler.PolynomialLR(optimiser, total_iters=steps, power=0.9)
    number = precision(device)
    network.train()
    for step in range(steps):
        images, labels = batches[step]
        centres = labels.target[:, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
        with torch.autocast(device.type, number, enabled=number != torch.float32):
            output = head(network.encoder(normalise(images)))
        loss = cross_entropy(output.float(), centres, ignore_index=VOID)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
