"""`python -m stages.study ablation camvid --jobs 2` runs what is missing of a grid's trainings on a dataset."""

import argparse

from stages import params, paths, queue
from stages.study import grids, plain


def main() -> None:
    """Read the command line and run what is missing."""
    parser = argparse.ArgumentParser(prog="python -m stages.study", description=__doc__)
    parser.add_argument("grid", choices=grids.GRIDS, help="ablation.yaml or finals.yaml")
    parser.add_argument("dataset", help="a profile of datasets.yaml")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="entries of the grid; without it, all")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="SEED", help="of the grid's; without it, all")
    parser.add_argument(
        "--without-dvc", action="store_true", help="train in temporary folders, and leave the results uncommitted"
    )
    arguments = parser.parse_args()
    settings = params.load()
    queue.check(settings, arguments.jobs)
    chosen = every = grids.runs(settings, arguments.grid, arguments.dataset)
    if arguments.only:
        chosen = grids.only(chosen, arguments.only)
    if arguments.seeds:
        chosen = grids.of_seeds(chosen, arguments.seeds)
    if arguments.without_dvc:
        plain.study(paths.ROOT, chosen, arguments.jobs)
    else:
        grids.study(paths.ROOT, chosen, arguments.jobs, every)


if __name__ == "__main__":
    params.run(main)
