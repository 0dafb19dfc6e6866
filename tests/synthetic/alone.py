"""One thing by itself on an empty canvas: what its drawing paints, and what its label covers."""

from dataclasses import dataclass

import numpy as np

from stages.synthetic.canvas import Camera, Canvas
from stages.synthetic.vehicles import Pose
from stages.synthetic.world import LABELS, Difficulty, Street, World

EMPTY = (255, 0, 254)
HEADINGS = tuple((np.linspace(0, 2 * np.pi, 8, endpoint=False) + 0.1).tolist())


@dataclass(frozen=True)
class Drawing:
    """The supersampled canvas (H, W): its picture, its ids, and whether a pixel was painted."""

    picture: np.ndarray
    ids: np.ndarray

    @property
    def painted(self) -> np.ndarray:
        return (self.picture != EMPTY).any(axis=-1)

    @property
    def instances(self) -> list[int]:
        return np.unique(self.ids[self.ids >= 1000]).tolist()

    def box(self, value: int) -> tuple[int, int, float]:
        """Height and width of an instance, and the share of its box that it fills."""
        rows, columns = np.nonzero(self.ids == value)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        return height, width, rows.size / (height * width)


def empty_world(seed: int = 0, variety: float = 1.0) -> World:
    """A scene with nothing in it and no haze, 256x192, seen from 1.6 metres above the ground."""
    camera = Camera(focal=256, centre=(128, 96), height=1.6, roll=0)
    canvas = Canvas((256, 192), camera, haze=(200, 200, 200), visibility=1e9)
    canvas.picture.paste(EMPTY, (0, 0, *canvas.picture.size))
    difficulty = Difficulty(clutter=0, camouflage=0, occlusion=0, variety=variety, distance=0, wear=0)
    street = Street(road=(-4, 4), kerb=(-6, 6), kind="park")
    things = frozenset(LABELS.values())
    return World(canvas, np.random.default_rng(seed), difficulty, street, sun=0.5, shade=0, things=things)


def finished(world: World) -> Drawing:
    return Drawing(np.asarray(world.canvas.picture), np.asarray(world.canvas.ids))


def alone(choose, heading: float = 0.1, seed: int = 0, z: float = 18.0, x: float = 1.0) -> Drawing:
    """Draw what `choose` (world -> Blueprint) chooses."""
    world = empty_world(seed)
    choose(world).draw(Pose(x, z, heading))
    return finished(world)


def drawings(choose, z: float, seeds: int = 5) -> list[Drawing]:
    """Draw several that are chosen by chance, each at every heading."""
    return [alone(choose, heading, seed, z) for seed in range(seeds) for heading in HEADINGS]


def stray(drawing: Drawing) -> float:
    """Pixels that are painted or labelled but not both, as a share of the labelled ones."""
    labelled = drawing.ids != 0
    return (drawing.painted != labelled).sum() / labelled.sum()
