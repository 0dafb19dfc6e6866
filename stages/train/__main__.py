"""Train one row with one seed: python -m stages.train --row bootstrap-500-2280 --seed 0"""

import argparse

from stages.params import load, run
from stages.train.loop import train


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.train", description="Train one row of rows.yaml.")
    parser.add_argument("--row", required=True, help="a row's name in rows.yaml")
    parser.add_argument("--seed", type=int, required=True, help="the training's seed, a whole number from 0 up")
    arguments = parser.parse_args()
    train(load(), arguments.row, arguments.seed)


if __name__ == "__main__":
    run(main)
