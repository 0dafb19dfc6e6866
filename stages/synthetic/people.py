"""People on foot and on flat bicycles: figures with limbs, clothes and bags, filling about half of their boxes."""

from dataclasses import dataclass

import numpy as np

from stages.synthetic.canvas import SUPERSAMPLING
from stages.synthetic.vehicles import TYRE
from stages.synthetic.world import BICYCLE, PERSON, RIDER, World, hsv

SKIN = ((236, 200, 175), (214, 165, 130), (160, 110, 80), (105, 70, 50), (70, 48, 38))
HAIR = ((30, 24, 20), (70, 48, 30), (140, 105, 60), (190, 180, 170), (120, 50, 30))


@dataclass(frozen=True)
class Clothes:
    """Colours (RGB, 0-255) of one figure."""

    coat: np.ndarray
    trousers: np.ndarray
    shoes: np.ndarray
    skin: np.ndarray
    hair: np.ndarray


def dressed(world: World, behind: np.ndarray) -> Clothes:
    """Choose clothes by chance: street colours, or the colour of what is behind."""
    skin, hair = np.array(world.pick(SKIN), dtype=float), np.array(world.pick(HAIR), dtype=float)
    if world.chance(world.difficulty.camouflage):
        coat = np.clip(behind * world.uniform(0.75, 1.25) + world.rng.normal(0, 8, 3), 8, 250)
        trousers = np.clip(coat * world.uniform(0.6, 1.1), 8, 250)
    else:
        vivid = world.chance(0.2 + 0.3 * world.difficulty.variety)
        coat = world.hue((0.2, 0.9), (0.2, 0.95)) if vivid else hsv(world.rng.random(), 0.1, world.uniform(0.08, 0.85))
        trousers = world.pick((hsv(0.61, 0.45, world.uniform(0.2, 0.5)), hsv(0.1, 0.1, world.uniform(0.1, 0.7))))
    return Clothes(coat, trousers, np.full(3, world.uniform(15, 120)), skin, hair)


