"""One way to open a picture, whatever program wrote it: as RGB of 8 bits, upright, or with one line that refuses it."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from stages.errors import UserError

SMALLEST = 8
"""Pixels a side: the network halves a picture three times."""
LARGEST = 100_000_000
"""Pixels in all; they take 300 MB as RGB."""
EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
TURNED = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""
TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings a stored picture upright, by its EXIF orientation."""

Image.MAX_IMAGE_PIXELS = None  # `_open` refuses large pictures itself: Pillow warns of some in two lines


@dataclass(frozen=True)
class Header:
    """What a picture's file says before its pixels. Sizes are (width, height) in pixels."""

    stored: tuple[int, int]
    upright: tuple[int, int]
    """With the EXIF orientation applied, as viewers and annotation tools in a browser show it."""
    orientation: int
    """EXIF's, 1 to 8; 1 is upright as it is stored."""


def open_rgb(file: Path, content: bytes | None = None, smallest: int = SMALLEST) -> Image.Image:
    """Open a picture as RGB of 8 bits a channel, its EXIF orientation applied.

    16 bits of grey are scaled by their full range, 65535 to 255. Transparency is dropped, not composed: the colours
    below it are what was photographed, and a background would be this project's invention.

    Args:
        file: The picture.
        content: Its bytes, where they were read already.
        smallest: The fewest pixels a side.

    Raises:
        UserError: It cannot be read, is no picture or a truncated one, is too small or has more than 100 million
            pixels, or has 32 bits a channel.
    """
    image = open_stored(file, content, smallest)
    deep = image.mode.startswith("I;16") or (image.mode, image.format) == ("I", "PPM")  # a PGM file has 16 bits
    method = TRANSPOSITIONS.get(_orientation(image))
    image = image if method is None else image.transpose(method)
    image.info.pop("transparency", None)  # else Pillow warns
    if deep:
        values = (np.asarray(image).astype(np.uint32) + 128) // 257  # rounds 255 * value / 65535
        image = Image.fromarray(values.astype(np.uint8))
    elif image.mode not in EIGHT_BITS:
        raise UserError(
            f"{file}: has pixels of Pillow's mode {image.mode}, 32 bits a channel or rarer; "
            "allowed: 8 or 16 bits of grey, palette, RGB or CMYK, with or without transparency"
        )
    return image.convert("RGB")


def open_stored(file: Path, content: bytes | None = None, smallest: int = SMALLEST) -> Image.Image:
    """Open and decode an image as it is stored: its own mode, no orientation applied. For maps of ids.

    Raises:
        UserError: It cannot be read, is no image or a truncated one, or is too small or too large.
    """
    with _open(file, content, smallest) as image:
        try:
            image.load()
        except Exception as error:  # noqa: BLE001 - damaged bytes lead Pillow's decoders to raise anything
            raise _no_image(file, error) from None
        return image


def read_header(file: Path) -> Header:
    """Read a picture's sizes and orientation without its pixels.

    Raises:
        UserError: It cannot be read, is no image, or is too small or too large.
    """
    with _open(file) as image:
        orientation = _orientation(image)
        swapped = image.size[::-1] if orientation in TURNED else image.size
        if image.format == "TIFF":  # Pillow says how large it will be upright
            return Header(swapped, image.size, orientation)
        return Header(image.size, swapped, orientation)


def turn(ids: np.ndarray, orientation: int) -> np.ndarray:
    """Return a map of ids, uint8 (H, W), that was drawn on a stored picture, as it lies on the upright one."""
    method = TRANSPOSITIONS.get(orientation)
    return ids if method is None else np.asarray(Image.fromarray(ids).transpose(method))


def _orientation(image: Image.Image) -> int:
    """Return an image's EXIF orientation, 1 where it has none or its EXIF is damaged: viewers show it then, as it is.

    Of a TIFF, 1 once it is loaded: Pillow turns those itself.
    """
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - damaged bytes lead Pillow's parsers to raise anything
        return 1
    return orientation if orientation in TRANSPOSITIONS else 1


def _open(file: Path, content: bytes | None = None, smallest: int = SMALLEST) -> Image.Image:
    try:
        image = Image.open(file if content is None else io.BytesIO(content))
    except Exception as error:  # noqa: BLE001 - damaged bytes lead Pillow's parsers to raise anything
        raise _no_image(file, error) from None
    width, height = image.size
    if min(width, height) < smallest or width * height > LARGEST:
        image.close()
        raise UserError(
            f"{file}: its size is {width}x{height} pixels; allowed: {smallest}x{smallest} up to "
            f"{LARGEST // 10**6} million pixels; leave it out, or cut it into tiles"
        )
    return image


def _no_image(file: Path, error: Exception) -> UserError:
    if isinstance(error, OSError) and error.strerror:
        return UserError(f"{file}: cannot be read ({error.strerror})")
    reason = str(error).replace(repr(str(file)), "it").strip().splitlines() or [type(error).__name__]
    return UserError(f"{file}: not an image, or a truncated one ({reason[0]})")
