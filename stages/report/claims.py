"""The ledger: what the paper says, judged by the trained rows, with error bars over seeds.

paper.yaml lists the claims; each is a measure of one or two rows, and a threshold. Where a measure takes two rows, they
are paired by seed. A verdict needs the whole 95 % interval of the measure on one side of the threshold. A claim about
something that rows.yaml does not train (another threshold, other samples) is judged by the committed trainings of
finals.yaml alone, so that what is compared was trained in one setting.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from stages.params import Settings
from stages.report.paper import Check, Claim, Paper
from stages.report.records import Result, collapsed, full_supervision
from stages.report.tables import RECIPE_NAMES, variants

REPRODUCED, NOT_REPRODUCED, UNDECIDED = "reproduced", "not reproduced", "undecided"
CONFIDENCE = 0.95
MANY = 100  # seeds; more are no advice

Runs = tuple[Mapping, ...]  # one run of each of the measure's rows, of the same seed


@dataclass(frozen=True)
class Effect:
    """A measure over seeds.

    Attributes:
        values: by seed. low, high: the interval of their mean by Student's t; None for a single seed.
    """

    values: Mapping[int, float]
    low: float | None
    high: float | None

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return math.fsum(self.values.values()) / self.n

    def __str__(self) -> str:
        if self.low is None:
            return f"{self.mean:.2f}, n = 1"
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}], n = {self.n}"


@dataclass(frozen=True)
class Verdict:
    """One recipe's answer to a claim.

    Attributes:
        recipe: None where no row of the claim has one. word: one of the three verdicts.
        rows: the trained rows that were asked. effect: None where nothing could be measured.
        decide: for the undecided, what would decide it.
    """

    recipe: str | None
    word: str
    rows: Sequence[str]
    effect: Effect | None
    decide: str = ""


@dataclass(frozen=True)
class Finding:
    """A claim, what the paper has for it, and each recipe's verdict.

    `results`: what it was judged by. `committed`: whether that was trained earlier, see `records.finals`.
    """

    claim: Claim
    paper: str
    verdicts: Sequence[Verdict]
    results: Mapping[str, Result]
    committed: bool = False


# ---- measures: a number from one run of each row, or None -----------------------------------------------------------


def _iou(run: Mapping, label: str) -> float | None:
    return run.get("mean_iou") if label == "mean" else run.get("iou", {}).get(label)


def _difference(runs: Runs, label: str) -> float | None:
    first, second = (_iou(run, label) for run in runs)
    return None if None in (first, second) else first - second


def _share(runs: Runs, label: str) -> float | None:
    first, second = (_iou(run, label) for run in runs)
    return 100 * first / second if first is not None and second else None


def _time_ratio(runs: Runs, _: str) -> float | None:
    """Of the trainings' own seconds, where both ran the same code on the same device in the same way."""
    first, second = runs
    how = ("code", "engine", "device", "processes", "threads", "precision")
    where = [[run.get(key) for key in how] for run in runs]
    if where[0] != where[1] or not all(run.get("seconds") for run in runs):
        return None
    return first["seconds"] / second["seconds"]


def _boxes_over_masks(runs: Runs, _: str) -> float | None:
    """Of the output's components, so each object that is shown counts alike, large or small."""
    shape = runs[0].get("rectangularity") or {}
    boxes, masks = shape.get("component_boxes"), shape.get("component_masks")
    return None if None in (boxes, masks) else boxes - masks


def _early_auroc(runs: Runs, _: str) -> float | None:
    """At the first moment a tenth into the steps that draw box images (a recipe may start without them)."""
    trace, recipe = runs[0].get("trace") or {}, runs[0].get("resolutions", {})
    if "auroc" not in trace:
        return None
    masks_only = recipe.get("pp_only", 0)
    start = (masks_only + 0.1 * (1 - masks_only)) * trace["steps"][-1]
    return next(value for step, value in zip(trace["steps"], trace["auroc"], strict=True) if step >= start)


def _labels_gain(runs: Runs, _: str) -> float | None:
    trace = runs[0].get("trace") or {}
    if "target" not in trace:
        return None
    last, given = trace["target"]["iou"][-1], trace["box"]["iou"]
    return None if None in (last, given) else last - given


def _foreground_flipped(runs: Runs, _: str) -> float | None:
    first, second = ((run.get("trace") or {}).get("flipped_right") for run in runs)
    return first[-1] - second[-1] if first and second else None


MEASURE: Mapping[str, Callable[[Runs, str], float | None]] = {
    "iou_difference": _difference,
    "iou_share": _share,
    "time_ratio": _time_ratio,
    "boxes_over_masks": _boxes_over_masks,
    "auroc": lambda runs, _: runs[0].get("auroc"),
    "edge_ratio": lambda runs, _: runs[0].get("edge_ratio"),
    "early_auroc": _early_auroc,
    "labels_gain": _labels_gain,
    "foreground_flipped": _foreground_flipped,
}


