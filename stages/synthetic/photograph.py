"""From a clean drawing to something like a photograph: texture, light, lens, sensor, compression."""

import io

import numpy as np
from PIL import Image, ImageFilter

from stages.synthetic.world import BUILDING, CAR, PERSON, ROAD, SIDEWALK, SKY, TERRAIN, VEGETATION, WALL, World

# Amplitude of (fine, coarse) texture by label id, in grey levels; other things have the default.
TEXTURE = {
    SKY: (0.5, 4.0), ROAD: (5.0, 8.0), SIDEWALK: (6.0, 8.0), TERRAIN: (10.0, 14.0), VEGETATION: (17.0, 20.0),
    BUILDING: (6.0, 12.0), WALL: (8.0, 10.0), CAR: (4.0, 12.0), PERSON: (8.0, 12.0),
}  # fmt: skip
DEFAULT_TEXTURE = (5.0, 10.0)


def expose(world: World, picture: Image.Image, ids: np.ndarray) -> Image.Image:
    """Turn the drawing into a photograph (RGB); `ids` (H, W) says what each pixel shows."""
    values = np.asarray(picture, dtype=np.float32)
    values = values + _texture(world, ids)[..., None]
    values = _light(world, values)
    return _compressed(world, _sensor(world, _blurred(world, values)))


def _texture(world: World, ids: np.ndarray) -> np.ndarray:
    """Return grey levels (H, W) to add: fine grain and coarse patches, as strong as the material has them."""
    height, width = ids.shape
    labels = np.where(ids >= 1000, ids // 1000, ids)
    strength = np.tile(np.asarray(DEFAULT_TEXTURE, dtype=np.float32), (64, 1))
    for label, amplitudes in TEXTURE.items():
        strength[label] = amplitudes
    fine = world.rng.standard_normal((height, width), dtype=np.float32)
    coarse = _smooth(world, (max(height // 6, 2), max(width // 6, 2)), (height, width))
    return strength[labels, 0] * fine + strength[labels, 1] * coarse


def _smooth(world: World, cells: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
    """Return low-frequency normal noise of `shape`, from `cells` independent values."""
    noise = Image.fromarray(world.rng.standard_normal(cells, dtype=np.float32))
    return np.asarray(noise.resize(shape[::-1], Image.Resampling.BILINEAR))


def _light(world: World, values: np.ndarray) -> np.ndarray:
    """Change exposure, contrast, colour cast, saturation, uneven light, vignette; the spread follows the variety."""
    spread, wear = world.difficulty.variety, world.difficulty.wear
    height, width = values.shape[:2]
    gain = np.exp(world.rng.normal(0, 0.22 * spread))
    cast = 1 + world.rng.normal(0, 0.07 * spread, 3)
    uneven = 1 + 0.12 * spread * _smooth(world, (3, 4), (height, width))
    across, down = np.linspace(-1, 1, width), np.linspace(-1, 1, height)
    vignette = 1 - 0.22 * world.rng.random() * (across[None] ** 2 + down[:, None] ** 2) / 2
    values = values * (gain * cast).astype(np.float32)
    values *= (uneven * vignette).astype(np.float32)[..., None]
    # `mean` over so short an axis takes 17 times as long
    grey = (values[..., 0] + values[..., 1] + values[..., 2])[..., None] / np.float32(3)
    values -= grey
    values *= world.uniform(1 - 0.7 * spread, 1.1)
    values += grey
    contrast = 1 - wear * world.uniform(0, 0.55)
    return 128 * (1 - contrast) + contrast * values if world.chance(0.5) else values


def _blurred(world: World, values: np.ndarray) -> Image.Image:
    """Put a picture out of focus, a little, in proportion to its size."""
    picture = Image.fromarray(values.clip(0, 255).astype(np.uint8))
    radius = world.difficulty.wear * world.uniform(0, 0.9) * picture.width / 256
    return picture.filter(ImageFilter.GaussianBlur(radius)) if radius > 0.15 else picture


def _sensor(world: World, picture: Image.Image) -> Image.Image:
    """Add the noise of the sensor, the same in no two channels."""
    sigma = world.difficulty.wear * world.uniform(1, 12)
    if sigma <= 0:
        return picture
    noise = world.rng.standard_normal((picture.height, picture.width, 3), dtype=np.float32)
    noisy = np.asarray(picture, dtype=np.float32) + sigma * noise
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def _compressed(world: World, picture: Image.Image) -> Image.Image:
    """Pass a picture once through JPEG."""
    quality = int(95 - 55 * world.difficulty.wear * world.rng.random())
    memory = io.BytesIO()
    picture.save(memory, "JPEG", quality=quality)
    return Image.open(memory).convert("RGB")
