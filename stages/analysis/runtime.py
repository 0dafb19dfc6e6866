"""What each stage costs as the number of images grows, as `python -m benchmarks.pipeline --write` measured it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.analysis.naming import dataset_title
from stages.errors import UserError
from stages.paths import ROOT
from stages.yaml_files import Part

FILE = Path("reference") / "cost.json"
REMEDY = (
    "python -m benchmarks.pipeline --shares 0.125 0.25 0.5 1 --write reference/cost.json "
    "--targets evaluate-bootstrap@bootstrap-500-2280-stable-0 figure3"
)
STAGES = ("download", "boxes", "train", "evaluate", "figure3")
"""The stages that every measurement has."""


class _Stage(Part):
    n: int
    seconds: float
    peak_mib: float


class _Run(Part):
    images: int
    arrays_mib: float
    stages: dict[str, _Stage]


class _Cost(Part):
    dataset: str
    device: str
    threads: int
    torch: str
    runs: list[_Run]


def load(root: Path = ROOT) -> Mapping[str, Any]:
    """Return reference/cost.json, its runs by their number of images.

    Raises:
        UserError: It is missing, no JSON, or no measurement.
    """
    try:
        found = json.loads((root / FILE).read_text(encoding="utf-8"))
        _Cost.model_validate(found)
        runs = sorted(found["runs"], key=lambda run: run["images"])
        known = all(set(STAGES) <= set(run["stages"]) for run in runs)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        runs, known = [], False
    if not runs or not known:
        raise UserError(f"{FILE} is no measurement of the pipeline: `{REMEDY}` writes it")
    return {**found, "runs": runs}


def caption(found: Mapping[str, Any]) -> str:
    """Say where it was measured."""
    return (
        f"Measured with {dataset_title(found['dataset'])} on {found['device']}, {found['threads']} threads "
        f"(torch {found['torch']}), by benchmarks/pipeline.py; steps in proportion to images."
    )