class Figure:
    """One figure at (x, z) metres on the ground; local coordinates are shares of its height, x right, y up."""

    def __init__(
        self, world: World, x: float, z: float, height: float, label: int, clothes: Clothes, lift: float = 0.0
    ):
        self.world, self.z, self.label, self.clothes = world, z, label, clothes
        camera = world.canvas.camera
        self.foot = camera.project(np.array([x, lift, z]))
        self.scale = camera.scale(z) * SUPERSAMPLING * height
        self.turn = 1 if world.chance(0.5) else -1
        self.small = self.scale < 16 * SUPERSAMPLING / 2

    def part(self, points, colour: np.ndarray) -> None:
        """Draw a filled polygon of local points."""
        pixels = self.foot + np.asarray(points, dtype=float) * (self.turn * self.scale, -self.scale)
        self.world.canvas.polygon(pixels, self.world.canvas.hazed(colour, self.z), self.label)

    def limb(self, start, end, widths: tuple[float, float], colour: np.ndarray) -> None:
        """Draw a tapering limb from `start` to `end`."""
        start, end = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
        along = end - start
        across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6) / 2
        sides = (
            start + across * widths[0],
            end + across * widths[1],
            end - across * widths[1],
            start - across * widths[0],
        )
        self.part(sides, colour)

    def round(self, centre, radii, colour: np.ndarray) -> None:
        """Draw a filled ellipse."""
        turn = np.linspace(0, 2 * np.pi, 7 if self.small else 12, endpoint=False)
        self.part(np.stack([centre[0] + np.cos(turn) * radii[0], centre[1] + np.sin(turn) * radii[1]], axis=1), colour)

    def shadow(self) -> None:
        """Draw a streak on the ground, away from the sun."""
        world = self.world
        away = np.array([-world.sun * 0.5 * self.scale, self.scale * 0.02])
        side = np.array([0.09 * self.scale, 0.0])
        thin = np.array([0.0, 0.035 * self.scale])
        streak = np.stack(
            [self.foot - side - thin, self.foot + side - thin, self.foot + away + side * 0.5, self.foot + away - side]
        )
        world.canvas.polygon(streak, (12, 12, 16, int(255 * world.shade * 0.8)))

    def head(self, x: float, y: float) -> None:
        """Draw head, hair, now and then a hat."""
        clothes = self.clothes
        self.limb((x, y - 0.09), (x, y - 0.03), (0.05, 0.05), clothes.skin)
        self.round((x, y + 0.012), (0.05, 0.066), clothes.hair)
        self.round((x + 0.012, y - 0.005), (0.038, 0.052), clothes.skin)
        if self.world.chance(0.2 * self.world.difficulty.variety):
            self.part(
                [(x - 0.075, y + 0.03), (x + 0.085, y + 0.03), (x + 0.045, y + 0.085), (x - 0.045, y + 0.085)],
                clothes.coat * 0.5,
            )

    def walking(self, stride: float) -> None:
        """Draw somebody upright, the legs `stride` apart (0 standing to 0.3), arms swinging or holding things."""
        world, clothes = self.world, self.clothes
        wide = world.uniform(0.15, 0.23)
        lean = world.uniform(-0.01, 0.03) + stride * 0.1
        hip = (0.0, 0.47)
        apart = max(stride, 0.045)
        swing = world.uniform(0.04, 0.10) + stride * 0.7
        self.arm((lean - 0.2 * wide, 0.80), -swing, clothes.coat * 0.75)
        for foot, shade in ((-apart, 0.8), (apart, 1.0)):
            knee = (foot * 0.45 + 0.02, 0.26 + 0.05 * stride)
            heel = (foot, 0.04 + (0.05 if foot < 0 else 0) * stride * 4)
            self.limb(hip, knee, (0.105, 0.075), clothes.trousers * shade)
            self.limb(knee, heel, (0.075, 0.05), clothes.trousers * shade)
            self.limb((heel[0] - 0.02, heel[1] - 0.02), (heel[0] + 0.065, heel[1] - 0.025), (0.04, 0.03), clothes.shoes)
        self.coat(wide, lean, world.pick((0.44, 0.44, 0.36, 0.24)))
        self.arm((lean + 0.1 * wide, 0.80), swing if world.chance(0.75) else 0.3, clothes.coat * 0.88)
        self.bag(lean, wide)
        self.head(lean * 1.3, 0.92)

    def coat(self, wide: float, lean: float, hem: float) -> None:
        """Draw the upper body; a low hem is a long coat or a dress."""
        flare = wide * (0.5 + (0.47 - hem) * 0.8)
        shoulders = [(-wide / 2, 0.79), (-wide * 0.28, 0.84), (wide * 0.28, 0.84), (wide / 2, 0.79)]
        below = [(wide * 0.42, 0.6), (flare, hem), (-flare, hem), (-wide * 0.42, 0.6)]
        self.part([*((lean + x, y) for x, y in shoulders), *below], self.clothes.coat)
        if not self.small and self.world.chance(0.4):
            tone = self.clothes.coat * self.world.uniform(0.4, 1.6)
            self.part([(-wide * 0.42, 0.62), (wide * 0.44, 0.62), (wide * 0.46, 0.68), (-wide * 0.44, 0.68)], tone)

    def arm(self, shoulder, reach: float, colour: np.ndarray) -> None:
        """Draw upper arm, forearm and hand; `reach` is how far the hand is from the body."""
        elbow = (shoulder[0] + reach * 0.55, 0.64)
        hand = (shoulder[0] + reach, 0.50 + max(abs(reach) - 0.12, 0) * 0.9)
        self.limb(shoulder, elbow, (0.07, 0.055), colour)
        self.limb(elbow, hand, (0.055, 0.04), colour)
        self.round(hand, (0.024, 0.026), self.clothes.skin)

    def bag(self, lean: float, wide: float) -> None:
        """Draw a rucksack, a bag at the hand, an umbrella, or nothing."""
        world = self.world
        if not world.chance(0.5 * world.difficulty.variety):
            return
        tone = world.hue((0.1, 0.8), (0.1, 0.8))
        kind = world.pick(("rucksack", "rucksack", "bag", "bag", "bag", "umbrella"))
        if kind == "rucksack":
            self.part(
                [(lean - wide * 0.5, 0.80), (lean - wide * 0.95, 0.77), (lean - wide * 0.9, 0.58), (-wide * 0.4, 0.58)],
                tone,
            )
        elif kind == "bag":
            self.part([(0.13, 0.50), (0.25, 0.50), (0.27, 0.34), (0.11, 0.34)], tone)
        else:
            self.limb((0.12, 0.6), (0.08, 1.12), (0.015, 0.015), np.full(3, 40.0))
            self.part([(-0.22, 1.0), (-0.1, 1.13), (0.06, 1.17), (0.24, 1.12), (0.36, 0.98), (0.07, 1.03)], tone)

    def sitting(self) -> None:
        """Draw somebody seated at knee height, from the side."""
        clothes = self.clothes
        self.limb((0.0, 0.30), (0.22, 0.31), (0.11, 0.09), clothes.trousers)
        self.limb((0.22, 0.31), (0.24, 0.04), (0.08, 0.05), clothes.trousers * 0.9)
        self.limb((0.22, 0.02), (0.31, 0.02), (0.04, 0.03), clothes.shoes)
        self.part([(-0.09, 0.62), (0.07, 0.64), (0.09, 0.3), (-0.08, 0.27)], clothes.coat)
        self.limb((0.0, 0.6), (0.16, 0.42), (0.07, 0.05), clothes.coat * 0.85)
        self.head(0.02, 0.74)

    def cycling(self) -> None:
        """Draw somebody bent over a handlebar, for a rider."""
        clothes = self.clothes
        self.limb((-0.06, 0.53), (0.10, 0.42), (0.1, 0.07), clothes.trousers)
        self.limb((0.10, 0.42), (0.03, 0.2), (0.07, 0.05), clothes.trousers * 0.9)
        self.part([(-0.12, 0.50), (0.0, 0.5), (0.14, 0.82), (0.02, 0.85)], clothes.coat)
        self.limb((0.1, 0.78), (0.24, 0.6), (0.06, 0.05), clothes.coat * 0.85)
        self.head(0.13, 0.93)


