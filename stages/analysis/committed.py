"""The committed trainings of a grid: those of a file of studies/, in the folder of reference/ with its name."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.analysis.results import committed_run
from stages.errors import UserError
from stages.paths import ROOT
from stages.yaml_files import read_yaml

Trainings = Mapping[str, Mapping[int, Mapping[str, Any]]]
"""Of one dataset, by entry, in the order of the grid's file, and by seed. None is empty."""


def trainings(grid: str, needed: Sequence[str] = (), root: Path = ROOT) -> dict[str, Trainings]:
    """Return what was trained, by dataset; {} without any.

    Args:
        grid: Its name in studies/ and in reference/.
        needed: Entries that every dataset must have, since the others are compared with them.
        root: The project.

    Raises:
        UserError: The grid's file or a training's is broken, an entry is not of the grid, or a needed one is missing.
    """
    order = read_yaml(root / "studies" / f"{grid}.yaml")["runs"]
    found: dict[str, Trainings] = {}
    for folder in sorted((root / "reference" / grid).glob("*/")):
        where = f"reference/{grid}/{folder.name}"
        runs: dict[str, dict[int, Mapping[str, Any]]] = {name: {} for name in order}
        files = (committed_run(file, root) for file in sorted(folder.glob("*.json")))
        for run in sorted(files, key=lambda run: run["seed"]):
            name, seed = run["variant"], run["seed"]
            if name not in runs:
                raise UserError(f"{where}/{name}-{seed}.json: studies/{grid}.yaml has no entry {name}")
            runs[name][seed] = run
        trained = {name: by_seed for name, by_seed in runs.items() if by_seed}
        for name in needed if trained else ():
            if name not in trained:
                command = f"python -m stages.studies {grid} {folder.name} --only {name}"
                raise UserError(f"{where} has no training of {name}: `{command}` makes it")
        if trained:
            found[folder.name] = trained
    return found
