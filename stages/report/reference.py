"""What the reference runs say: python -m stages.report.reference

Writes tables, claims, overview and masks of each dataset into reference/<dataset>/, docs/results.md, and into README.md
the main rows and the best of other methods, between their marks. Numbers, plots and labels alone, so that it may be
published of any dataset.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib import rc_context

from stages import config
from stages.analysis import causes, claims, methods, paper, reference_results
from stages.analysis.methods import LITERAL, STABLE
from stages.analysis.naming import FIRST, RECIPE_NAMES, dataset_title
from stages.analysis.paper import Paper
from stages.analysis.reference_results import ReferenceResults
from stages.analysis.results import REFERENCE, read_arrays
from stages.arrays import task_masks
from stages.config import Row
from stages.errors import UserError, run
from stages.figures import overview, style, table2
from stages.paths import ROOT
from stages.report.answer import METHODS, gaps, of_reference, over_draws, shares
from stages.report.causes_table import causes_table
from stages.report.claims_table import all_claims_markdown, claims_markdown, criteria_markdown, regime_markdown
from stages.report.few_masks import few_masks_table
from stages.report.many_classes import many_classes_tables
from stages.report.methods_table import ELSEWHERE, answers, brief, methods_table, overhead, standing
from stages.report.paper_tables import Comparison, paper_tables
from stages.report.run_tables import parts_table
from stages.report.sensitivity import sensitivity_table
from stages.report.tables import markdown_rows, write

SHOWN = {
    "bce-2780": "BCE, all masks",
    "bce-500": "BCE, 18 % masks",
    "bce-500-2280": "BCE, mixed labels",
    "bootstrap-500-2280": "literal recipe",
    "bootstrap-500-2280-stable": "stable recipe",
}
"""Rows in the picture of masks, and how it calls them."""
MAIN_ROWS = ("bce-2780", "bce-500", "bce-0-2780", "bce-500-2280", "bootstrap-500-2280", "bootstrap-500-2280-stable")
"""Those of README's table."""
COMMAND = "python -m stages.report.reference"
SEE_STABILITY = "Where its loss as printed breaks stands on `reports/stability.html` of any run.\n"


def write_all(root: Path = ROOT) -> list[Path]:
    """Write what the reference runs of each dataset say, and return the folders of the datasets.

    A dataset on which a row has no training yet is left out, and named.

    Raises:
        UserError: No dataset is complete, nothing is written then; or README.md lacks a mark.
    """
    settings, printed = config.load(root), paper.load(root)
    complete, lacking = reference_results.load(printed, settings.rows, root)
    for line in lacking:
        print(f"left out: {line}", file=sys.stderr)
    if not complete:
        raise UserError(lacking[-1] if lacking else f"reference/{REFERENCE} has no training: git brings them back")
    folders = []
    for dataset, one in complete.items():
        folders.append(out := root / "reference" / dataset)
        comparison = Comparison(printed, settings.rows, dataset, one.results, one.left_out)
        for stale in (out / "tables").glob("*"):  # a table that is no longer made
            stale.unlink()
        entries = Comparison(printed, settings.rows, dataset, one.entries, one.left_out)
        others = filter(None, (few_masks_table(entries), sensitivity_table(entries), parts_table(comparison)))
        write([*paper_tables(comparison), *others], out / "tables")
        (out / "claims.md").write_text(claims_markdown(one.claims, one.title), encoding="utf-8")
        chosen = settings.params.model_copy(update={"dataset": dataset})
        drawn = overview.draw(printed, config.Settings(chosen, settings.profile, settings.rows), one.results)
        (out / "overview.png").write_bytes(drawn.png())
        (out / "masks.png").write_bytes(masks(dataset, root).png())
    compared = methods.load(printed, root)
    (root / "docs" / "results.md").write_text(results_page(complete, compared, printed, root), encoding="utf-8")
    readme = root / "README.md"
    text = insert(
        readme.read_text(encoding="utf-8"), "main-rows", main_rows(printed, list(complete.values()), settings.rows)
    )
    best = "".join(f"- {brief(name, found)}.\n" for name, found in compared.items())
    readme.write_text(insert(text, "methods", best), encoding="utf-8")
    return folders