def effect(check: Check, results: Sequence[Result], confidence: float = CONFIDENCE) -> Effect | None:
    """The measure of the check over the seeds that all its rows share; None where no seed gives a number."""
    by_seed = [{run["seed"]: run for run in result.runs} for result in results]
    shared = [seed for seed in by_seed[0] if all(seed in runs for runs in by_seed)]
    measured = {seed: MEASURE[check.measure](tuple(runs[seed] for runs in by_seed), check.label) for seed in shared}
    values = {seed: float(value) for seed, value in measured.items() if value is not None}
    if not values:
        return None
    half = half_width(list(values.values()), confidence=confidence)
    mean = math.fsum(values.values()) / len(values)
    return Effect(values, *((None, None) if half is None else (mean - half, mean + half)))


def half_width(values: Sequence[float], n: int | None = None, confidence: float = CONFIDENCE) -> float | None:
    """Half of the interval of the mean of `n` values that spread as these do; None for a single value."""
    if len(values) < 2:
        return None
    import statistics

    from scipy.stats import t  # costs half a second

    n = n or len(values)
    return float(t.ppf((1 + confidence) / 2, n - 1)) * statistics.stdev(values) / math.sqrt(n)


# ---- verdicts --------------------------------------------------------------------------------------------------------


def judge(check: Check, results: Sequence[Result], confidence: float = CONFIDENCE) -> tuple[str, Effect | None, str]:
    """(verdict, effect, what would decide it) of a check on the results of its rows."""
    found = effect(check, results, confidence)
    if found is None:
        return UNDECIDED, None, "Runs that measure it."
    if found.low is None:
        side = "the paper’s way" if check.margin(found.mean) > 0 else "the other way"
        return UNDECIDED, found, f"More seeds: this one points {side}."
    nearest, farthest = sorted((check.margin(found.low), check.margin(found.high)))
    if nearest > 0:
        return REPRODUCED, found, ""
    if farthest < 0:
        return NOT_REPRODUCED, found, ""
    return UNDECIDED, found, _seeds_needed(check, found)


def _seeds_needed(check: Check, found: Effect) -> str:
    distance = abs(check.margin(found.mean))
    values = list(found.values.values())
    enough = (n for n in range(found.n + 1, MANY + 1) if half_width(values, n) < distance)
    needed = next(enough, None)
    if needed is None:
        return f"More than {MANY} seeds, if mean and spread stay: the effect is too near {check.threshold:g}."
    return f"About {needed} seeds, if mean and spread stay."


def findings(
    paper: Paper, settings: Settings, results: Mapping[str, Result], finals: Mapping[str, Result]
) -> list[Finding]:
    """Each claim with the paper's own value and a verdict for each recipe that was trained.

    Args:
        results: of every row of rows.yaml. finals: the committed trainings of finals.yaml on the same dataset.
    """
    found = []
    for claim in paper.claims:
        committed = any(row not in settings.rows for row in claim.check.rows)
        source = finals if committed else results
        by_recipe = {
            row: _committed_variants(row, finals) if committed else variants(row, settings, results)
            for row in claim.check.rows
        }
        verdicts = _verdicts(claim, by_recipe, full_supervision(source))
        found.append(Finding(claim, printed(claim, paper), verdicts, source, committed))
    return found


def _committed_variants(name: str, finals: Mapping[str, Result]) -> dict[str | None, Result]:
    """As `tables.variants`, of committed trainings."""
    by_recipe = ((result.runs[0]["recipe"], result) for result in finals.values())
    return {recipe: result for recipe, result in by_recipe if result.row in (name, f"{name}-{recipe}")}


def printed(claim: Claim, paper: Paper) -> str:
    """What the paper itself has: the measure of its printed numbers, or how it shows it."""
    check = claim.check
    ious = [paper.rows[row].iou.get(check.label) if row in paper.rows else None for row in check.rows]
    if check.measure not in ("iou_difference", "iou_share") or None in ious:
        return claim.shown
    first, second = ious
    if check.measure == "iou_share":
        return f"{100 * first / second:.1f} % ({first:g} of {second:g})"
    return f"{first - second:+.2f} ({first:g} against {second:g})"


