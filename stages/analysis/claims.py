"""The verdicts on statements of the paper and on what this project asks of its recipe, with error bars over seeds.

paper/claims.yaml lists the statements; each is a measure of rows, and a threshold. Where a measure takes two rows, they
are paired by seed. A verdict needs the whole interval of the measure on one side of the threshold; a single seed has no
interval and gives only a direction. Three criteria (spread, thresholds, collapses) are judged by their value, and
what the data were chosen for by its mean. A claim about something that configs/rows.yaml does not train (another
threshold, other samples) is judged by the committed reference runs alone, so that what is compared was trained in one
setting.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from stages.analysis.gap import gap_share
from stages.analysis.naming import PAPER_CLASSES, RECIPE_NAMES
from stages.analysis.paper import Check, Claims, Paper, Statement
from stages.analysis.results import Result, Results, all_classes, collapsed, full_supervision, icnr, iou_of, recipes_of
from stages.analysis.statistics import (
    Estimate,
    Measured,
    estimate,
    estimate_sd,
    holm,
    p_value,
    range_by_chance,
    seeds_needed,
)
from stages.config import Row

REPRODUCED, NOT_REPRODUCED, UNDECIDED = "reproduced", "not reproduced", "undecided"
MET, MISSED = "met", "missed"
NOT_APPLICABLE = "not applicable"
"""Of a recipe that is made so that the statement holds, or cannot hold."""
AGREES, DIFFERS = "agrees", "differs"
"""Which way a single seed points; no verdict."""

NOTHING: Mapping[str, str] = MappingProxyType({})
Runs = tuple[Mapping, ...]
"""One run of each of the measure's rows, of the same seed."""


@dataclass(frozen=True)
class Verdict:
    """One recipe's answer to a statement.

    Attributes:
        recipe: None where no row of the statement has one.
        word: Of a claim `reproduced` or `not reproduced`, of a criterion `met` or `missed`; else `undecided`, with a
            single seed `agrees` or `differs`, or `not applicable`.
        rows: The trained rows that were asked.
        estimate: None where nothing could be measured.
        decide: For the undecided, what would decide it; of what is not applicable, why.
        detail: What else the numbers say.
        p: Against the threshold, two-sided, for each interim analysis as often; None of what no mean decides.
        adjusted: The same after Holm's correction for all verdicts of one page; None until that is done.
    """

    recipe: str | None
    word: str
    rows: Sequence[str]
    estimate: Estimate | None
    decide: str = ""
    detail: str = ""
    p: float | None = None
    adjusted: float | None = None

    @property
    def single(self) -> bool:
        """Whether it rests on one seed, so is a direction and no verdict."""
        return self.word in (AGREES, DIFFERS)


@dataclass(frozen=True)
class JudgedClaim:
    """A statement, what the paper has for it, and each recipe's verdict.

    Attributes:
        claim: What was asked. paper: the paper's own measure, or how it shows it.
        verdicts: By recipe.
        results: What it was judged by. committed: whether these are reference runs because no row of this run asks it.
    """

    claim: Statement
    paper: str
    verdicts: Sequence[Verdict]
    results: Results
    committed: bool = False


# ---- measures: a number from one run of each row, or None ------------------------------------------------------------


def _difference(runs: Runs, label: str) -> float | None:
    first, second = (iou_of(run, label) for run in runs)
    return None if first is None or second is None else first - second


def _distance(runs: Runs, label: str) -> float | None:
    difference = _difference(runs, label)
    return None if difference is None else abs(difference)


def _share(runs: Runs, label: str) -> float | None:
    first, second = (iou_of(run, label) for run in runs)
    return 100 * first / second if first is not None and second else None


def _time_ratio(runs: Runs, _: str) -> float | None:
    """Compare the trainings' own seconds, where both ran the same code on the same device in the same way."""
    first, second = runs
    how = ("code", "engine", "device", "processes", "threads", "precision")
    where = [[run.get(key) for key in how] for run in runs]
    if where[0] != where[1] or not all(run.get("seconds") for run in runs):
        return None
    return first["seconds"] / second["seconds"]


