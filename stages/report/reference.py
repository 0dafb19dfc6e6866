"""Keep a finished run as a committed reference: `python -m stages.report.reference camvid-cpu`.

Copies what may be published of any dataset (numbers, tables, plots, masks; no photograph) into reference/<name>/, and
writes the tables into README.md between its two marks.
"""

import argparse
import shutil
from pathlib import Path

from matplotlib import rc_context

from stages import params, paths, style
from stages.arrays import open_packed, task_masks, write_json
from stages.params import Settings, UserError
from stages.paths import ROOT
from stages.report import claims, paper, records, tables
from stages.report.records import read_arrays

BEGIN, END = "<!-- reference: begin -->", "<!-- reference: end -->"
SHOWN = {
    "bce-2780": "BCE, all masks",
    "bce-500": "BCE, 18 % masks",
    "bce-500-2280": "BCE, mixed labels",
    "bootstrap-500-2280": "literal recipe",
    "bootstrap-500-2280-stable": "stable recipe",
}
"""Rows in the picture of masks, and how it calls them."""


def keep(name: str, root: Path = ROOT) -> Path:
    """Write reference/<name>/ and README.md's tables from the run that lies in `root`; returns the folder.

    Raises:
        UserError: a result, table or picture is missing; README.md lacks the marks.
    """
    settings = params.load(root)
    out = root / "reference" / name
    measured = records.results(settings, root)
    for folder in ("results", "tables"):
        shutil.rmtree(out / folder, ignore_errors=True)
    shutil.copytree(paths.results(root), out / "results")
    printed = paper.load(root)
    tables.write(tables.paper_tables(printed, settings, measured), out / "tables")
    finals = records.finals(settings.params.dataset, root)
    found = claims.findings(printed, settings, measured, finals)
    ledger = claims.markdown(found, style.dataset_title(settings.params.dataset))
    (out / "claims.md").write_text(ledger, encoding="utf-8")
    _copy(paths.reports(root) / "tables.png", out / "overview.png")
    _copy(paths.metrics(root), out / "metrics.json")
    _copy(paths.packed(settings.params.dataset, root) / "statistics.json", out / "statistics.json")
    write_json(
        out / "settings.json", {"params": settings.params.model_dump(), "train": settings.profile.train.model_dump()}
    )
    (out / "masks.png").write_bytes(masks(settings, root).png())
    readme = root / "README.md"
    readme.write_text(insert(readme.read_text(encoding="utf-8"), tables_of(out)), encoding="utf-8")
    return out


def tables_of(folder: Path) -> str:
    """The Markdown of a kept run's Tables 1-3."""
    return "\n".join((folder / "tables" / f"table{n}.md").read_text(encoding="utf-8") for n in (1, 2, 3))


def insert(text: str, content: str) -> str:
    """`text` with everything between the two marks replaced.

    Raises:
        UserError: a mark is missing.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise UserError(f"README.md: allowed: the lines {BEGIN} and {END}, once each")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{content}{END}{rest.split(END)[1]}"


@rc_context(style.RULES)
def masks(settings: Settings, root: Path = ROOT) -> style.Picture:
    """Validation pictures as labels alone: the true mask, the box target, and the output of five rows."""
    dataset, seed = settings.params.dataset, settings.params.seeds[0]
    split = open_packed(paths.packed(dataset, root)).val
    outputs = {
        row: read_arrays(paths.evaluate(row, seed, root) / "pictures.npz", ("indices", "output"), "evaluate", root)
        for row in SHOWN
    }
    indices = next(iter(outputs.values()))["indices"]
    title = style.dataset_title(dataset)
    sheet = style.Sheet(
        ["true mask", "boxes", *SHOWN.values()],
        [""] * len(indices),
        split.masks.shape[1] / split.masks.shape[2],
        heading=f"Cars on validation pictures · {title}",
        subtitle=["Labels alone: blue is car, grey is void. Final weights."],
    )
    for line, index in enumerate(indices):
        shown = [
            task_masks(split.masks[index], 2),
            split.targets("car")[index],
            *(outputs[row]["output"][line] for row in SHOWN),
        ]
        for column, labels in enumerate(shown):
            style.draw(sheet.panel(line, column), style.class_picture(labels))
    return style.Picture(sheet.figure, f"Masks, boxes and outputs of {', '.join(SHOWN)} on {title}.")


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError:
        raise UserError(f"{source}: no such file; `make reproduce` makes it") from None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.report.reference", description=__doc__.splitlines()[0])
    parser.add_argument("name", help="the folder's name under reference/")
    print(keep(parser.parse_args().name))


if __name__ == "__main__":
    params.run(main)