def _verdicts(claim: Claim, by_recipe: Mapping[str, Mapping[str | None, Result]], full: float | None) -> list[Verdict]:
    """A verdict for each recipe.

    Args:
        by_recipe: the results of each of the claim's rows by recipe. full: car IoU of full supervision, in percent.
    """
    recipes = list(dict.fromkeys(recipe for ours in by_recipe.values() for recipe in ours if recipe)) or [None]
    verdicts = []
    for recipe in recipes:
        chosen = [ours.get(recipe, ours.get(None)) for ours in by_recipe.values()]
        if None in chosen:
            missing = ", ".join(row for row, ours in by_recipe.items() if not {recipe, None} & set(ours))
            asked = f"Trainings of {missing}: `python -m stages.study finals` makes them."
            verdicts.append(Verdict(recipe, UNDECIDED, claim.check.rows, None, asked))
            continue
        names = [result.row for result in chosen]
        left = [_alive(result, full) for result in chosen] if claim.learned and full else chosen
        if dead := [result.row for result in left if not result.runs]:
            asked = f"Trainings of {', '.join(dead)} that do not collapse, as all did."
            verdicts.append(Verdict(recipe, UNDECIDED, names, None, asked))
        else:
            word, found, decide = judge(claim.check, left)
            verdicts.append(Verdict(recipe, word, names, found, decide))
    return verdicts


def _alive(result: Result, full: float) -> Result:
    """The trainings of a row that did not collapse."""
    return Result(result.row, tuple(run for run in result.runs if not collapsed(run, full)))


def summary(found: Sequence[Finding]) -> list[str]:
    """One sentence for each recipe: how many claims have which verdict, and where single seeds point."""
    recipes = list(dict.fromkeys(v.recipe for finding in found for v in finding.verdicts if v.recipe)) or [None]
    sentences = []
    for recipe in recipes:
        asked = [(f.claim.check, v) for f in found for v in f.verdicts if v.recipe in (recipe, None)]
        words = [verdict.word for _, verdict in asked]
        single = [check.margin(v.effect.mean) > 0 for check, v in asked if v.effect and v.effect.low is None]
        how = f"With the {RECIPE_NAMES[recipe]} recipe" if recipe else "Here"
        counts = [f"{words.count(word)} {word}" for word in (REPRODUCED, NOT_REPRODUCED, UNDECIDED)]
        points = f"; {sum(single)} of {len(single)} measured with one seed point the paper’s way" if single else ""
        sentences.append(f"{how}, of {len(words)} claims {counts[0]}, {counts[1]}, {counts[2]}{points}.")
    return sentences


def markdown(found: Sequence[Finding], dataset: str) -> str:
    """The ledger as a Markdown table."""
    lines = [
        f"**What the paper says, judged on {dataset}.** Measured: mean over seeds [95 % interval], n seeds.",
        "",
        "| Claim | paper, Cityscapes | asked | recipe | measured | verdict |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for finding in found:
        check = finding.claim.check
        asked = f"{check.unit} {'above' if check.below is None else 'below'} {check.threshold:g}"
        for verdict in finding.verdicts:
            recipe = RECIPE_NAMES[verdict.recipe] if verdict.recipe else ""
            cells = (finding.claim.says, finding.paper, asked, recipe, str(verdict.effect or "–"), verdict.word)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


PLAIN = {"bootstrap-500-2280": ("bce-500-2280", "Plain BCE"), "ce-bootstrap-500-2280": ("ce-500-2280", "Plain CE")}


def headlines(paper: Paper, settings: Settings, results: Mapping[str, Result]) -> list[str]:
    """One sentence for each share of full supervision that the paper claims for bootstrapping."""
    sentences = []
    for check in (claim.check for claim in paper.claims):
        if check.measure != "iou_share" or check.rows[0] not in PLAIN:
            continue
        row, full = check.rows
        ours = {recipe: effect(check, [r, results[full]]) for recipe, r in variants(row, settings, results).items()}
        shares = [f"{found.mean:.1f} % ({RECIPE_NAMES[recipe]} recipe)" for recipe, found in ours.items() if found]
        several = check.label == "mean"
        sentences.append(
            f"{'For several classes, bootstrapping' if several else 'Bootstrapping'} reaches {' and '.join(shares)} of "
            f"full supervision’s {check.label} IoU; the paper reports "
            f"{100 * paper.iou(row, check.label) / paper.iou(full, check.label):.1f} % on Cityscapes. "
            f"{_plain_share(check, paper, results)}"
        )
    return sentences


def _plain_share(check: Check, paper: Paper, results: Mapping[str, Result]) -> str:
    """What the plain loss reaches on the same labels: without it, nobody knows what bootstrapping adds."""
    row, name = PLAIN[check.rows[0]]
    full = check.rows[1]
    found = effect(check, [results[row], results[full]])
    if found is None:
        return ""
    number = paper.rows[row].iou.get(check.label)
    said = f"{100 * number / paper.iou(full, check.label):.1f} %" if number else "no number"
    return f"{name} on the same labels reaches {found.mean:.1f} % (paper: {said})."
