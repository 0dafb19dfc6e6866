"""Evaluate one run: python -m stages.evaluate --row bce-500 --seed 0"""

import argparse

from stages import config, left_out, paths
from stages.errors import run


def main() -> None:
    """Read the command line and the settings, measure, and print the IoU of each class."""
    parser = argparse.ArgumentParser(prog="python -m stages.evaluate", description="Evaluate one trained run.")
    parser.add_argument("--row", required=True, help="a row's name in configs/rows.yaml")
    parser.add_argument("--seed", type=int, required=True, help="the training's seed")
    arguments = parser.parse_args()
    row, seed, settings = arguments.row, arguments.seed, config.load()
    if row in settings.rows and (why := left_out.read(paths.train(row, seed))):
        left_out.write(paths.evaluate(row, seed), why)
        print(f"{row}: left out: {why}")
        return
    from stages.evaluate.run import evaluate_run  # imports torch, which a row that is left out need not wait for

    metrics = evaluate_run(settings, row, seed)
    ious = ", ".join(f"{name} {iou:.2f}" for name, iou in metrics["iou"].items())
    print(f"{row} seed {seed}: IoU (%) {ious}; {metrics['dataset']}, {metrics['n_images']} images")


if __name__ == "__main__":
    run(main)
