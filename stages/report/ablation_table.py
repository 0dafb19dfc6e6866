"""The ablation as a table: each variant of the recipe, judged on held-out training images."""

from collections.abc import Mapping

from stages.analysis.ablation import Variant
from stages.analysis.naming import dataset_title
from stages.report.tables import NONE, Cell, Table, headers, text_of

COLUMNS = ("n", "car IoU", "of full", "false-flip rate", "recall", "AUROC of σ²", "collapsed")


def ablation_table(dataset: str, variants: Mapping[str, Variant]) -> Table:
    """Return the variants of a dataset, one line each."""
    body, records = [], []
    for variant in variants.values():
        share = f"{100 * variant.iou.mean / variant.full:.1f} %" if variant.full else NONE
        quantities = map(text_of, (variant.false_flip_rate, variant.recall, variant.auroc))
        dead = f"{variant.collapsed} of {variant.iou.n}" if variant.collapsed else ""
        numbers = [str(variant.iou), share, *quantities, dead]
        cells = [Cell(variant.name, "text name", header=True), Cell(str(variant.iou.n), "count")]
        body.append([*cells, *(Cell(number, "number") for number in numbers)])
        records += [{"dataset": dataset, "variant": variant.name, "iou": value} for value in variant.iou.values]
    caption = (
        "Trained on four fifths of the training images, judged on the last fifth; studies/ablation.yaml says what each "
        "variant changes. Percent (AUROC: from 0 to 1), mean ± standard deviation over n seeds; of full: of full "
        "supervision with as many steps. False-flip rate and recall: of the rightly and of the wrongly labelled box "
        "pixels, how many are flipped when training ends. Collapsed: as paper/claims.yaml has it."
    )
    head = headers([Cell("Variant", "text"), *(Cell(name) for name in COLUMNS)])
    return Table(f"ablation-{dataset}", f"The ablation on {dataset_title(dataset)}", caption, [head], body, (), records)
