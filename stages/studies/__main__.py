"""Run what is missing of a grid's trainings on a dataset: python -m stages.studies remedies nuclei --jobs 2"""

import argparse

from stages import config, paths
from stages.errors import run
from stages.studies import grids, local, queue


def main() -> None:
    """Read the command line and run what is missing."""
    parser = argparse.ArgumentParser(prog="python -m stages.studies", description=__doc__)
    parser.add_argument("grid", choices=grids.GRIDS, help="a file of studies/")
    parser.add_argument("dataset", help="a profile of configs/datasets.yaml")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="entries of the grid; without it, all")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="SEED", help="of the grid's; without it, all")
    parser.add_argument(
        "--without-dvc", action="store_true", help="train in temporary folders, for machines without it"
    )
    arguments = parser.parse_args()
    settings = config.load()
    queue.check(settings, arguments.jobs)
    chosen = every = grids.runs(settings, arguments.grid, arguments.dataset)
    if arguments.only:
        chosen = grids.only(chosen, arguments.only)
    if arguments.seeds:
        chosen = grids.of_seeds(chosen, arguments.seeds)
    if arguments.without_dvc:
        local.study(paths.ROOT, chosen, arguments.jobs)
    else:
        grids.study(paths.ROOT, chosen, arguments.jobs, every)
    folder = f"reference/{grids.GRIDS[arguments.grid]}/{arguments.dataset}"
    print(f"Results lie in {folder}; commit those of a study at once: git add {folder}")


if __name__ == "__main__":
    run(main)