def _boxes_over_masks(runs: Runs, _: str) -> float | None:
    """Compare the output's components with boxes and masks, so each object that is shown counts alike."""
    shape = runs[0].get("rectangularity") or {}
    boxes, masks = shape.get("component_boxes"), shape.get("component_masks")
    return None if boxes is None or masks is None else boxes - masks


def _early_auroc(runs: Runs, _: str) -> float | None:
    """Take the first moment a tenth into the steps that draw box images (a recipe may start without them)."""
    trace, recipe = runs[0].get("trace") or {}, runs[0].get("resolutions", {})
    if "auroc" not in trace:
        return None
    warmup = recipe.get("warmup_share", 0)
    start = (warmup + 0.1 * (1 - warmup)) * trace["steps"][-1]
    return next(value for step, value in zip(trace["steps"], trace["auroc"], strict=True) if step >= start)


def _labels_gain(runs: Runs, _: str) -> float | None:
    trace = runs[0].get("trace") or {}
    if "target" not in trace:
        return None
    last, given = trace["target"]["iou"][-1], trace["box"]["iou"]
    return None if last is None or given is None else last - given


def _foreground_flipped(runs: Runs, _: str) -> float | None:
    first, second = (_right_flipped((run,), "") for run in runs)
    return None if first is None or second is None else first - second


def _right_flipped(runs: Runs, _: str) -> float | None:
    flipped = (runs[0].get("trace") or {}).get("flipped_right")
    return flipped[-1] if flipped else None


MEASURE: Mapping[str, Callable[[Runs, str], float | None]] = {
    "iou_difference": _difference,
    "iou_distance": _distance,
    "iou_share": _share,
    "time_ratio": _time_ratio,
    "boxes_over_masks": _boxes_over_masks,
    "auroc": lambda runs, _: runs[0].get("auroc"),
    "edge_ratio": lambda runs, _: runs[0].get("edge_ratio"),
    "early_auroc": _early_auroc,
    "labels_gain": _labels_gain,
    "foreground_flipped": _foreground_flipped,
    "right_flipped": _right_flipped,
}


def measure(check: Check, found: Sequence[Result], confidence: float) -> Estimate | None:
    """Return the measure of the check over the seeds that all its rows share; None where no seed gives a number."""
    by_seed = [{run["seed"]: run for run in result.runs} for result in found]
    shared = [seed for seed in by_seed[0] if all(seed in runs for runs in by_seed)]
    measured = {seed: MEASURE[check.measure](tuple(runs[seed] for runs in by_seed), check.label) for seed in shared}
    values = {seed: float(value) for seed, value in measured.items() if value is not None}
    return estimate(values, confidence) if values else None


# ---- verdicts --------------------------------------------------------------------------------------------------------


def judge(check: Check, found: Sequence[Result], asked: Claims, confidence: float | None = None) -> Verdict:
    """Judge a check by the results of its rows, as a claim.

    Args:
        check: What is asked.
        found: The results of its rows.
        asked: Gives the confidence and the power.
        confidence: Of the interval, instead of that.
    """
    rows = [result.row for result in found]
    recipe = next((run["recipe"] for result in found for run in result.runs if run["recipe"]), None)
    level = confidence or asked.confidence
    got = measure(check, found, level)
    if got is None:
        return Verdict(recipe, UNDECIDED, rows, None, "No run measures it.")
    alone = p_value(got, check.threshold)
    looks = (1 - asked.confidence) / (1 - level)
    p = None if alone is None else min(1.0, looks * alone)
    word = _word(check, got)
    if word in (AGREES, DIFFERS):
        return Verdict(recipe, word, rows, got, "More seeds.")
    if word != UNDECIDED:
        return Verdict(recipe, word, rows, got, p=p)
    enough = seeds_needed(list(got.values.values()), check.margin(got.mean), asked.confidence, asked.power)
    how_many = f"About {enough} seeds" if enough else "More than 1000 seeds"
    return Verdict(recipe, UNDECIDED, rows, got, f"{how_many}, if mean and spread stay.", p=p)


