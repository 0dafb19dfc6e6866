"""The pictures of a prediction: class ids, classes over the photograph, and the variance."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from stages.figures.style import SEQUENTIAL, class_picture
from stages.predict.files import whole_file
from stages.predict.maps import DECADES, LEVELS, Answer

LONGEST_JPEG_SIDE = 65500
CLASS_PALETTE = class_picture(np.arange(256)[None])[0]
VARIANCE_PALETTE = np.rint(matplotlib.colormaps[SEQUENTIAL](np.arange(256))[:, :3] * 255).astype(np.uint8)
VARIANCE_SCALE = f"variance = 10 ** (index * {DECADES[1] - DECADES[0]} / {LEVELS} - {-DECADES[0]})"


def draw(picture: np.ndarray, found: Answer, output: Path, classes: Sequence[str]) -> None:
    """Write the pictures of a prediction.

    Args:
        picture: (H, W, 3) uint8, the photograph.
        found: What the network says of it.
        output: What the files' names begin with.
        classes: Names of the row's classes.

    Raises:
        UserError: A file cannot be written.
    """
    legend = ", ".join(f"{label} {name}" for label, name in enumerate(classes))
    _write_palette_png(output.with_name(f"{output.name}.png"), found.classes, CLASS_PALETTE, "classes", legend)
    _write_overlay(output, picture, found.classes)
    if found.variance is not None:
        file = output.with_name(f"{output.name}_uncertainty.png")
        _write_palette_png(file, found.variance, VARIANCE_PALETTE, "scale", VARIANCE_SCALE)


def _write_palette_png(file: Path, indices: np.ndarray, palette: np.ndarray, key: str, text: str) -> None:
    """Write indices (H, W) uint8 with colours (256, 3), and what they mean as a text of the PNG."""
    image, info = Image.fromarray(indices), PngInfo()
    image.putpalette(palette.tobytes())
    info.add_itxt(key, text)
    with whole_file(file) as path:
        image.save(path, "PNG", pnginfo=info)


def _write_overlay(output: Path, picture: np.ndarray, classes: np.ndarray) -> None:
    """Write the photograph with half of each class's colour over it, but for the background's."""
    over, foreground = picture.copy(), classes > 0
    over[foreground] = (picture[foreground].astype(np.uint16) + CLASS_PALETTE[classes[foreground]]) // 2
    kind = "jpg" if max(classes.shape) <= LONGEST_JPEG_SIDE else "png"
    with whole_file(output.with_name(f"{output.name}_overlay.{kind}")) as path:
        Image.fromarray(over).save(path, "JPEG" if kind == "jpg" else "PNG", quality=90)
