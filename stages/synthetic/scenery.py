"""The street without its traffic: sky, ground, buildings, trees, poles, fences."""

import numpy as np
from PIL import Image

from stages.synthetic import signals
from stages.synthetic.canvas import SUPERSAMPLING
from stages.synthetic.world import (
    BUILDING,
    EGO,
    FENCE,
    LIGHT,
    OUT_OF_ROI,
    POLE,
    ROAD,
    SIDEWALK,
    SIGN,
    SKY,
    TERRAIN,
    VEGETATION,
    World,
    hsv,
    mixed,
)

FAR = 220.0  # metres to the end of the street


def sky(world: World, top: np.ndarray, horizon: np.ndarray) -> None:
    """Draw a vertical gradient with clouds over the whole canvas."""
    canvas = world.canvas
    picture = canvas.picture
    rows = np.linspace(0, 1.6, picture.height, dtype=np.float32)[:, None].clip(0, 1)
    column = (top * (1 - rows) + horizon * rows).astype(np.uint8)[:, None]
    picture.paste(Image.fromarray(np.repeat(column, picture.width, axis=1)))
    canvas.ids.paste(SKY, (0, 0, *picture.size))
    for _ in range(world.rng.poisson(2.5)):
        x, y = world.uniform(0, picture.width), world.uniform(-0.05, 0.45) * picture.height
        tone = tuple(int(v) for v in np.clip(horizon * world.uniform(0.8, 1.2), 0, 255))
        for _ in range(5):
            wide, high = world.uniform(0.04, 0.16) * picture.width, world.uniform(0.02, 0.07) * picture.height
            dx, dy = world.rng.normal(0, wide * 0.7), world.rng.normal(0, high * 0.4)
            canvas.ellipse((x + dx - wide, y + dy - high, x + dx + wide, y + dy + high), (*tone, 70))


def skyline(world: World) -> None:
    """Draw houses, woods or hills where the street ends."""
    x = -110.0
    while x < 110:
        wide = world.uniform(6, 30)
        wood = world.chance(0.45)
        tall = world.uniform(4, 12) if wood else world.uniform(5, 26)
        z = world.uniform(0.6, 0.95) * FAR
        colour = world.hue((0.2, 0.5), (0.2, 0.45)) if wood else world.hue((0.02, 0.35), (0.35, 0.8))
        if wood:
            colour = hsv(world.uniform(0.22, 0.38), 0.45, world.uniform(0.2, 0.45))
        corners = [[x, 0, z], [x, tall, z], [x + wide * 0.5, tall * 1.1, z], [x + wide, tall, z], [x + wide, 0, z]]
        world.ground(corners, world.canvas.hazed(colour, z), VEGETATION if wood else BUILDING)
        x += wide * 0.8


def ground(world: World) -> None:
    """Draw verges, pavements, the road, its markings and stains, strip after strip of depth so that haze shows."""
    street = world.street
    verge = hsv(world.uniform(0.18, 0.34), world.uniform(0.2, 0.5), world.uniform(0.25, 0.55))
    if street.kind == "canyon":
        verge = hsv(world.uniform(0.05, 0.15), 0.12, world.uniform(0.35, 0.6))
    pavement = hsv(world.uniform(0.0, 0.15), world.uniform(0, 0.18), world.uniform(0.38, 0.75))
    road = hsv(world.uniform(0.5, 0.75), world.uniform(0, 0.12), world.uniform(0.2, 0.52))
    edges = np.geomspace(1.0, FAR, 9)[::-1].tolist()
    for far, near in zip(edges[:-1], edges[1:], strict=True):
        tint = world.uniform(0.97, 1.03)
        _strip(world, (-150, 150), (near, far), verge * tint, TERRAIN)
        _strip(world, street.kerb, (near, far), pavement * tint, SIDEWALK)
        _strip(world, street.road, (near, far), road * tint, ROAD)
    for edge in street.road:
        _strip(world, (edge - 0.09, edge + 0.09), (1.0, 60.0), pavement * 0.6, None)
    _crossroads(world, road)
    _markings(world)
    _slabs(world, pavement)
    _stains(world)


def _strip(
    world: World, sides: tuple[float, float], depths: tuple[float, float], colour: np.ndarray, label: int | None
) -> None:
    (left, right), (near, far) = sides, depths
    corners = [[left, 0, near], [left, 0, far], [right, 0, far], [right, 0, near]]
    world.ground(corners, world.canvas.hazed(colour, (near * far) ** 0.5), label)


