"""`python -m stages.evaluate --row bce-500 --seed 0` measures one run; `--gather` collects the runs of all rows."""

import argparse

from stages import params


def main() -> None:
    """Read the command line and params.yaml, measure or gather, write the outs. Gathering imports no torch."""
    parser = argparse.ArgumentParser(prog="python -m stages.evaluate", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--row", help="a row of rows.yaml")
    what.add_argument("--gather", action="store_true", help="write results/<row>.json and metrics.json from all runs")
    parser.add_argument("--seed", type=int, help="the training's seed, with --row")
    arguments = parser.parse_args()
    if (arguments.row is None) != (arguments.seed is None):
        parser.error("--row and --seed go together")
    settings = params.load()
    if arguments.gather:
        from stages.evaluate.gather import gather

        gather(settings)
        return
    from stages.evaluate.run import evaluate_run

    metrics = evaluate_run(settings, arguments.row, arguments.seed)
    ious = ", ".join(f"{name} {iou:.2f}" for name, iou in metrics["iou"].items())
    print(f"{arguments.row} seed {arguments.seed}: IoU (%) {ious}; {metrics['dataset']}, {metrics['n_images']} images")


if __name__ == "__main__":
    params.run(main)
