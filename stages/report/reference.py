"""What the committed trainings of finals.yaml say: `python -m stages.report.reference`.

Writes tables, ledger, overview and masks of each dataset into reference/<dataset>/, and README.md's parts between their
marks. Numbers, plots and labels alone, so that it may be published of any dataset.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from matplotlib import rc_context

from stages import params, style
from stages.arrays import task_masks
from stages.params import UserError
from stages.paths import ROOT
from stages.report import bars, claims, committed, overview, paper, tables, variations
from stages.report.claims import Finding
from stages.report.committed import Committed
from stages.report.records import read_arrays

SHOWN = {
    "bce-2780": "BCE, all masks",
    "bce-500": "BCE, 18 % masks",
    "bce-500-2280": "BCE, mixed labels",
    "bootstrap-500-2280": "literal recipe",
    "bootstrap-500-2280-stable": "stable recipe",
}
"""Rows in the picture of masks, and how it calls them."""

TABLES, SPREAD = ("camvid", "synthetic"), 3
"""README shows the tables of the first of these with so many seeds of every row, or else of the first that is whole."""


def write(root: Path = ROOT) -> list[Path]:
    """Write reference/<dataset>/ for each dataset in reference/finals/, and README.md's parts; returns the folders.

    A dataset on which a row has no training yet is left out, and named.

    Raises:
        UserError: no dataset is complete, nothing is written then; or README.md lacks a mark.
    """
    printed, folders = paper.load(root), {}
    complete, lacking = committed.load(printed, root)
    for line in lacking:
        print(f"left out: {line}", file=sys.stderr)
    if lacking and not complete:
        raise UserError(lacking[-1])
    for dataset, trainings in complete.items():
        folders[dataset] = out = root / "reference" / dataset
        settings, measured = trainings.settings, trainings.measured
        varied = variations.table(settings, trainings.trained)
        kept = [*tables.paper_tables(printed, settings, measured), *([varied] if varied else [])]
        for stale in (out / "tables").glob("*"):  # a table that is no longer made
            stale.unlink()
        tables.write(kept, out / "tables")
        (out / "claims.md").write_text(claims.markdown(trainings.found, trainings.title), encoding="utf-8")
        (out / "overview.png").write_bytes(overview.overview(printed, settings, measured).png())
        (out / "masks.png").write_bytes(masks(dataset, root).png())
    readme = root / "README.md"
    text = insert(readme.read_text(encoding="utf-8"), "ledger", ledgers(complete))
    text = insert(text, "bars", bars.markdown({one.title: one.judged for one in complete.values()}))
    whole = sorted((name for name in TABLES if name in folders), key=lambda name: complete[name].seeds[0] < SPREAD)
    text = insert(text, "tables", tables_of(folders[whole[0]]) if whole else "")
    readme.write_text(text, encoding="utf-8")
    return list(folders.values())


def ledgers(complete: Mapping[str, Committed]) -> str:
    """Every dataset's verdicts side by side, as a Markdown table; "" without any."""
    if not complete:
        return ""
    columns = [(n, recipe) for n in range(len(complete)) for recipe in ("paper", "stable")]
    titles = [one.title for one in complete.values()]
    names = [f"{titles[n]}, {tables.RECIPE_NAMES[recipe]}" for n, recipe in columns]
    lines = [["Claim", "paper", *names], ["---"] * (2 + len(names))]
    for of_claim in zip(*(one.found for one in complete.values()), strict=True):
        cells = [_verdict(of_claim[n], recipe) for n, recipe in columns]
        lines.append([of_claim[0].claim.says, of_claim[0].paper, *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _verdict(finding: Finding, recipe: str) -> str:
    """A finding's word for a recipe, and its number or what is missing; rows without a recipe answer for both."""
    for verdict in finding.verdicts:
        if verdict.recipe in (recipe, None):
            return f"{verdict.word}: {verdict.effect or verdict.decide}"
    return tables.NONE


def tables_of(folder: Path) -> str:
    """The Markdown of a dataset's tables."""
    return (folder / "tables" / "results.md").read_text(encoding="utf-8")


def insert(text: str, part: str, content: str) -> str:
    """`text` with everything between the two marks of a part replaced.

    Raises:
        UserError: a mark is missing.
    """
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise UserError(f"README.md: allowed: the lines {begin} and {end}, once each")
    before, rest = text.split(begin)
    return f"{before}{begin}\n{content}{end}{rest.split(end)[1]}"


@rc_context(style.RULES)
def masks(dataset: str, root: Path = ROOT) -> style.Picture:
    """Validation pictures as labels alone: the true mask, the box target, and the output of five rows."""
    folder = root / "reference" / "finals" / dataset
    kept = {row: read_arrays(folder / f"{row}-0.npz", ("mask", "target", "output"), None, root) for row in SHOWN}
    masks, targets = (next(iter(kept.values()))[name] for name in ("mask", "target"))
    title = style.dataset_title(dataset)
    sheet = style.Sheet(
        ["true mask", "boxes", *SHOWN.values()],
        [""] * len(masks),
        masks.shape[1] / masks.shape[2],
        heading=f"Cars on validation pictures · {title}",
        subtitle=["Labels alone: blue is car, grey is void. Final weights, seed 0."],
    )
    for line, mask in enumerate(masks):
        shown = [task_masks(mask, 2), targets[line], *(arrays["output"][line] for arrays in kept.values())]
        for column, labels in enumerate(shown):
            style.draw(sheet.panel(line, column), style.class_picture(labels))
    return style.Picture(sheet.figure, f"Masks, boxes and outputs of {', '.join(SHOWN)} on {title}.")


def main() -> None:
    argparse.ArgumentParser(prog="python -m stages.report.reference", description=__doc__.splitlines()[0]).parse_args()
    for folder in write():
        print(folder)


if __name__ == "__main__":
    params.run(main)
