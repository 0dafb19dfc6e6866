"""Evaluate one run: python -m stages.evaluate --row bce-500 --seed 0"""

import argparse

from stages import config
from stages.errors import run
from stages.evaluate.run import evaluate_run


def main() -> None:
    """Read the command line and the settings, measure, and print the IoU of each class."""
    parser = argparse.ArgumentParser(prog="python -m stages.evaluate", description="Evaluate one trained run.")
    parser.add_argument("--row", required=True, help="a row's name in configs/rows.yaml")
    parser.add_argument("--seed", type=int, required=True, help="the training's seed")
    arguments = parser.parse_args()
    metrics = evaluate_run(config.load(), arguments.row, arguments.seed)
    ious = ", ".join(f"{name} {iou:.2f}" for name, iou in metrics["iou"].items())
    print(f"{arguments.row} seed {arguments.seed}: IoU (%) {ious}; {metrics['dataset']}, {metrics['n_images']} images")


if __name__ == "__main__":
    run(main)
