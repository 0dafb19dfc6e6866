"""What the paper says in one sentence each, and whether the trained rows say the same.

Absolute numbers can agree on Cityscapes alone; elsewhere orderings and shares of the gap are compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.params import Settings
from stages.report.paper import Paper
from stages.report.records import Result
from stages.report.tables import RECIPE_NAMES, variants

SAME, OTHER, UNDECIDED = "same as the paper", "not as the paper", "undecided"
TOWARDS, AWAY = "points the paper’s way", "points the other way"  # of a single run, which is no verdict
RECTANGULAR = "iou_with_boxes", "iou_with_masks"


def verdict(same: bool, n: int) -> str:
    """What is said of a measured direction: with n seeds a verdict, with one only where it points."""
    if n == 1:
        return TOWARDS if same else AWAY
    return SAME if same else OTHER


@dataclass(frozen=True)
class Verdict:
    """One recipe's answer: `recipe` is None for a statement about rows without recipes."""

    recipe: str | None
    verdict: str
    numbers: str


@dataclass(frozen=True)
class Finding:
    """A statement of the paper, its numbers there, and ours."""

    statement: str
    place: str
    paper: str
    verdicts: Sequence[Verdict]


@dataclass(frozen=True)
class Ordering:
    """`better` scores above `worse`, by the class's IoU (or `mean`)."""

    statement: str
    place: str
    better: str
    worse: str
    label: str = "car"

    def printed(self, paper: Paper) -> str:
        """The paper's two numbers."""
        return f"{paper.iou(self.better, self.label):g} against {paper.iou(self.worse, self.label):g}"

    def judge(self, results: Mapping[str, Result]) -> tuple[str, str]:
        """(verdict, our numbers) with the count of seeds that agree; undecided where the seeds differ."""
        first, second = (results[row].iou(self.label) for row in self.rows)
        if first is None or second is None:
            return UNDECIDED, "no IoU"
        pairs = _paired(results[self.better], results[self.worse], self.label)
        wins = sum(a > b for a, b in pairs)
        count = f", in {wins} of {len(pairs)} seeds" if len(pairs) > 1 else ""
        said = UNDECIDED if 0 < wins < len(pairs) else verdict(wins > 0, len(pairs))
        return said, f"{first} against {second}{count}"

    @property
    def rows(self) -> tuple[str, ...]:
        """The rows that it compares."""
        return self.better, self.worse


@dataclass(frozen=True)
class NearFull:
    """`row` closes more than half of the gap between `few` masks and `full` supervision."""

    statement: str
    place: str
    row: str
    few: str
    full: str
    label: str = "car"

    def printed(self, paper: Paper) -> str:
        """The paper's share of full supervision, and of the gap."""
        return _shares(*(paper.iou(row, self.label) for row in (self.row, self.few, self.full)))

    def judge(self, results: Mapping[str, Result]) -> tuple[str, str]:
        """(verdict, our shares); undecided where full supervision is no better than few masks."""
        values = [results[row].iou(self.label) for row in (self.row, self.few, self.full)]
        if None in values:
            return UNDECIDED, "no IoU"
        ours, few, full = (value.mean for value in values)
        if full <= few:
            return UNDECIDED, f"no gap: full {full:.2f}, few masks {few:.2f}"
        return verdict(ours - few > (full - few) / 2, values[0].n), _shares(ours, few, full)

    @property
    def rows(self) -> tuple[str, ...]:
        """The rows that it compares."""
        return self.row, self.few, self.full


@dataclass(frozen=True)
class Rectangles:
    """The output of `row` agrees better with boxes than with masks. The paper shows it, without a number."""

    statement: str
    place: str
    row: str

    def printed(self, _: Paper) -> str:
        """The paper prints no number."""
        return "described, no number"

    def judge(self, results: Mapping[str, Result]) -> tuple[str, str]:
        """(verdict, IoU of the output with boxes and with masks)."""
        boxes, masks = (results[self.row].value("rectangularity", key) for key in RECTANGULAR)
        if boxes is None or masks is None:
            return UNDECIDED, "not measured"
        return verdict(boxes.mean > masks.mean, boxes.n), f"IoU with boxes {boxes}, with masks {masks}"

    @property
    def rows(self) -> tuple[str, ...]:
        """The row that it looks at."""
        return (self.row,)


STATEMENTS: tuple[Ordering | NearFull | Rectangles, ...] = (
    Ordering("Adding box images to plain BCE hurts", "Tables 1, 2", "bce-500", "bce-500-2280"),
    Rectangles("Trained on boxes alone, the output is rectangular", "Figure 2", "regression-0-2780"),
    Ordering(
        "On the same labels, regression with uncertainty beats plain BCE", "Table 1",
        "regression-500-2280", "bce-500-2280",
    ),
    Ordering("L2 with uncertainty beats masks alone", "Table 1", "regression-all-500-2280", "bce-500"),
    Ordering("In-box uncertainty beats all pixels", "Table 1", "regression-500-2280", "regression-all-500-2280"),
    Ordering(
        "On the same labels, bootstrapping beats plain BCE", "Table 2", "bootstrap-500-2280", "bce-500-2280",
    ),
    Ordering("Bootstrapping beats masks alone", "Table 2", "bootstrap-500-2280", "bce-500"),
    Ordering("Bootstrapping beats regression", "Tables 1, 2", "bootstrap-500-2280", "regression-500-2280"),
    NearFull("Bootstrapping comes near full supervision", "Table 2", "bootstrap-500-2280", "bce-500", "bce-2780"),
    Ordering("200 masks and boxes still beat 500 masks alone", "Table 2", "bootstrap-200-2580", "bce-500"),
    Ordering("200 masks beat 100", "Table 2", "bootstrap-200-2580", "bootstrap-100-2680"),
    Rectangles("With 100 masks the output is rectangular", "Table 2 (*)", "bootstrap-100-2680"),
    Rectangles("Plain CE on masks and boxes gives rectangles", "Table 3, caption", "ce-500-2280"),
    Ordering("Multi-class bootstrapping beats masks alone", "Table 3", "ce-bootstrap-500-2280", "ce-500", "mean"),
    NearFull(
        "Multi-class bootstrapping comes near full supervision", "Table 3",
        "ce-bootstrap-500-2280", "ce-500", "ce-2780", "mean",
    ),
)  # fmt: skip


