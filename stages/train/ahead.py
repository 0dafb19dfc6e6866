"""Trainings beside those of `dvc repro`, which runs one stage at a time: python -m stages.train.ahead ROW:SEED ...

Each is trained to its last step, and stays a checkpoint. Once DVC comes to the row, its stage finds that nothing is
left to train, and writes the outs. Whatever decides a training is in the checkpoint's name: what was trained ahead with
other parameters, data or code is never used. `stages.reproduce` starts this module, and ends it.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from stages import arrays, config, left_out, paths
from stages.beside import STARTED_BY, end_with
from stages.config import Settings
from stages.device import keep_freed_memory
from stages.device import resolve as resolve_device
from stages.errors import UserError
from stages.train.checkpoints import Checkpoint, exclusive_lock
from stages.train.distributed import Ranks
from stages.train.loop import Job, Trainer, checkpoint_of, prepare, provenance
from stages.train.rounds import taught


def train_ahead(settings: Settings, name: str, seed: int, root: Path = paths.ROOT) -> bool:
    """Train row `name` to its last step, unless that is done or another process is at it, and return whether it did.

    Args:
        settings, name, seed, root: As for `loop.prepare`.

    Raises:
        UserError: As `loop.train`.
    """
    contents = arrays.read_contents(paths.packed(settings.params.dataset, root))
    if name in settings.rows and left_out.reason(settings, name, contents):
        return False
    job, device = prepare(settings, name, seed, root), resolve_device(settings.params.device)
    record = provenance(job.packed, device)
    folder = checkpoint_of(job, record, device, root)
    with exclusive_lock(paths.checkpoints(root), f"{name}-{seed}"):
        if _is_trained(job, record, root):
            return False
        folder.mkdir(parents=True, exist_ok=True)
        earlier = taught(job, device, folder, Ranks(), f"{name} seed {seed}", shown=False)
        trainer = Trainer(earlier, device, Checkpoint(folder))
        if trainer.step == trainer.steps:
            return False
        trainer.fit(f"{name} seed {seed}", shown=False)
        trainer.save()
    return True


def _is_trained(job: Job, record: dict, root: Path) -> bool:
    """Return whether the outs of this very training are there."""
    out = paths.train(job.chosen.name, job.seed, root)
    try:
        run = json.loads((out / "run.json").read_text())
        made = json.loads(paths.record(job.chosen.name, job.seed, root).read_text())
    except (OSError, ValueError):
        return False
    same = all(made.get(key) == record[key] for key in ("code", "data", "precision", "device"))
    return same and run == json.loads(json.dumps(job.record())) and (out / "trace.npz").exists()


def main(arguments: Sequence[str]) -> None:
    """Train the rows and seeds in this order. What cannot be trained is left to DVC's own stage, which says why."""
    end_with(int(os.environ.get(STARTED_BY, os.getppid())))
    settings = config.load()
    keep_freed_memory()
    for argument in arguments:
        name, _, seed = argument.rpartition(":")
        try:
            train_ahead(settings, name, int(seed))
        except UserError:
            continue


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