def _crossroads(world: World, road: np.ndarray) -> None:
    if world.chance(0.3 * world.difficulty.variety):
        start = world.uniform(9, 45)
        _strip(world, (-120, 120), (start, start + world.uniform(5, 10)), road * world.uniform(0.95, 1.05), ROAD)


def _markings(world: World) -> None:
    left, right = world.street.road
    white = np.full(3, world.uniform(165, 235))
    middle = (left + right) / 2 + world.rng.normal(0, 0.3)
    if world.chance(0.75):
        period = world.uniform(5, 9)
        for start in np.arange(world.uniform(1, 4), 70, period).tolist():
            _strip(world, (middle - 0.08, middle + 0.08), (start, start + period * 0.5), white, None)
    if world.chance(0.4):
        for edge in (left + 0.4, right - 0.4):
            _strip(world, (edge - 0.06, edge + 0.06), (1.0, 70.0), white, None)
    if world.chance(0.25):
        start = world.uniform(6, 25)
        for x in np.arange(left + 0.4, right - 0.4, 1.0).tolist():
            _strip(world, (x, x + 0.5), (start, start + 3), white, None)


def _slabs(world: World, pavement: np.ndarray) -> None:
    """Draw joints across the pavements, nearest ones only."""
    for start, end in ((world.street.kerb[0], world.street.road[0]), (world.street.road[1], world.street.kerb[1])):
        step = world.uniform(0.9, 2.0)
        for z in np.arange(2.0, 16, step).tolist():
            _strip(world, (start, end), (z, z + 0.05), pavement * 0.82, None)


def _stains(world: World) -> None:
    """Draw repaired patches, wet spots and shadows of things outside the picture."""
    left, right = world.street.road
    for _ in range(world.rng.poisson(3)):
        x, z = world.uniform(left, right), world.uniform(2.5, 30)
        wide, deep = world.uniform(0.4, 2.5), world.uniform(0.6, 5)
        corners = [[x, 0, z], [x + wide * 0.1, 0, z + deep], [x + wide, 0, z + deep * 0.9], [x + wide * 1.1, 0, z]]
        tone = (10, 10, 12) if world.chance(0.7) else (200, 200, 195)
        world.ground(corners, (*tone, int(world.uniform(15, 70))))
    if world.shade > 0.2 and world.chance(0.7):
        side = -1 if world.sun < 0 else 1
        inner = world.uniform(*world.street.road)
        z = world.uniform(1, 10)
        while z < 60:
            deep = world.uniform(4, 14)
            corners = [[side * 90, 0, z], [side * 90, 0, z + deep], [inner, 0, z + deep], [inner, 0, z]]
            world.ground(corners, (14, 14, 22, int(255 * world.shade * 0.75)))
            z += deep + world.uniform(0, 9)


def buildings(world: World) -> None:
    """Draw rows of houses on both sides, the far ones first."""
    share = {"canyon": 1.0, "suburb": 0.7, "park": 0.15}[world.street.kind]
    for side in (-1, 1):
        line = world.street.kerb[0 if side < 0 else 1]
        z, plots = world.uniform(-6, 3), []
        while z < FAR * 0.7:
            deep = world.uniform(7, 24) if z < 60 else world.uniform(18, 45)
            if world.chance(share):
                back = abs(world.rng.normal(0, 0.4)) if world.street.kind == "canyon" else world.uniform(0, 9)
                plots.append((line + side * back, max(z, 1.0), z + deep))
            z += deep + (0 if world.street.kind == "canyon" and world.chance(0.85) else world.uniform(1, 9))
        for x, near, far in reversed(plots):
            _house(world, side, x, near, far)