def _word(check: Check, got: Estimate) -> str:
    """Return on which side of the check's threshold an interval lies, as the word of a claim."""
    if got.low is None or got.high is None:
        return AGREES if check.margin(got.mean) > 0 else DIFFERS
    nearest, farthest = sorted((check.margin(got.low), check.margin(got.high)))
    return REPRODUCED if nearest > 0 else NOT_REPRODUCED if farthest < 0 else UNDECIDED


def judge_claims(
    paper: Paper, rows: Mapping[str, Row], found: Results, reference: Results, left_out: Mapping[str, str] = NOTHING
) -> list[JudgedClaim]:
    """Judge each claim of the paper, with a verdict for each recipe that was trained.

    Args:
        paper: The claims, and what the paper prints.
        rows: All of configs/rows.yaml.
        found: The results of these rows.
        reference: The reference runs on the same dataset.
        left_out: Why the dataset does not train some rows; what asks about one of them is not applicable.
    """
    judged = []
    for claim in paper.asked.claims:
        if whys := [left_out[row] for row in claim.check.rows if row in left_out]:
            judged.append(JudgedClaim(claim, printed(claim, paper), [_not_asked(claim, whys[0])], found))
            continue
        committed = any(row not in rows for row in claim.check.rows)
        source = reference if committed else found
        by_recipe = {row: recipes_of(row, source) for row in claim.check.rows}
        if _lacks_classes(claim, rows, source):
            verdicts = [Verdict(None, UNDECIDED, claim.check.rows, None, "No training tells that many classes apart.")]
        else:
            verdicts = _verdicts(claim, by_recipe, source, full_supervision(source), paper.asked)
        judged.append(JudgedClaim(claim, printed(claim, paper), verdicts, source, committed))
    return adjusted(judged)


def _not_asked(statement: Statement, why: str) -> Verdict:
    return Verdict(None, NOT_APPLICABLE, statement.check.rows, None, f"{why[0].upper()}{why[1:]}.")


def adjusted(judged: Sequence[JudgedClaim]) -> list[JudgedClaim]:
    """Return statements whose verdicts have p-values after Holm's correction for all of theirs together."""
    family = [(i, k) for i, one in enumerate(judged) for k, v in enumerate(one.verdicts) if v.p is not None]
    found = dict(zip(family, holm([judged[i].verdicts[k].p or 0.0 for i, k in family]), strict=True))
    return [
        replace(one, verdicts=[replace(v, adjusted=found.get((i, k))) for k, v in enumerate(one.verdicts)])
        for i, one in enumerate(judged)
    ]


def _lacks_classes(claim: Statement, rows: Mapping[str, Row], source: Results) -> bool:
    """Return whether a claim asks about all classes, of results that tell the paper's three apart at most."""
    of_all = any(row in rows and rows[row].classes == "all" for row in claim.check.rows)
    return of_all and len(all_classes(source.values())) <= len(PAPER_CLASSES)


def printed(claim: Statement, paper: Paper) -> str:
    """Return what the paper itself has: the measure of its printed numbers, or how it shows it."""
    check = claim.check
    rows = [paper.numbers.rows.get(row) for row in check.rows]
    ious = [row.iou[check.label] for row in rows if row and check.label in row.iou]
    if check.measure not in ("iou_difference", "iou_distance", "iou_share") or len(ious) < 2:
        return claim.shown
    first, second = ious
    if check.measure == "iou_distance":
        return f"{abs(first - second):.2f} ({first:g} and {second:g})"
    if check.measure == "iou_share":
        return f"{100 * first / second:.1f} % ({first:g} of {second:g})"
    return f"{first - second:+.2f} ({first:g} against {second:g})"


