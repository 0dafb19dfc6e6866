"""ERFNet, the paper's network (section 4.1: "a standard ERFNet segmentation network").

Source: Romera et al., "ERFNet: Efficient Residual Factorized ConvNet for Real-time Semantic Segmentation", T-ITS 2018:
the layer table (Table I there) and the non-bottleneck-1D block (Figure 2c there). Batch-norm epsilon 1e-3 and dropout
0.03 / 0.3 are those of the authors' released training recipe.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

BATCH_NORM_EPS = 1e-3
DILATIONS = (2, 4, 8, 16)


class Downsampler(nn.Module):
    """Halve the resolution: concatenate a strided 3x3 convolution and a max-pooling."""

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out - channels_in, 3, stride=2, padding=1)
        self.bn = nn.BatchNorm2d(channels_out, eps=BATCH_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(torch.cat([self.conv(x), functional.max_pool2d(x, 2)], dim=1)))


class NonBottleneck1d(nn.Module):
    """Add two 3x3 convolutions to the input, each factorised into 3x1 and 1x3; the second pair is dilated.

    Args:
        channels: Number of input and of output channels.
        dropout: Chance that a channel is dropped, in [0, 1].
        dilation: Of the second pair.

    Resolution: the paper gives no initialisation. The block starts as the identity (the scale of its last batch norm is
    zero; Goyal et al. 2017, section 5.1), since with torch's default a short training may predict no foreground for
    most of its steps.
    """

    def __init__(self, channels: int, dropout: float, dilation: int):
        super().__init__()
        d = dilation
        self.conv3x1_1 = nn.Conv2d(channels, channels, (3, 1), padding=(1, 0))
        self.conv1x3_1 = nn.Conv2d(channels, channels, (1, 3), padding=(0, 1))
        self.bn1 = nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS)
        self.conv3x1_2 = nn.Conv2d(channels, channels, (3, 1), padding=(d, 0), dilation=(d, 1))
        self.conv1x3_2 = nn.Conv2d(channels, channels, (1, 3), padding=(0, d), dilation=(1, d))
        self.bn2 = nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS)
        nn.init.zeros_(self.bn2.weight)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.conv3x1_1(x))
        y = functional.relu(self.bn1(self.conv1x3_1(y)))
        y = functional.relu(self.conv3x1_2(y))
        y = self.dropout(self.bn2(self.conv1x3_2(y)))
        return functional.relu(x + y)


class Upsampler(nn.Module):
    """Double the resolution with a strided transposed 3x3 convolution."""

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.conv = nn.ConvTranspose2d(channels_in, channels_out, 3, stride=2, padding=1, output_padding=1)
        self.bn = nn.BatchNorm2d(channels_out, eps=BATCH_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)))


class ERFNet(nn.Module):
    """Map images (N, 3, H, W), H and W divisible by 8, to (N, C, H, W).

    Encoder to 1/8 of the resolution, and decoder; no encoder head and no pretraining (the paper mentions neither).
    The network has 2,062,956 + 65 C parameters at width 1.

    Args:
        channels_out: Number of output channels C.
        width: Multiplies every hidden width (16, 64, 128). 1 is the paper's network.

    Raises:
        ValueError: The width does not give whole numbers of channels, at least 4.
    """

    def __init__(self, channels_out: int, width: float = 1.0):
        super().__init__()
        narrow, middle, wide = (round(w * width) for w in (16, 64, 128))
        if narrow != 16 * width or narrow < 4:
            raise ValueError(f"width={width}: 16 * width must be a whole number, at least 4 (e.g. 0.25, 0.5, 1)")
        self.encoder = nn.Sequential(
            Downsampler(3, narrow),
            Downsampler(narrow, middle),
            *(NonBottleneck1d(middle, 0.03, 1) for _ in range(5)),
            Downsampler(middle, wide),
            *(NonBottleneck1d(wide, 0.3, dilation) for _ in range(2) for dilation in DILATIONS),
        )
        self.decoder = nn.Sequential(
            Upsampler(wide, middle),
            *(NonBottleneck1d(middle, 0.0, 1) for _ in range(2)),
            Upsampler(middle, narrow),
            *(NonBottleneck1d(narrow, 0.0, 1) for _ in range(2)),
        )
        self.head = nn.ConvTranspose2d(narrow, channels_out, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.decoder(self.encoder(x)))
