"""Whether the literal loss lives under each reading of the paper, as a table."""

from collections.abc import Mapping

from stages.analysis.naming import dataset_title
from stages.analysis.readings import FACTORS, MIXED, Variant, is_crossed, survivors, values
from stages.report.tables import NONE, Cell, Table, csv_number, headers, text_of

COLUMNS = ("n", "IoU", "over plain BCE", "wrong flipped", "right flipped", "AUROC of σ²", "best", "collapsed")


def readings_table(dataset: str, variants: Mapping[str, Variant]) -> Table:
    """Return the readings of one dataset, a line each; then what is compared with them."""
    mixed = variants.get(MIXED)
    body, records = [], []
    for one in sorted(variants.values(), key=lambda one: not is_crossed(one)):
        choices = list(values(one).values()) if is_crossed(one) else [NONE] * len(FACTORS)
        over = NONE if mixed is None or one.name == MIXED else f"{one.iou.mean - mixed.iou.mean:+.1f}"
        numbers = [
            str(one.iou.n),
            str(one.iou),
            over,
            *map(text_of, (one.recall, one.false_flip_rate, one.auroc, one.best)),
        ]
        numbers.append(f"{one.collapsed} of {one.iou.n}" if one.collapsed else "")
        cells = [Cell(one.name, "text name", header=True), *(Cell(choice, "text") for choice in choices)]
        body.append([*cells, *(Cell(number, "number") for number in numbers)])
        records.append({"dataset": dataset, "reading": one.name, "iou": csv_number(one.iou.mean)})
    caption = (
        "The literal loss, judged on training images that were held out, about a fifth. Percent (AUROC: "
        "from 0 to 1), mean ± standard deviation over n seeds. Over plain BCE: points of IoU over plain BCE on the "
        "same labels. Wrong and right flipped: of the wrongly and of the rightly labelled box pixels, how many are "
        "flipped when training ends. Best: the highest IoU while training, on 64 of the held-out images. "
        "Collapsed: as paper/claims.yaml has it."
    )
    head = headers([Cell("Reading", "text"), *(Cell(factor, "text") for factor in FACTORS), *map(Cell, COLUMNS)])
    return Table(
        f"readings-{dataset}", f"How the paper is read, on {dataset_title(dataset)}", caption, [head], body, (), records
    )


def survivors_table(found: Mapping[str, Mapping[str, Variant]]) -> Table:
    """Return how many trainings lived, by choice and dataset."""
    body, records = [], []
    counts = {dataset: survivors(variants) for dataset, variants in found.items()}
    for factor, of in FACTORS.items():
        for value in of:
            lived = [f"{counts[dataset][factor][value][0]} of {counts[dataset][factor][value][1]}" for dataset in found]
            body.append([Cell(factor, "text", header=True), Cell(value, "text"), *(Cell(x, "number") for x in lived)])
            records.append({"choice": f"{factor} {value}"} | dict(zip(found, lived, strict=True)))
    caption = "How many trainings of the literal loss did not collapse, over all values of the other three choices."
    head = headers([Cell("Choice", "text"), Cell("", "text"), *(Cell(dataset_title(name)) for name in found)])
    return Table("survivors", "Which choice decides", caption, [head], body, (), records)