def main_rows(printed: Paper, complete: Sequence[ReferenceResults], rows: Mapping[str, Row]) -> str:
    """Return README's table: rows of Table 2, the paper's numbers and this project's of each dataset, as Markdown."""
    lines = [["Labels", "Loss", "paper, Cityscapes", *(f"here, {one.title}" for one in complete)]]
    lines.append(["---", "---", *["---:"] * (1 + len(complete))])
    for name in MAIN_ROWS:
        recipe = rows[name].recipe
        loss = f"the method, {RECIPE_NAMES[recipe]}" if recipe else "plain cross-entropy"
        labels = table2.row_title(name.removesuffix("-stable")).split(",")[0].replace("500 masks", "18 % masks")
        ious = [one.results[name].iou(FIRST) for one in complete]
        here = ["–" if iou is None else f"{iou} (n = {iou.n})" for iou in ious]
        paper_has = f"{printed.iou(name, FIRST):g}" if recipe != "stable" else ""
        lines.append([labels, loss, paper_has, *here])
    closed = dict(zip(METHODS, shares(printed, [one.results for one in complete]), strict=True))
    for name, method in ((LITERAL, "literal"), (STABLE, "stable")):
        paper_has = closed[name].paper if name == LITERAL else ""
        lines.append(["*share of the gap closed*", f"*the method, {method}*", paper_has, *closed[name].here])
    return markdown_rows(lines) + "\n"


def results_page(
    complete: Mapping[str, ReferenceResults],
    compared: Mapping[str, Sequence[methods.Method]],
    printed: Paper,
    root: Path = ROOT,
) -> str:
    """Return docs/results.md: claims, acceptance criteria, other methods, and each dataset's tables and pictures."""
    rows = config.load(root).rows
    parts = [
        "# Results of the reference runs\n",
        f"Generated by `{COMMAND}` from the committed trainings in [`reference/runs`](../reference/runs). Do not "
        f"edit.\n",
        "None of it is Cityscapes: what can be compared with the paper is which row wins, and how much of a gap it "
        "closes.\n",
        "\n".join(f"- {' '.join(of_reference(printed, rows, one))}" for one in complete.values()) + "\n",
        "## The share of the gap that is closed\n",
        "The gap lies between plain BCE on mixed labels and full supervision. “–”: the gap is not clear of "
        f"{printed.asked.gap.least:g} points, so there is nothing to close.\n",
        _gap_table(complete, printed),
        "Whether wrong box labels cost the plain loss what they cost it in the paper:\n",
        regime_markdown({one.title: claims.judge_regime(printed, one.results) for one in complete.values()}),
        "## Claims of the paper\n",
        "Each claim with its unit, its verdict, the mean over seeds, its 95 % interval and the number of seeds. The "
        "interval alone gives the verdict. p says what the number of claims takes from it: against what is asked, "
        "two-sided, after Holm’s correction for all claims of the dataset. Trainings that a cell needs: "
        "`python -m stages.studies reference <dataset>`, where `studies/reference.yaml` has them for the dataset. "
        "“Literal” is the "
        "paper as written, where it is silent in the reading under which its loss lives; “stable” goes beyond it: "
        "masks teach the variance, by their own boxes, which labels are wrong, and a running mean of the network "
        "decides ([method notes](method-notes.md)).\n",
        all_claims_markdown(complete),
        "## What this project asks of its stable recipe\n",
        "From [`paper/claims.yaml`](../paper/claims.yaml). Where seeds were added after an interim analysis, the "
        "interval is wider for it.\n",
        criteria_markdown(complete),
    ]
    if compared:
        parts += ["## Boxes to masks: what would you have got instead?\n", _methods_answers(compared, printed)]
        parts.append(
            "How each was read, and what limits the stable recipe, stands in [other-methods.md](other-methods.md).\n"
        )
        tried = methods.tried(root)
        parts += [methods_table(name, found, tried).markdown() for name, found in compared.items()]
        parts.append(ELSEWHERE + "\n")
    if many := many_classes_tables(rows, printed, root):
        parts += ["## More than three classes\n", "The paper leaves them to future work. " + SEE_STABILITY]
        parts += [table.markdown() for table in many]
        for name, variants in causes.load(printed.asked.confidence, root).items():
            parts += [causes.answer(variants) + "\n", causes_table(name, variants).markdown()]
    for dataset, one in complete.items():
        tables = (root / "reference" / dataset / "tables" / "results.md").read_text(encoding="utf-8")
        parts += [
            f"## {one.title[0].upper()}{one.title[1:]}\n",
            f"![IoU of every row and seed beside the paper's numbers](../reference/{dataset}/overview.png)\n",
            f"![Masks, boxes and outputs of five rows, seed 0](../reference/{dataset}/masks.png)\n",
            tables,
        ]
    return "\n".join(parts)


