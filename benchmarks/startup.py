"""`python -m benchmarks.startup`: time the process of each stage until its imports are done.

The processes start in turn, beside an interpreter that imports nothing; medians over rounds.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Mapping

import pandas as pd

from benchmarks.sides import Timed, count_of, in_turn
from stages import paths
from stages.errors import run as run_program

IMPORTS = {
    "validate": "stages.validate",
    "code": "stages.fingerprint",
    "source": "stages.download.place",
    "download": "stages.download.__main__",
    "boxes": "stages.boxes.__main__",
    "proposals": "stages.proposals.__main__",
    "train": "stages.train.__main__, torch._dynamo",  # which every optimiser imports
    "evaluate": "stages.evaluate.__main__",
    "gather": "stages.evaluate.gather",
    "a notebook's stage": "stages.report.notebooks",
    "report": "stages.report.__main__",
}
"""The modules that each stage's process imports before it works; a notebook's kernel comes on top of its stage."""
BARE = "interpreter alone"


def main() -> None:
    """Read the command line, time, print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=count_of, default=7)
    print(table(run(parser.parse_args().rounds, IMPORTS)))


def run(rounds: int, imports: Mapping[str, str]) -> dict[str, Timed]:
    """Time each side's process in each round."""
    sides = {BARE: _start("pass")} | {name: _start(f"import {modules}") for name, modules in imports.items()}
    return in_turn(sides, rounds, steps=1, warm_up=1)


def table(timed: Mapping[str, Timed]) -> str:
    """Return a line for each side: median seconds, and how many times the bare interpreter's."""
    lines = {side: (f"{found.median:.2f}", f"{timed[BARE].ratio(found):.1f}") for side, found in timed.items()}
    return pd.DataFrame.from_dict(lines, orient="index", columns=["seconds", "x bare"]).to_string()


def _start(code: str) -> Callable[[], None]:
    def step() -> None:
        subprocess.run([sys.executable, "-c", code], cwd=paths.ROOT, check=True)

    return step


if __name__ == "__main__":
    run_program(main)