def findings(paper: Paper, settings: Settings, results: Mapping[str, Result]) -> list[Finding]:
    """Each statement with the paper's numbers and a verdict for each recipe that was trained."""
    return [_finding(statement, paper, settings, results) for statement in STATEMENTS]


def _finding(
    statement: Ordering | NearFull | Rectangles, paper: Paper, settings: Settings, results: Mapping[str, Result]
) -> Finding:
    by_recipe = {row: variants(row, settings, results) for row in statement.rows}
    recipes = list(dict.fromkeys(recipe for ours in by_recipe.values() for recipe in ours if recipe)) or [None]
    verdicts = []
    for recipe in recipes:
        chosen = {row: ours.get(recipe, ours.get(None)) for row, ours in by_recipe.items()}
        if None not in chosen.values():
            verdicts.append(Verdict(recipe, *statement.judge(chosen)))
    return Finding(statement.statement, statement.place, statement.printed(paper), verdicts)


def summary(found: Sequence[Finding]) -> list[str]:
    """One sentence for each recipe: how many of the statements come out, or in single runs point, as in the paper."""
    recipes = list(dict.fromkeys(v.recipe for finding in found for v in finding.verdicts if v.recipe)) or [None]
    sentences = []
    for recipe in recipes:
        verdicts = [next((v.verdict for v in f.verdicts if v.recipe in (recipe, None)), None) for f in found]
        how = f"With the {RECIPE_NAMES[recipe]} recipe" if recipe else "Here"
        if TOWARDS in verdicts or AWAY in verdicts:
            counted = f"{verdicts.count(TOWARDS)} of {len(found)} statements point the paper’s way in a single run"
        else:
            counted = f"{verdicts.count(SAME)} of {len(found)} statements come out as in the paper"
        undecided = verdicts.count(UNDECIDED)
        sentences.append(f"{how}, {counted}{f'; {undecided} are undecided' if undecided else ''}.")
    return sentences


def headlines(paper: Paper, settings: Settings, results: Mapping[str, Result]) -> list[str]:
    """One sentence for each claim to come near full supervision: ours by recipe, and the paper's."""
    sentences = []
    for statement in STATEMENTS:
        if isinstance(statement, NearFull):
            full = results[statement.full].iou(statement.label)
            by_recipe = variants(statement.row, settings, results)
            ours = {recipe: result.iou(statement.label) for recipe, result in by_recipe.items()}
            shares = [
                f"{100 * value.mean / full.mean:.1f} % ({RECIPE_NAMES[recipe]} recipe)"
                for recipe, value in ours.items()
                if value and full and full.mean
            ]
            printed = 100 * paper.iou(statement.row, statement.label) / paper.iou(statement.full, statement.label)
            plain = _plain_share(statement, paper, results)
            what = "For several classes, bootstrapping" if statement.label == "mean" else "Bootstrapping"
            measure = "mean" if statement.label == "mean" else statement.label
            sentences.append(
                f"{what} reaches {' and '.join(shares)} of full supervision’s {measure} IoU; "
                f"the paper reports {printed:.1f} % on Cityscapes. {plain}"
            )
    return sentences


PLAIN = {"bootstrap-500-2280": ("bce-500-2280", "Plain BCE"), "ce-bootstrap-500-2280": ("ce-500-2280", "Plain CE")}


def _plain_share(statement: NearFull, paper: Paper, results: Mapping[str, Result]) -> str:
    """What the plain loss reaches on the same labels: without it, nobody knows what bootstrapping adds."""
    row, name = PLAIN[statement.row]
    ours, full = results[row].iou(statement.label), results[statement.full].iou(statement.label)
    if not ours or not full or not full.mean:
        return ""
    printed = paper.rows[row].iou.get(statement.label)
    said = f"{100 * printed / paper.iou(statement.full, statement.label):.1f} %" if printed else "no number"
    return f"{name} on the same labels reaches {100 * ours.mean / full.mean:.1f} % (paper: {said})."


def _paired(a: Result, b: Result, label: str) -> list[tuple[float, float]]:
    """IoUs of the two rows by common seed."""
    first, second = (dict(zip(r.seeds, r.iou(label).values, strict=True)) for r in (a, b))
    return [(first[seed], second[seed]) for seed in first if seed in second]


def _shares(ours: float, few: float, full: float) -> str:
    share = f"{100 * ours / full:.1f} % of full supervision"
    return (
        f"{share}, {100 * (ours - few) / (full - few):.0f} % of the gap closed"
        if ours > few
        else f"{share}, below few masks"
    )
