"""Pictures of every kind that users have, opened as RGB, or refused in one line."""

import io
import re
import zlib

import numpy as np
import pytest
from PIL import Image

from stages import pictures
from stages.errors import UserError
from stages.pictures import open_rgb, open_stored, read_header, turn

SIZE = (24, 16)
GREY = np.add.outer(np.arange(16) * 3, np.arange(24) * 8).astype(np.uint8)
COLOUR = np.stack([GREY, 255 - GREY, GREY // 2], axis=-1)
ALPHA = np.where(GREY > 100, 0, 255).astype(np.uint8)


def save(path, image, **options):
    image.save(path, **options)
    return path


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def pixels(path):
    image = open_rgb(path)
    assert image.mode == "RGB"
    return np.asarray(image)


def test_eight_bits_of_any_kind_keep_their_colours(tmp_path):
    rgb, grey = Image.fromarray(COLOUR), Image.fromarray(GREY)
    rgba = Image.fromarray(np.dstack([COLOUR, ALPHA]))
    three = np.repeat(GREY[..., None], 3, axis=-1)
    for name, image, expected in (
        ("rgb.png", rgb, COLOUR),
        ("grey.png", grey, three),
        ("bits.png", grey.point(lambda v: 255 * (v > 90)).convert("1"), 255 * (three > 90)),
        ("rgba.png", rgba, COLOUR),  # the colours below transparent pixels stay
        ("la.png", Image.merge("LA", [grey, Image.fromarray(ALPHA)]), three),
        ("cmyk.tif", Image.merge("CMYK", [*Image.fromarray(255 - COLOUR).split(), Image.new("L", SIZE)]), COLOUR),
        ("rgb.bmp", rgb, COLOUR),
    ):
        np.testing.assert_array_equal(pixels(save(tmp_path / name, image)), expected, err_msg=name)


def test_a_palette_is_looked_up_and_its_transparency_dropped(tmp_path, recwarn):
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8).repeat(8, axis=0).repeat(8, axis=1), mode="P")
    image.putpalette([10, 20, 30, 200, 100, 50, 0, 0, 255])
    path = save(tmp_path / "palette.png", image, transparency=bytes([0, 128, 255]))
    found = pixels(path)
    assert [tuple(found[y, x]) for y, x in ((0, 0), (0, 8), (8, 0))] == [(10, 20, 30), (200, 100, 50), (0, 0, 255)]
    assert not recwarn.list


@pytest.mark.parametrize("name", ["grey.png", "grey.tif", "grey.pgm"])
def test_16_bits_of_grey_are_scaled_by_their_full_range(tmp_path, name):
    values = np.linspace(0, 65535, 24 * 16).round().astype(np.uint16).reshape(16, 24)
    if name.endswith(".pgm"):
        (tmp_path / name).write_bytes(b"P5 24 16 65535\n" + values.astype(">u2").tobytes())
    else:
        save(tmp_path / name, Image.fromarray(values))
    found = pixels(tmp_path / name)
    np.testing.assert_array_equal(found, np.rint(values / 65535 * 255).astype(np.uint8)[..., None].repeat(3, axis=-1))
    assert (found.min(), found.max()) == (0, 255)


def test_16_bits_of_colour_lose_their_low_byte(tmp_path):
    """Written by hand, since Pillow writes none: colour type 2, bit depth 16."""
    values = (COLOUR.astype(np.uint16) * 256 + 17).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)

    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = (24).to_bytes(4, "big") + (16).to_bytes(4, "big") + bytes([16, 2, 0, 0, 0])
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "deep.png").write_bytes(content)
    np.testing.assert_array_equal(pixels(tmp_path / "deep.png"), COLOUR)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_32_bits_are_refused_by_name(tmp_path, kind):
    path = save(tmp_path / "deep.tif", Image.fromarray(GREY.astype(kind)))
    with pytest.raises(UserError, match=r"deep.tif: has pixels of Pillow's mode [FI], 32 bits .* allowed: 8 or 16"):
        open_rgb(path)