def _house(world: World, side: int, x: float, near: float, far: float) -> None:
    canvas = world.canvas
    floors = int(world.uniform(3, 7)) if world.street.kind == "canyon" else int(world.uniform(1, 4))
    storey = world.uniform(2.7, 3.4)
    tall = floors * storey + world.uniform(0.2, 0.8)
    # Plaster, stone and brick: warm and pale.
    saturation = world.uniform(0.02, 0.4 if world.chance(0.3) else 0.22)
    colour = hsv(world.uniform(0.02, 0.14), saturation, world.uniform(0.4, 0.88))
    lit = 1 - 0.18 * (side * world.sun)
    middle = (near * far) ** 0.5
    end = [[x, 0, near], [x, tall, near], [x + side * 14, tall, near], [x + side * 14, 0, near]]
    world.ground(end, canvas.hazed(colour * 0.8, near), BUILDING)
    if world.chance(0.5):
        roof = [[x, tall, near], [x + side * 3, tall + 3, near + 1], [x + side * 3, tall + 3, far], [x, tall, far]]
        world.ground(roof, canvas.hazed(hsv(world.uniform(0, 0.1), 0.4, world.uniform(0.2, 0.5)), middle), BUILDING)
    front = [[x, 0, near], [x, tall, near], [x, tall, far], [x, 0, far]]
    world.ground(front, canvas.hazed(colour * lit, middle), BUILDING)
    if world.visible(x, middle, 0.6):
        _windows(world, side, (x, near, far), (floors, storey), colour * lit)


def _windows(
    world: World, side: int, plan: tuple[float, float, float], levels: tuple[int, float], colour: np.ndarray
) -> None:
    """Draw panes in rows, and a ground floor of shops, doors or garages with colours like those of cars."""
    canvas = world.canvas
    x, near, far = plan
    floors, storey = levels
    shop = world.chance(0.5)
    pitch = world.uniform(1.8, 3.4) * (1 if far < 60 else 2)
    starts = np.arange(max(near, 1.5) + 0.5, far - 1.2, pitch)[:9]
    rows = np.arange(1 if shop else 0, floors)[:5]
    wide, low, high = (
        pitch * world.uniform(0.4, 0.65),
        world.uniform(0.25, 0.4) * storey,
        world.uniform(0.75, 0.9) * storey,
    )
    if starts.size and rows.size:
        z = np.repeat(starts, rows.size)
        y = np.tile(rows * storey, starts.size)
        quads = np.empty((z.size, 4, 3))
        quads[..., 0] = x
        quads[..., 1] = y[:, None] + np.array([low, high, high, low])
        quads[..., 2] = z[:, None] + np.array([0, 0, wide, wide])
        pane = mixed(np.array([45, 52, 62]), canvas.haze, world.uniform(0, 0.6))
        shades = world.rng.uniform(0.7, 1.25, z.size)
        for quad, depth, shade in zip(canvas.camera.project(quads), z, shades, strict=True):
            canvas.polygon(quad, canvas.hazed(pane * shade, depth))
    if not shop:
        return
    for z in np.arange(max(near, 1.5) + 0.4, far - 2.5, 4.2)[:5].tolist():
        tone = world.hue((0.1, 0.8), (0.15, 0.8))
        for low, high, paint in ((0.1, 2.3, np.array([40.0, 44, 50]) * world.uniform(0.7, 1.6)), (2.35, 2.9, tone)):
            quad = [[x, low, z], [x, high, z], [x, high, z + 3.4], [x, low, z + 3.4]]
            world.ground(quad, canvas.hazed(paint, z))


def tree(world: World, x: float, z: float) -> None:
    """Draw a trunk under a crown of leaf masses, or a bush."""
    canvas = world.canvas
    bush = world.chance(0.25)
    tall = world.uniform(0.7, 1.6) if bush else world.uniform(4, 10)
    colour = hsv(world.uniform(0.17, 0.36), world.uniform(0.25, 0.65), world.uniform(0.2, 0.55))
    scale = canvas.camera.scale(z) * SUPERSAMPLING
    foot = canvas.camera.project(np.array([x, 0.0, z]))
    if not bush:
        trunk = np.array([[-0.16, 0], [-0.1, -tall * 0.55], [0.1, -tall * 0.55], [0.17, 0]]) * world.uniform(0.7, 1.5)
        canvas.polygon(foot + trunk * scale, canvas.hazed((62, 50, 40), z), VEGETATION)
    spread = tall * (0.8 if bush else 0.24)
    middle = -0.45 * tall if bush else -0.72 * tall
    turn = np.linspace(0, 2 * np.pi, 13, endpoint=False)
    for i in range(9):
        dx, dy = world.rng.normal(0, spread * 0.55), world.rng.normal(0, spread * 0.35)
        if bush:
            dy = abs(dy) * 0.5
        radius = spread * world.uniform(0.4, 0.75)
        edge = turn + world.rng.normal(0, 0.15, turn.size)
        reach = radius * world.rng.uniform(0.6, 1.15, turn.size)
        leaves = np.stack([dx + np.cos(edge) * reach, middle + dy + 0.8 * np.sin(edge) * reach], axis=1)
        canvas.polygon(foot + leaves * scale, canvas.hazed(colour * (0.62 + 0.09 * i), z), VEGETATION)


