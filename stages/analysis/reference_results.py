"""The committed reference runs, judged, one dataset after another."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.analysis import claims
from stages.analysis.claims import JudgedClaim
from stages.analysis.naming import dataset_title
from stages.analysis.paper import Paper
from stages.analysis.results import REFERENCE, Results, reference_runs
from stages.config import Row
from stages.paths import ROOT


@dataclass(frozen=True)
class ReferenceResults:
    """What one dataset's reference runs say.

    Attributes:
        dataset: Its name.
        entries: The trainings by entry of studies/reference.yaml.
        results: Those of the rows of configs/rows.yaml alone, in its order, that were trained.
        claims: Each claim's verdicts, in the order of paper/claims.yaml.
        criteria: Each acceptance criterion's verdict.
    """

    dataset: str
    entries: Results
    results: Results
    claims: Sequence[JudgedClaim]
    criteria: Sequence[JudgedClaim]

    @property
    def title(self) -> str:
        """The dataset's name for readers."""
        return dataset_title(self.dataset)

    @property
    def seeds(self) -> tuple[int, int]:
        """The fewest and the most seeds that a row of configs/rows.yaml has."""
        counts = [len(result.runs) for result in self.results.values()]
        return min(counts), max(counts)


def load(paper: Paper, rows: dict[str, Row], root: Path = ROOT) -> tuple[dict[str, ReferenceResults], list[str]]:
    """Return every dataset on which each row of the paper is trained, and a line about each on which some are not.

    Args:
        paper: The claims and criteria.
        rows: All of configs/rows.yaml.
        root: The project; both are empty if it has no reference runs.

    Raises:
        UserError: A training's file is no JSON, or not what its name says.
    """
    complete, lacking = {}, []
    for dataset in sorted(folder.name for folder in (root / "reference" / REFERENCE).glob("*/")):
        entries = reference_runs(dataset, root)
        printed = [row for row in rows if paper.row(row, rows[row].recipe)]
        if not any(row in entries for row in printed):
            continue  # trainings with all classes alone, which the paper does not have
        if missing := [row for row in printed if row not in entries]:
            left = f"reference/{REFERENCE}/{dataset} lacks {', '.join(missing)}"
            lacking.append(f"{left}: `python -m stages.studies reference {dataset}`")
            continue
        found = {row: entries[row] for row in rows if row in entries}
        judged = claims.judge_claims(paper, rows, found, entries)
        complete[dataset] = ReferenceResults(dataset, entries, found, judged, claims.judge_criteria(paper, entries))
    return complete, lacking
