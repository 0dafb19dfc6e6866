"""Which thing of a street hides which: footprints on the ground, and the order in which they are painted.

Sorting by depth is right for things that are short along the street. A bus is not: somebody on the pavement behind its
flank may be nearer to the camera than the bus's middle. Two things with footprints apart have a line between them, and
the one on the camera's side of that line hides the other.
"""

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stages.synthetic.canvas import NEAR
from stages.synthetic.vehicles import Pose

Ground = Sequence[tuple[float, float]]  # corners (x, z) in metres, in order around

LONG = 5.5  # metres; what is shorter is sorted by its depth alone
BESIDE = 1.0  # metres that a thing may reach to the left and right of its footprint


@dataclass(frozen=True)
class Thing:
    """Something that stands in the street."""

    z: float
    paint: Callable[[], None]
    ground: Ground

    @property
    def long(self) -> bool:
        """Return whether its depth is not enough to say what it hides."""
        return len(self.ground) > 1 and any(math.dist(self.ground[0], corner) > LONG for corner in self.ground[1:])


def rectangle(pose: Pose, length: float, width: float, margin: float = 0.0) -> Ground:
    """Return the ground (4 corners) that a body of `length` and `width` metres covers, with a margin around it."""
    sine, cosine = math.sin(pose.heading), math.cos(pose.heading)
    f, a = length / 2 + margin, width / 2 + margin
    return [
        (pose.x + forward * sine + across * cosine, pose.z + forward * cosine - across * sine)
        for forward, across in ((f, a), (f, -a), (-f, -a), (-f, a))
    ]


def apart(one: Ground, other: Ground) -> bool:
    """Return whether two convex footprints do not overlap; of two single points none does."""
    return len(one) == len(other) == 1 or _nearer(one, other) is not None or _nearer(other, one) is not None


def in_front(one: Ground, other: Ground) -> bool | None:
    """Return whether `one` may hide `other`; false if it is the other way around, None if neither or not known."""
    (low, high), (other_low, other_high) = _view(one), _view(other)
    if low > other_high or other_low > high:
        return None
    answer = _nearer(one, other)
    if answer is None:
        opposite = _nearer(other, one)
        return None if opposite is None else not opposite
    return answer


def back_to_front(things: Sequence[Thing]) -> list[Thing]:
    """Return things in the order of painting: by depth, the farthest first, but each after what it hides.

    Where three or more hide each other in a circle, their depths decide.
    """
    things = sorted(things, key=lambda thing: -thing.z)
    count = len(things)
    above: list[set[int]] = [set() for _ in things]  # what hides each thing
    waits = [0] * count  # how many unpainted things each one hides
    for i, thing in enumerate(things):
        if not thing.long:
            continue
        for j, other in enumerate(things):
            front = None if i == j else in_front(thing.ground, other.ground)
            if front is None:
                continue
            below, over = (j, i) if front else (i, j)
            if over not in above[below]:
                above[below].add(over)
                waits[over] += 1
    ready = [i for i in range(count) if not waits[i]]
    order: list[Thing] = []
    unpainted = set(range(count))
    while unpainted:
        i = heapq.heappop(ready) if ready else min(unpainted)
        if i not in unpainted:
            continue
        unpainted.remove(i)
        order.append(things[i])
        for j in above[i]:
            waits[j] -= 1
            if not waits[j]:
                heapq.heappush(ready, j)
    return order


def _nearer(one: Ground, other: Ground) -> bool | None:
    """Return whether the camera is on the side of `one` of an edge that parts it from `other`; None if no edge does."""
    if len(one) < 2:
        return None
    middle_x, middle_z = sum(x for x, _ in one) / len(one), sum(z for _, z in one) / len(one)
    for i, (x0, z0) in enumerate(one):
        x1, z1 = one[i - 1]
        out_x, out_z = z1 - z0, x0 - x1
        if out_x * (middle_x - x0) + out_z * (middle_z - z0) > 0:
            out_x, out_z = -out_x, -out_z
        if all(out_x * (x - x0) + out_z * (z - z0) >= 0 for x, z in other):
            return out_x * -x0 + out_z * -z0 < 0
    return None


def _view(ground: Ground) -> tuple[float, float]:
    """Return from where to where something is seen: x / z, which grows to the right."""
    tangents = [(x + beside) / max(z, NEAR) for x, z in ground for beside in (-BESIDE, BESIDE)]
    return min(tangents), max(tangents)
