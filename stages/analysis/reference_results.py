"""The committed reference runs, judged, one dataset after another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages import config
from stages.analysis import claims
from stages.analysis.annotation import FOLDER as ANNOTATION
from stages.analysis.claims import JudgedClaim
from stages.analysis.naming import dataset_title
from stages.analysis.paper import Paper
from stages.analysis.results import REFERENCE, Result, Results, reference_runs
from stages.arrays import Classes
from stages.config import Profile, Row
from stages.left_out import lacks_classes
from stages.paths import ROOT


@dataclass(frozen=True)
class ReferenceResults:
    """What one dataset's reference runs say.

    Attributes:
        dataset: Its name.
        entries: The trainings by entry of studies/reference.yaml and studies/annotation.yaml, see `entries`.
        results: Those of the rows of configs/rows.yaml alone, in its order, that were trained.
        claims: Each claim's verdicts, in the order of paper/claims.yaml.
        criteria: Each acceptance criterion's verdict.
        left_out: Why the dataset has no training of some rows of configs/rows.yaml.
    """

    dataset: str
    entries: Results
    results: Results
    claims: Sequence[JudgedClaim]
    criteria: Sequence[JudgedClaim]
    left_out: Mapping[str, str]

    @property
    def title(self) -> str:
        """The dataset's name for readers."""
        return dataset_title(self.dataset)

    @property
    def seeds(self) -> tuple[int, int]:
        """The fewest and the most seeds that a row of configs/rows.yaml has."""
        counts = [len(result.runs) for result in self.results.values()]
        return min(counts), max(counts)


def entries(dataset: str, root: Path = ROOT) -> dict[str, Result]:
    """Return the trainings of one dataset that are judged on its evaluation split, by entry of their grids.

    Those of studies/annotation.yaml differ from those of studies/reference.yaml in nothing but the number of masks.

    Raises:
        UserError: As `results.committed_run`.
    """
    return reference_runs(dataset, root, ANNOTATION) | reference_runs(dataset, root)


def load(paper: Paper, rows: dict[str, Row], root: Path = ROOT) -> tuple[dict[str, ReferenceResults], list[str]]:
    """Return every dataset on which each row of the paper is trained, and a line about each on which some are not.

    A dataset with one class needs no row with several.

    Args:
        paper: The claims and criteria.
        rows: All of configs/rows.yaml.
        root: The project; both are empty if it has no reference runs.

    Raises:
        UserError: A training's file is no JSON, or not what its name says.
    """
    complete, lacking, profiles = {}, [], config.read_profiles(root)
    for dataset in sorted(folder.name for folder in (root / "reference" / REFERENCE).glob("*/")):
        trained = entries(dataset, root)
        left_out = _unfilled(rows, profiles[dataset], dataset) if dataset in profiles else {}
        printed = [row for row in rows if paper.row(row, rows[row].recipe) and row not in left_out]
        if not any(row in trained for row in printed):
            continue  # trainings with all classes alone, which the paper does not have
        if missing := [row for row in printed if row not in trained]:
            left = f"reference/{REFERENCE}/{dataset} lacks {', '.join(missing)}"
            lacking.append(f"{left}: `python -m stages.studies reference {dataset}`")
            continue
        found = {row: trained[row] for row in rows if row in trained}
        judged = claims.judge_claims(paper, rows, found, trained, left_out)
        criteria = claims.judge_criteria(paper, trained, left_out)
        complete[dataset] = ReferenceResults(dataset, trained, found, judged, criteria, left_out)
    return complete, lacking


def _unfilled(rows: dict[str, Row], profile: Profile, dataset: str) -> dict[str, str]:
    """Return why a dataset has too few classes for some rows; {} where its files name the classes."""
    if not isinstance(profile.boxes.classes, dict):
        return {}
    classes = Classes(tuple(profile.boxes.classes), tuple(profile.boxes.masks_only))
    whys = {name: lacks_classes(row, classes, dataset) for name, row in rows.items()}
    return {name: why for name, why in whys.items() if why}
