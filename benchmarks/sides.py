"""The sides of a comparison, timed in turn, so that a disturbance of the machine affects all of them."""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Timed:
    """The times of one side.

    Attributes:
        seconds: Of one step, one number for each round.
    """

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median seconds over the rounds."""
        return statistics.median(self.seconds)

    def ratio(self, other: "Timed") -> float:
        """Return how many times longer a step of `other` takes: the median of the rounds' ratios."""
        return statistics.median(b / a for a, b in zip(self.seconds, other.seconds, strict=True))


def in_turn(
    sides: Mapping[str, Callable[[], None]],
    rounds: int,
    steps: int,
    warm_up: int = 3,
    synchronise: Callable[[], None] = lambda: None,
) -> dict[str, Timed]:
    """Time `steps` steps of each side in each round, after `warm_up` untimed ones.

    Args:
        sides: Takes one step, by the name of the side.
        rounds: How often the sides take turns.
        steps: Of each side in a round.
        warm_up: Steps of each side before the first round.
        synchronise: Waits until the device has finished.
    """
    for step in sides.values():
        for _ in range(warm_up):
            step()
    synchronise()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, step in sides.items():
            started = time.perf_counter()
            for _ in range(steps):
                step()
            synchronise()
            seconds[name].append((time.perf_counter() - started) / steps)
    return {name: Timed(tuple(values)) for name, values in seconds.items()}


def count_of(text: str) -> int:
    """Return a word of the command line as a number of rounds, steps or images.

    Raises:
        argparse.ArgumentTypeError: It is no whole number from 1.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}; allowed: a whole number from 1")
    return int(text)
