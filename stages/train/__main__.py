"""Train one row with one seed: python -m stages.train --row bootstrap-500-2280 --seed 0

With `processes` above 1 in params.yaml, that many share the training, as they do where torchrun starts this module.
"""

import argparse
import os
import sys

from stages import arrays, config, left_out, paths
from stages.beside import WAITS
from stages.errors import run


def main() -> None:
    """Read the command line and train, in as many processes as params.yaml says; or say why the row is left out."""
    parser = argparse.ArgumentParser(prog="python -m stages.train", description="Train one row of configs/rows.yaml.")
    parser.add_argument("--row", required=True, help="a row's name in configs/rows.yaml")
    parser.add_argument("--seed", type=int, required=True, help="the training's seed, a whole number from 0 up")
    arguments = parser.parse_args()
    settings = config.load()
    row, seed = arguments.row, arguments.seed
    contents = arrays.read_contents(paths.packed(settings.params.dataset))
    if row in settings.rows and (why := left_out.reason(settings, row, contents)):
        left_out.write(paths.train(row, seed), why)
        arrays.write_json(paths.record(row, seed), {"left_out": why})
        print(f"{row}: left out: {why}")
        return
    if WAITS in os.environ:
        os.environ.setdefault("OMP_NUM_THREADS", os.environ[WAITS])  # which torch reads when it is imported
    from stages.train.loop import prepare, train  # imports torch, which a row that is left out need not wait for

    if settings.params.processes > 1 and "WORLD_SIZE" not in os.environ:
        # Refuse a user's mistake here, in one line: torchrun adds a traceback for each process.
        prepare(settings, row, seed)
        torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={settings.params.processes}"]
        os.execv(sys.executable, [sys.executable, *torchrun, "-m", "stages.train", *sys.argv[1:]])
    train(settings, row, seed, wait=WAITS in os.environ)


if __name__ == "__main__":
    run(main)
