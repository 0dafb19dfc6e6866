"""The training of one row with one seed, top to bottom.

A run is a pure function of (parameters, data, code, seed): the draws are planned beforehand, and every step seeds torch
with (seed, step), so dropout and Monte Carlo noise do not depend on where a run was resumed. Under `torchrun`, several
processes share the batches of one run and the first one writes; their number is one more argument of that function
(distributed.py says why).
"""

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stages import left_out, paths
from stages.arrays import Packed, open_packed, pools, write_json
from stages.config import Settings
from stages.device import keep_freed_memory, precision
from stages.device import name as device_name
from stages.device import resolve as resolve_device
from stages.errors import UserError
from stages.fields import LARGEST_SEED
from stages.fingerprint import PROGRAMS, fingerprint
from stages.model.hyperparameters import resolve, row_of
from stages.proposals import files
from stages.train.batches import fill_range, fill_rate, label_shares
from stages.train.checkpoints import exclusive_lock, open_checkpoint
from stages.train.distributed import join
from stages.train.rounds import taught
from stages.train.trainer import Job, Trainer

OUTPUT_FILES = ("history.jsonl", "weights.pt", "teacher.pt", "snapshots.npz", "trace.npz")
"""The files that a finished training writes beside run.json; `teacher.pt` where the recipe has a teacher."""


def prepare(settings: Settings, name: str, seed: int, root: Path = paths.ROOT) -> Job:
    """Resolve the hyperparameters of row `name`, open its data, and measure their label shares and fill rates.

    Args:
        settings: The content of the user's three files.
        name: A row's name in configs/rows.yaml.
        seed: Of the training.
        root: The project's folder.

    Raises:
        UserError: An unknown row, a seed out of range, a tau that the recipe cannot reach, packed arrays that are
            missing or broken, or too few images for the row.
    """
    row_of(settings, name)  # before the data, which a wrong name need not wait for
    packed = open_packed(paths.packed(settings.params.dataset, root))
    chosen = resolve(settings, name, packed.classes)
    if not 0 <= seed <= LARGEST_SEED:
        raise UserError(f"--seed {seed}: allowed: a whole number from 0 to {LARGEST_SEED}")
    row = chosen.row
    pp, box = pools(packed, row)
    if chosen.encoder_steps and not len(pp):
        raise UserError(f"train.encoder_steps is {chosen.encoder_steps}; allowed for {name}, which has no masks: 0")
    rates = fill_rate(packed, row, pp, chosen.recipe.fill_quantile) if row.bootstraps or row.ranks else None
    ends = fill_range(packed, row, pp) if chosen.recipe.decides == "posterior" else None
    proposals = None
    if row.proposed:
        proposals = files.read(paths.proposals(settings.params.dataset, root), row.labels, packed)
    shares = label_shares(packed, row, pp, box, proposals)
    return Job(chosen, seed, packed, pp, box, shares, rates, ends, proposals)


def train(settings: Settings, name: str, seed: int, root: Path = paths.ROOT, wait: bool = False) -> Path:
    """Train row `name`, or resume its training, and write runs/<row>/seed-<k>/train and record.json.

    Args:
        settings, name, seed, root: As for `prepare`.
        wait: Where another process trains this row and seed, wait for it, and take what it has trained.

    Returns:
        The folder of the training's outs.

    Raises:
        UserError: As `prepare`; more processes than images in a batch, a device that this machine lacks, another
            process that trains this row and seed where this one does not wait, or a loss that is no longer finite.
    """
    job = prepare(settings, name, seed, root)
    keep_freed_memory()
    device = resolve_device(settings.params.device)
    out = paths.train(name, seed, root)
    with join(device) as ranks:
        if ranks.world > job.chosen.batch_size:
            raise UserError(
                f"params.yaml: batch_size is {job.chosen.batch_size}; allowed with {ranks.world} processes: "
                f"{ranks.world} or more"
            )
        if not ranks.first:
            Trainer(taught(job, device, None, ranks, name), device, ranks=ranks).fit(name)
            return out
        run, record = job.record(), provenance(job.packed, device, ranks.world)
        locked = exclusive_lock(paths.checkpoints(root), f"{name}-{seed}", wait)
        folder = checkpoint_of(job, record, device, root)
        with locked, open_checkpoint(folder) as checkpoint:
            out.mkdir(parents=True, exist_ok=True)
            # Before run.json is written: an interrupted run must not leave an earlier one's files under its name.
            for file in (*OUTPUT_FILES, left_out.FILE):
                (out / file).unlink(missing_ok=True)
            write_json(out / "run.json", run)
            write_json(paths.record(name, seed, root), record)
            label = f"{name} seed {seed}"
            trainer = Trainer(taught(job, device, folder, ranks, label), device, checkpoint, ranks)
            if trainer.step == trainer.steps:
                print(f"{label}: trained ahead, in {trainer.seconds:.0f} s")
            trainer.fit(label)
            trainer.write(out)
            write_json(paths.record(name, seed, root), record | trainer.timing())
    return out


def checkpoint_of(job: Job, record: Mapping[str, Any], device: torch.device, root: Path) -> Path:
    """Return the folder of a training's checkpoint, named after everything that decides the training.

    Args:
        job: What to train.
        record: What `provenance` returned.
        device: Where it is trained.
        root: The project.
    """
    how = [record[key] for key in ("code", "data", "precision")]
    key = hashlib.sha256(json.dumps([job.record(), *how, device.type]).encode()).hexdigest()
    return paths.checkpoints(root) / f"{job.chosen.name}-{job.seed}-{key[:16]}"


def provenance(packed: Packed, device: torch.device, processes: int = 1) -> dict[str, Any]:
    """Return the part of record.json that is known when a run starts.

    Args:
        packed: The data.
        device: Where the run happens.
        processes: How many share it.
    """
    try:
        git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=paths.ROOT, capture_output=True, text=True, check=False)
        commit = git.stdout.strip() or None
    except FileNotFoundError:
        commit = None
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "code": fingerprint(PROGRAMS["train"]),
        "data": packed.fingerprint,
        "device": device_name(device),
        "processes": processes,
        "threads": torch.get_num_threads(),
        "precision": str(precision(device)).removeprefix("torch."),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
    }
