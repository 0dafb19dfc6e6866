"""`python -m stages.study camvid --jobs 2` runs what is missing of ablation.yaml's grid on a dataset."""

import argparse

from stages import params, paths
from stages.study import ablation


def main() -> None:
    """Read the command line and run what is missing."""
    parser = argparse.ArgumentParser(prog="python -m stages.study", description=__doc__)
    parser.add_argument("dataset", help="a profile of datasets.yaml")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="entries of ablation.yaml; without it, all")
    arguments = parser.parse_args()
    runs = ablation.grid(params.load(), ablation.load(), arguments.dataset)
    if arguments.only:
        runs = ablation.only(runs, arguments.only)
    ablation.study(paths.ROOT, runs, arguments.jobs)


if __name__ == "__main__":
    params.run(main)