def _verdicts(
    claim: Statement,
    by_recipe: Mapping[str, Mapping[str | None, Result]],
    source: Results,
    full: float | None,
    asked: Claims,
) -> list[Verdict]:
    """Judge a claim for each recipe.

    Args:
        claim: The claim.
        by_recipe: The results of each of its rows by recipe.
        source: All results, for its controls.
        full: IoU of the first class of full supervision, in percent.
        asked: The thresholds.
    """
    recipes: list[str | None] = [*dict.fromkeys(recipe for ours in by_recipe.values() for recipe in ours if recipe)]
    verdicts = []
    for recipe in recipes or [None]:
        if recipe in claim.by_construction:
            why = claim.by_construction[recipe]
            verdicts.append(Verdict(recipe, NOT_APPLICABLE, claim.check.rows, None, why))
            continue
        chosen = {row: ours.get(recipe, ours.get(None)) for row, ours in by_recipe.items()}
        present = [result for result in chosen.values() if result]
        if len(present) < len(chosen):
            missing = ", ".join(row for row, result in chosen.items() if result is None)
            decide = f"Needs trainings of {missing}."
            verdicts.append(Verdict(recipe, UNDECIDED, claim.check.rows, None, decide))
            continue
        left = [_alive(result, full, asked) for result in present] if claim.learned and full else present
        if dead := [result.row for result in left if not result.runs]:
            decide = f"Every training of {' and of '.join(dead)} collapsed."
            verdicts.append(Verdict(recipe, UNDECIDED, [result.row for result in present], None, decide))
        else:
            verdict = judge(claim.check, left, asked, claim.confidence(asked))
            notes = [_interval_note(claim, verdict, asked), *_auroc_controls(claim, left[0], source)]
            verdicts.append(replace(verdict, recipe=recipe, detail="; ".join(filter(None, notes))))
    return verdicts


def _auroc_controls(claim: Statement, ours: Result, source: Results) -> list[str]:
    """Say of an AUROC of the variance what the mean alone has, and what the claim's controls have.

    Early in a training nobody measures the mean alone.
    """
    kind, rows = claim.check.measure, [row for row in claim.beside if row in source]
    if kind not in ("auroc", "early_auroc"):
        return []
    found = [("−μ alone", ours.value("auroc_mean"))] if kind == "auroc" else []
    for row in rows:
        of_runs = (MEASURE[kind]((run,), claim.check.label) for run in source[row].runs)
        values = tuple(value for value in of_runs if value is not None)
        found.append((f"σ² of {row}", Measured(values) if values else None))
        if kind == "auroc":
            found.append((f"−μ of {row}", source[row].value("auroc_mean")))
    return [f"{name} {value.mean:.2f}" for name, value in found if value]


def _alive(result: Result, full: float, asked: Claims) -> Result:
    """Return the trainings of a row that did not collapse."""
    return Result(result.row, tuple(run for run in result.runs if not collapsed(run, full, asked.collapse)))


# ---- is there a gap to close? ----------------------------------------------------------------------------------------


def judge_regime(paper: Paper, found: Results) -> list[JudgedClaim]:
    """Judge by the mean over seeds whether wrong box labels cost the plain loss what they cost it in the paper.

    Args:
        paper: Says what is asked.
        found: The results of a dataset's rows.
    """
    asked = paper.asked
    return [JudgedClaim(one, printed(one, paper), [_by_mean(one.check, found, asked)], found) for one in asked.regime]


def _by_mean(check: Check, found: Results, asked: Claims) -> Verdict:
    got = (
        measure(check, [found[row] for row in check.rows], asked.confidence) if set(check.rows) <= set(found) else None
    )
    if got is None:
        return Verdict(None, UNDECIDED, check.rows, None, f"Trainings of {' and '.join(check.rows)}.")
    holds, fails = (AGREES, DIFFERS) if got.low is None else (MET, MISSED)
    return Verdict(None, holds if check.margin(got.mean) >= 0 else fails, check.rows, got)