UPRIGHT = {  # by hand: where the stored picture's row 0 and column 0 belong, as the EXIF standard has it
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_the_exif_orientation_is_applied_once_and_the_header_says_both_sizes(tmp_path, orientation, name):
    options = {"lossless": True} if name.endswith("webp") else {}
    path = save(tmp_path / name, Image.fromarray(COLOUR), exif=exif(orientation), **options)
    np.testing.assert_array_equal(pixels(path), UPRIGHT[orientation](COLOUR))
    header = read_header(path)
    assert header.orientation == orientation and header.stored == SIZE
    assert header.upright == open_rgb(path).size
    np.testing.assert_array_equal(turn(GREY, orientation), UPRIGHT[orientation](GREY))


def test_an_orientation_of_a_jpeg_is_applied_and_one_that_is_none_ignored(tmp_path):
    image = Image.fromarray(np.repeat(np.arange(0, 240, 10, dtype=np.uint8)[None], 16, axis=0))
    path = save(tmp_path / "a.jpg", image, exif=exif(3), quality=95)
    found = pixels(path)
    assert found[8, 0, 0] > 220 and found[8, -1, 0] < 10
    for tags in (exif(9), b"Exif\0\0no EXIF at all"):
        path = save(tmp_path / "b.jpg", image, exif=tags, quality=95)
        assert pixels(path)[8, 0, 0] < 10 and read_header(path).orientation == 1


def test_what_is_no_image_or_cut_off_is_one_line(tmp_path):
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.png").mkdir()
    whole = save(tmp_path / "whole.jpg", Image.fromarray(COLOUR)).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[:-30])
    for name, said in (
        ("text.png", "not an image, or a truncated one"),
        ("empty.jpg", "not an image, or a truncated one"),
        ("cut.jpg", "not an image, or a truncated one"),
        ("missing.png", r"cannot be read \(No such file or directory\)"),
        ("folder.png", r"cannot be read \(Is a directory\)"),
    ):
        for opened in (open_rgb, open_stored):
            with pytest.raises(UserError, match=rf"^{re.escape(str(tmp_path / name))}: {said}[^\n]*$"):
                opened(tmp_path / name)


def test_a_damaged_png_is_one_line_wherever_the_damage_is(tmp_path):
    whole = save(tmp_path / "whole.png", Image.fromarray(COLOUR)).read_bytes()
    refused = 0
    for place in range(8, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        try:
            open_rgb(tmp_path / "a.png", bytes(damaged))
        except UserError as error:
            refused += "\n" not in str(error)
    assert refused >= 5


@pytest.mark.parametrize("size", [(1, 1), (7, 100), (20_000, 20_000), (100_001, 1000)])
def test_a_size_that_no_training_can_use_is_refused_before_its_pixels_are_read(tmp_path, size, recwarn, monkeypatch):
    content = io.BytesIO()
    Image.new("1", (8, 8)).save(content, "png")
    header = bytearray(content.getvalue())
    header[16:24] = size[0].to_bytes(4, "big") + size[1].to_bytes(4, "big")
    header[29:33] = zlib.crc32(header[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(header)
    for opened in (open_rgb, open_stored, read_header):
        with pytest.raises(UserError, match=rf"a.png: its size is {size[0]}x{size[1]} pixels; allowed: 8x8 up to 100"):
            opened(tmp_path / "a.png")
    assert not recwarn.list


def test_the_limits_themselves_are_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "LARGEST", 24 * 16)
    assert open_rgb(save(tmp_path / "a.png", Image.fromarray(COLOUR))).size == SIZE
    assert open_rgb(save(tmp_path / "b.png", Image.new("L", (8, 8)))).size == (8, 8)
    with pytest.raises(UserError, match="25x16"):
        open_rgb(save(tmp_path / "c.png", Image.new("L", (25, 16))))
