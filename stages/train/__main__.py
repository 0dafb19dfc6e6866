"""Train one row with one seed: python -m stages.train --row bootstrap-500-2280 --seed 0

With `processes` above 1 in params.yaml, as many share the training; so they do where torchrun has started this module.
"""

import argparse
import os
import sys

from stages import paths
from stages.arrays import open_packed, pools
from stages.params import load, run
from stages.train.loop import check, describe, train


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.train", description="Train one row of rows.yaml.")
    parser.add_argument("--row", required=True, help="a row's name in rows.yaml")
    parser.add_argument("--seed", type=int, required=True, help="the training's seed, a whole number from 0 up")
    arguments = parser.parse_args()
    settings = load()
    if settings.params.processes > 1 and "WORLD_SIZE" not in os.environ:
        # What a user may have got wrong is said here, in a line: torchrun puts its own traceback after each process's.
        check(settings, arguments.row, arguments.seed)
        packed = open_packed(paths.packed(settings.params.dataset))
        describe(settings, arguments.row, arguments.seed, packed, *pools(packed, settings.rows[arguments.row]))
        torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={settings.params.processes}"]
        os.execv(sys.executable, [sys.executable, *torchrun, "-m", "stages.train", *sys.argv[1:]])
    train(settings, arguments.row, arguments.seed)


if __name__ == "__main__":
    run(main)