def pole(world: World, x: float, z: float) -> None:
    """Draw a lamp post, a traffic light or a sign post."""
    canvas = world.canvas
    tall, thin = world.uniform(3, 8), world.uniform(0.05, 0.11)
    tone = canvas.hazed(np.full(3, world.uniform(40, 150)), z)
    world.ground([[x - thin, 0, z], [x - thin, tall, z], [x + thin, tall, z], [x + thin, 0, z]], tone, POLE)
    kind = world.pick(("lamp", "light", "sign", "sign", "bare"))
    if kind == "lamp":
        reach = -np.sign(x) * 1.6
        arm = [[x, tall, z], [x, tall - 0.15, z], [x + reach, tall + 0.2, z], [x + reach, tall + 0.35, z]]
        world.ground(arm, tone, POLE)
    elif kind == "light" and LIGHT in world.things:
        signals.lights(world, x, 2.3, z)
    elif kind == "light":
        box = [[x - 0.2, 2.4, z], [x - 0.2, 3.3, z], [x + 0.2, 3.3, z], [x + 0.2, 2.4, z]]
        world.ground(box, canvas.hazed((28, 28, 30), z), LIGHT)
        bulb = np.array([[x - 0.1, 3.0, z], [x - 0.1, 3.2, z], [x + 0.1, 3.2, z], [x + 0.1, 3.0, z]])
        world.ground(
            bulb - (0, world.pick((0.0, 0.5)), 0), canvas.hazed(world.pick(((230, 40, 30), (60, 220, 110))), z)
        )
    elif kind == "sign" and SIGN in world.things:
        signals.plate(world, x, 2.4, z, world.uniform(0.28, 0.5))
    elif kind == "sign":
        size = world.uniform(0.28, 0.5)
        turn = np.linspace(0, 2 * np.pi, world.pick((3, 4, 10)), endpoint=False) + np.pi / 2
        disc = np.stack([x + size * np.cos(turn), 2.4 + size * np.sin(turn), np.full(turn.size, z)], axis=1)
        world.ground(disc, canvas.hazed(world.pick(((190, 30, 30), (30, 70, 165), (235, 200, 40))), z), SIGN)
        inner = (disc - (x, 2.4, 0)) * (0.65, 0.65, 1) + (x, 2.4, 0)
        world.ground(inner, canvas.hazed((235, 235, 230), z))


def fence(world: World, x: float, near: float, far: float) -> None:
    """Draw railings or a board fence along the street at x."""
    canvas = world.canvas
    tone = world.hue((0, 0.4), (0.2, 0.8))
    tall = world.uniform(0.7, 1.2)
    if world.chance(0.3):
        board = [[x, 0, near], [x, tall, near], [x, tall, far], [x, 0, far]]
        world.ground(board, canvas.hazed(tone, near), FENCE)
        return
    for y in (tall * 0.45, tall * 0.95):
        rail = [[x, y, near], [x, y + 0.07, near], [x, y + 0.07, far], [x, y, far]]
        world.ground(rail, canvas.hazed(tone, near), FENCE)
    for z in np.linspace(near, far, 10).tolist():
        post = [[x - 0.03, 0, z], [x - 0.03, tall, z], [x + 0.03, tall, z], [x + 0.03, 0, z]]
        world.ground(post, canvas.hazed(tone * 0.8, z), FENCE)


def bonnet(world: World) -> None:
    """Draw, now and then, the camera car's own bonnet, or a margin that rectification left empty: void."""
    canvas = world.canvas
    width, height = canvas.picture.size
    if world.chance(0.25):
        top = world.uniform(0.9, 0.96) * height
        turn = np.linspace(np.pi, 2 * np.pi, 12)
        edge = np.stack([width * (0.5 + 0.56 * np.cos(turn)), height + (height - top) * np.sin(turn)], axis=1)
        canvas.polygon(edge, tuple(int(v) for v in world.hue((0, 0.3), (0.1, 0.5))), EGO)
    elif world.chance(0.12):
        canvas.polygon(
            np.array([[0, 0], [0, height], [width * 0.012, height], [width * 0.012, 0]]), (0, 0, 0), OUT_OF_ROI
        )