def person(
    world: World, x: float, z: float, label: int | None = None, clothes: Clothes | None = None, lift: float = 0.0
) -> None:
    """Draw one person; `label` overrides the instance id (a statue is none), `clothes` the colours."""
    grown = world.chance(0.85)
    height = world.uniform(1.5, 1.95) if grown else world.uniform(0.95, 1.4)
    if clothes is None:
        clothes = dressed(world, world.canvas.colour_at(np.array([x, height * 0.6, z])))
    figure = Figure(world, x, z, height, world.instance(PERSON) if label is None else label, clothes, lift)
    if not lift:
        figure.shadow()
    if world.chance(0.12 * world.difficulty.variety) and not lift:
        figure.sitting()
    else:
        figure.walking(world.uniform(0.06, 0.24) if world.chance(0.4 + 0.35 * world.difficulty.variety) else 0.0)


def bicycle(world: World, x: float, z: float, along: bool) -> tuple[int, float]:
    """Draw a bicycle; return the rider's new id and the bicycle's pixels per metre, for the rider upon it."""
    canvas = world.canvas
    scale = canvas.camera.scale(z) * SUPERSAMPLING
    foot = canvas.camera.project(np.array([x, 0.0, z]))
    label, colour = world.instance(BICYCLE), canvas.hazed(world.hue((0, 0.8), (0.1, 0.6)), z)
    tyre = canvas.hazed(TYRE, z)
    reach, wide = (0.5, 0.33) if not along else (0.0, 0.07)
    turn = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    for centre in (-reach, reach):
        ring = np.stack([centre + np.cos(turn) * wide, -0.33 + np.sin(turn) * 0.33], axis=1)
        inner = np.stack([centre + np.cos(turn[::-1]) * wide * 0.8, -0.33 + np.sin(turn[::-1]) * 0.27], axis=1)
        band = np.concatenate([ring, ring[:1], inner, inner[:1]])
        canvas.polygon(foot + band * scale, tyre, label)
    saddle, grip, crank, stem = (-0.1, 0.8), (reach * 0.8, 1.0), (0.05, 0.33), (reach * 0.8, 0.75)
    for (a, b), (c, d) in (
        ((-reach, 0.33), saddle),
        (saddle, stem),
        ((reach, 0.33), grip),
        (saddle, crank),
        (crank, stem),
    ):
        beam = np.array([[a - 0.025, -b], [a + 0.025, -b], [c + 0.025, -d], [c - 0.025, -d]])
        canvas.polygon(foot + beam * scale, colour, label)
    return world.instance(RIDER), scale


def cyclist(world: World, x: float, z: float) -> None:
    """Draw a rider on a bicycle: Cityscapes' classes rider and bicycle, neither car nor person."""
    along = world.chance(0.4)
    label, _ = bicycle(world, x, z, along)
    clothes = dressed(world, world.canvas.colour_at(np.array([x, 1.2, z])))
    figure = Figure(world, x, z, world.uniform(1.75, 1.95), label, clothes)
    if along:
        figure.coat(0.24, 0.0, 0.45)
        figure.limb((-0.05, 0.5), (-0.06, 0.2), (0.09, 0.05), clothes.trousers)
        figure.limb((0.05, 0.5), (0.06, 0.26), (0.09, 0.05), clothes.trousers)
        figure.head(0.0, 0.92)
    else:
        figure.cycling()
