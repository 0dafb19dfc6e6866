"""Draw README's picture from a run of this pipeline: python -m stages.report.readme_picture --out docs/picture.png"""

import argparse
from pathlib import Path

from stages import config
from stages.errors import run
from stages.figures import method


def main() -> None:
    """Read the command line, draw the method on training images, and say what the picture shows."""
    parser = argparse.ArgumentParser(prog="python -m stages.report.readme_picture", description=__doc__)
    parser.add_argument("--row", default="bootstrap-500-2280-stable", help="a bootstrapping row that was trained")
    parser.add_argument("--out", type=Path, required=True, help="the PNG file to write")
    arguments = parser.parse_args()
    params = config.load().params
    picture = method.draw(arguments.row, params.dataset, params.seeds[0])
    arguments.out.write_bytes(picture.png())
    print(picture.alt)


if __name__ == "__main__":
    run(main)
