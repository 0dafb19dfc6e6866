"""The committed trainings of finals.yaml, judged, one dataset after another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stages import params, style
from stages.params import Settings
from stages.paths import ROOT
from stages.report import bars, claims, records
from stages.report.bars import Judged
from stages.report.claims import Finding
from stages.report.paper import Paper
from stages.report.records import Result


@dataclass(frozen=True)
class Committed:
    """What one dataset's trainings say.

    Attributes:
        settings: with the dataset chosen.
        trained: the trainings by entry of finals.yaml.
        found: each claim's verdicts, in the paper's order.
        judged: each bar's verdict.
    """

    settings: Settings
    trained: Mapping[str, Result]
    found: Sequence[Finding]
    judged: Sequence[Judged]

    @property
    def title(self) -> str:
        """The dataset's name for readers."""
        return style.dataset_title(self.settings.params.dataset)

    @property
    def measured(self) -> dict[str, Result]:
        """The trainings of rows.yaml's rows alone, in its order."""
        return {row: self.trained[row] for row in self.settings.order}

    @property
    def seeds(self) -> tuple[int, int]:
        """The fewest and the most seeds that a row of rows.yaml has."""
        counts = [len(result.runs) for result in self.measured.values()]
        return min(counts), max(counts)

    @property
    def summary(self) -> list[str]:
        """One sentence for each recipe, as `claims.summary`."""
        return claims.summary(self.found)


def load(printed: Paper, root: Path = ROOT) -> tuple[dict[str, Committed], list[str]]:
    """Every dataset whose rows are all trained, and a line about each that is not; both empty without reference/finals.

    Raises:
        UserError: a training's file is no JSON, or finals.yaml is broken.
    """
    asked, default, complete, lacking = bars.load(root), params.load(root), {}, []
    for dataset in sorted(folder.name for folder in (root / "reference" / "finals").glob("*/")):
        trained = records.finals(dataset, root)
        if missing := [row for row in default.order if row not in trained]:
            left = f"reference/finals/{dataset} lacks {', '.join(missing)}"
            lacking.append(f"{left}: `python -m stages.study finals {dataset}`")
            continue
        settings = replace(default, params=default.params.model_copy(update={"dataset": dataset}))
        measured = {row: trained[row] for row in settings.order}
        found = claims.findings(printed, settings, measured, trained)
        complete[dataset] = Committed(settings, trained, found, bars.judge(asked, dataset, trained))
    return complete, lacking
