"""Opening a picture of any kind."""

from pathlib import Path

from PIL import Image, ImageOps

from stages.errors import UserError


def open_rgb(file: Path) -> Image.Image:
    """Return a picture as RGB, turned as its EXIF orientation says.

    Raises:
        UserError: It is no picture, is damaged, or may not be read.
    """
    try:
        with Image.open(file) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except Exception as error:  # noqa: BLE001 - damaged bytes lead decoders to raise anything
        reason = "no picture, or of an unknown kind" if isinstance(error, OSError) and not error.errno else error
        raise UserError(f"{file}: cannot be opened: {reason}") from None