# ---- acceptance criteria ---------------------------------------------------------------------------------------------


def judge_criteria(paper: Paper, reference: Results, left_out: Mapping[str, str] = NOTHING) -> list[JudgedClaim]:
    """Judge each acceptance criterion by the reference runs of one dataset; `left_out` as for `judge_claims`."""
    asked, judged = paper.asked, []
    for one in asked.criteria:
        whys = [left_out[row] for row in one.check.rows if row in left_out]
        verdict = _not_asked(one, whys[0]) if whys else _criterion(one, reference, paper)
        judged.append(JudgedClaim(one, "", [verdict], reference, True))
    return adjusted(judged)


def _criterion(criterion: Statement, reference: Results, paper: Paper) -> Verdict:
    check, asked = criterion.check, paper.asked
    if "stable" in criterion.by_construction:
        return Verdict("stable", NOT_APPLICABLE, check.rows, None, criterion.by_construction["stable"])
    if missing := [row for row in check.rows if row not in reference]:
        return Verdict("stable", UNDECIDED, check.rows, None, f"Trainings of {', '.join(missing)}.")
    if check.measure == "collapsed_runs":
        return _collapsed_runs(criterion, reference, asked)
    if check.measure == "threshold_range":
        return _threshold_range(criterion, reference, asked)
    if check.measure == "seed_spread":
        return _seed_spread(criterion, reference[check.rows[0]], asked)
    if check.measure == "gap_share":
        verdict = _gap_share(criterion, reference, paper)
    else:
        verdict = judge(check, [reference[row] for row in check.rows], asked, criterion.confidence(asked))
    got = verdict.estimate
    if got and got.n < criterion.runs:
        return Verdict(
            "stable", UNDECIDED, check.rows, None, f"Judged once, with {criterion.runs} seeds; {got.n} are there."
        )
    word = {REPRODUCED: MET, NOT_REPRODUCED: MISSED}.get(verdict.word, verdict.word)
    if got and got.low is not None and criterion.mean is not None and got.mean < criterion.mean:
        word = MISSED
    detail = _interval_note(criterion, verdict, asked)
    decide = verdict.decide if word in (UNDECIDED, NOT_APPLICABLE) else ""
    return Verdict("stable", word, check.rows, got, decide, detail, verdict.p)


def _gap_share(criterion: Statement, reference: Results, paper: Paper) -> Verdict:
    """Judge the share of the gap that a row closes; not applicable where there is no gap."""
    check, task = criterion.check, "few" if criterion.check.label == "mean" else "one"
    found = gap_share(check.rows[0], paper, reference, task, criterion.confidence(paper.asked))
    if found is None:
        return Verdict(None, UNDECIDED, check.rows, None, "Trainings of the ends of the gap.")
    if found.share is None:
        why = f"There is no gap of more than {paper.asked.gap.least:g} points: it is {found.gap}."
        return Verdict(None, NOT_APPLICABLE, check.rows, None, why)
    return Verdict(None, _word(check, found.share), check.rows, found.share, "More seeds.")


def _interval_note(statement: Statement, verdict: Verdict, asked: Claims) -> str:
    """Say which interval was taken, where it is not the one of all."""
    widened = statement.interim_analyses and verdict.estimate and verdict.estimate.low is not None
    return f"{100 * statement.confidence(asked):.3g} % interval" if widened else ""


def _seed_spread(criterion: Statement, result: Result, asked: Claims) -> Verdict:
    """Judge how far a row's IoU varies over seeds: what every comparison has to be told from."""
    values = result.iou_by_seed(criterion.check.label)
    if len(values) < 2:
        return Verdict(None, UNDECIDED, [result.row], None, "A second seed.")
    got = estimate_sd(values, asked.confidence)
    return Verdict(None, MET if criterion.check.margin(got.mean) >= 0 else MISSED, [result.row], got)