def _methods_answers(compared: Mapping[str, Sequence[methods.Method]], printed: Paper) -> str:
    """Return what is best with some masks and without any, and what labels and losses cost, as a Markdown list."""
    lines = [
        " ".join([*answers(name, found), standing(name, found, printed.asked.confidence)])
        for name, found in compared.items()
    ]
    lines += filter(None, (overhead(name, found, printed.most_overhead) for name, found in compared.items()))
    return "".join(f"- {line}\n" for line in lines)


def _gap_table(complete: Mapping[str, ReferenceResults], printed: Paper) -> str:
    """Return the gap, and what each method closes of it, in the paper and on each dataset, as Markdown."""
    sources = [one.results for one in complete.values()]
    lines = [
        ["Row", "paper, Cityscapes", *(one.title for one in complete.values())],
        ["---", *["---:"] * (1 + len(sources))],
    ]
    draws = over_draws(printed, list(complete.values()))
    listed = [gaps(printed, sources), *shares(printed, sources), *draws]
    return markdown_rows([*lines, *([one.name, one.paper, *one.here] for one in listed)]) + "\n"


def insert(text: str, part: str, content: str) -> str:
    """Return `text` with everything between the two marks of a part replaced.

    Raises:
        UserError: A mark is missing.
    """
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise UserError(f"README.md: allowed: the lines {begin} and {end}, once each")
    before, rest = text.split(begin)
    return f"{before}{begin}\n{content}{end}{rest.split(end)[1]}"


@rc_context(style.RULES)
def masks(dataset: str, root: Path = ROOT) -> style.Picture:
    """Draw validation images as labels alone: the true mask, the box target, and the output of five rows."""
    folder = root / "reference" / REFERENCE / dataset
    shown = {row: read_arrays(folder / f"{row}-0.npz", ("mask", "target", "output"), None, root) for row in SHOWN}
    truth, targets = (next(iter(shown.values()))[name] for name in ("mask", "target"))
    title = dataset_title(dataset)
    sheet = style.Sheet(
        ["true mask", "boxes", *SHOWN.values()],
        [""] * len(truth),
        truth.shape[1] / truth.shape[2],
        heading=f"Cars on validation images · {title}",
        subtitle=["Labels alone: blue is car, grey is void. Final weights, seed 0."],
    )
    for line, mask in enumerate(truth):
        drawn = [task_masks(mask, 2), targets[line], *(arrays["output"][line] for arrays in shown.values())]
        for column, labels in enumerate(drawn):
            style.draw(sheet.panel(line, column), style.class_picture(labels))
    return style.Picture(sheet.figure, f"Masks, boxes and outputs of {', '.join(SHOWN)} on {title}.")


def main() -> None:
    """Write everything and name the folders."""
    argparse.ArgumentParser(prog=COMMAND, description=(__doc__ or "").splitlines()[0]).parse_args()
    for folder in write_all():
        print(folder.relative_to(ROOT))


if __name__ == "__main__":
    run(main)