def _collapsed_runs(criterion: Statement, reference: Results, asked: Claims) -> Verdict:
    """Judge how many trainings of the stable recipe collapsed."""
    runs, full = stable_runs(reference), full_supervision(reference)
    dead = [f"{run['variant']} seed {run['seed']}" for run in runs if full and collapsed(run, full, asked.collapse)]
    named = f" ({', '.join(dead)})" if dead else ""
    detail = f"{len(dead)} of {len(runs)}{named}"
    enough = full and len(runs) >= criterion.runs
    few = criterion.check.margin(len(dead)) > 0
    return Verdict("stable", MISSED if not few else MET if enough else UNDECIDED, [], None, "", detail)


def _threshold_range(criterion: Statement, reference: Results, asked: Claims) -> Verdict:
    """Judge how far a row's mean IoU spreads over the thresholds tau, on the seeds that all share.

    Beside it, what equal thresholds would spread by chance in 95 % of such studies.
    """
    check = criterion.check
    by_tau: dict[float, dict[int, float]] = {}
    for run in stable_runs(reference):
        if (
            run["row"] == check.rows[0]
            and set(run["changes"]) <= {"set"}
            and set(run["changes"].get("set", {})) <= {"tau"}
        ):
            by_tau.setdefault(run["settings"]["tau"], {})[run["seed"]] = iou_of(run, check.label) or 0.0
    shared = sorted(set.intersection(*map(set, by_tau.values()))) if by_tau else []
    if len(shared) < 2 or min(by_tau) > 1 or max(by_tau) < 10:
        return Verdict("stable", UNDECIDED, check.rows, None, "Two seeds of thresholds from 1 to 10.")
    table = np.array([[ious[seed] for seed in shared] for _, ious in sorted(by_tau.items())])
    means = dict(zip(sorted(by_tau), table.mean(axis=1).tolist(), strict=True))
    best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    apart = means[best] - means[worst]
    listed = ", ".join(f"τ {tau:g}: {mean:.2f}" for tau, mean in means.items())
    chance = range_by_chance(table, asked.confidence)
    detail = (
        f"{apart:.2f} between τ {best:g} and {worst:g}, by chance alone up to {chance:.2f} "
        f"({listed}; n = {len(shared)})"
    )
    return Verdict("stable", MET if check.margin(apart) >= 0 else MISSED, check.rows, None, "", detail)


def stable_runs(reference: Results) -> list[Mapping]:
    """Return the trainings of the stable recipe as it stands, so not those with another last layer."""
    runs = (run for result in reference.values() for run in result.runs if run["recipe"] == "stable")
    return [run for run in runs if not icnr(run)]


# ---- in short --------------------------------------------------------------------------------------------------------


def summary(judged: Sequence[JudgedClaim]) -> list[str]:
    """Return one sentence for each recipe: how many claims have which verdict, and where single seeds point."""
    recipes: list[str | None] = [*dict.fromkeys(v.recipe for one in judged for v in one.verdicts if v.recipe)]
    sentences = []
    for recipe in recipes or [None]:
        verdicts = [v for one in judged for v in one.verdicts if v.recipe in (recipe, None)]
        words = [verdict.word for verdict in verdicts]
        how = f"With the {RECIPE_NAMES[recipe]} recipe" if recipe else "Here"
        singles = words.count(AGREES) + words.count(DIFFERS)
        counts = [
            f"{words.count(word)} {word}"
            for word in (REPRODUCED, NOT_REPRODUCED, UNDECIDED, NOT_APPLICABLE)
            if word in words
        ]
        if singles:
            counts.append(f"{words.count(AGREES)} of {singles} with one seed point the paper’s way")
        sentences.append(f"{how}, of {len(words)} claims {', '.join(counts)}.")
    return sentences
