"""What the stable recipe has to reach (`bars` of finals.yaml), judged by the committed trainings of finals.yaml."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import ConfigDict, Field

from stages.params import Model, read_model
from stages.paths import ROOT
from stages.report import claims
from stages.report.paper import Check
from stages.report.records import FULL, Result, collapsed, full_supervision, icnr

MET, MISSED, OPEN = "met", "missed", "undecided"
FEWEST = 30  # trainings, for "never collapses" to be said
WIDEST = 2.0  # points of IoU between the best and the worst threshold
STEADY = 1.5  # points: standard deviation over seeds of full supervision's IoU


class Bar(Model):
    """A statement over entries of finals.yaml: the whole 95 % interval on one side of the check's number.

    Attributes:
        mean: what the mean has to reach besides, where more is asked of it than of the interval.
        looks: how many times a verdict could have ended it: two where ten seeds were asked after five had been judged.
            Each has its share of the 5 % (Bonferroni); without that, one in twelve would decide by chance.
    """

    says: str
    check: Check
    mean: float | None = None
    looks: int = Field(1, ge=1)


class Unmet(Model):
    """Why a dataset's trainings do not meet a bar, and the evidence for it. `bar`: what the bar `says`."""

    dataset: str
    bar: str
    why: str


class Bars(Model):
    """What finals.yaml asks, and what it says about what is not met."""

    model_config = ConfigDict(extra="ignore")  # the rest of the file is stages/study's
    bars: list[Bar]
    unmet: list[Unmet] = []


@dataclass(frozen=True)
class Judged:
    """A bar's verdict on one dataset (`met`, `missed` or `undecided`), and the numbers that it rests on.

    `why`: where it is not met, the reason that finals.yaml gives, or "".
    """

    says: str
    word: str
    numbers: str
    why: str = ""


def load(root: Path = ROOT) -> Bars:
    """The bars of finals.yaml.

    Raises:
        UserError: finals.yaml is missing, no YAML, or a bar says something that is not allowed.
    """
    return read_model(root / "finals.yaml", Bars)


def judge(asked: Bars, dataset: str, finals: Mapping[str, Result]) -> list[Judged]:
    """Every bar's verdict on the trainings of one dataset; first those that are about spread and collapses."""
    judged = [steadiness(finals), collapses(finals), thresholds(finals), *(_judge(bar, finals) for bar in asked.bars)]
    whys = {unmet.bar: unmet.why for unmet in asked.unmet if unmet.dataset == dataset}
    return [one if one.word == MET else replace(one, why=whys.get(one.says, "")) for one in judged]


def _judge(bar: Bar, finals: Mapping[str, Result]) -> Judged:
    if missing := [row for row in bar.check.rows if row not in finals]:
        return Judged(bar.says, OPEN, f"no trainings of {', '.join(missing)}")
    confidence = 1 - (1 - claims.CONFIDENCE) / bar.looks
    word, effect, _ = claims.judge(bar.check, [finals[row] for row in bar.check.rows], confidence)
    if effect is None:
        return Judged(bar.says, OPEN, "not measured")
    too_low = bar.mean is not None and effect.mean < bar.mean
    missed = word == claims.NOT_REPRODUCED or (too_low and effect.n > 1)
    numbers = str(effect) + (f" ({100 * confidence:g} % interval)" if bar.looks > 1 else "")
    return Judged(bar.says, MISSED if missed else MET if word == claims.REPRODUCED else OPEN, numbers)


def steadiness(finals: Mapping[str, Result]) -> Judged:
    """How far full supervision's IoU varies over seeds: what every comparison has to be told from."""
    says = f"Aim: {FULL} varies over seeds by a standard deviation of at most {STEADY:g} points"
    iou = finals[FULL].iou("car") if FULL in finals else None
    if iou is None or iou.sd is None:
        return Judged(says, OPEN, "not trained with two seeds")
    from scipy.stats import chi2  # costs half a second

    tails = (1 - claims.CONFIDENCE) / 2
    low, high = (iou.sd * ((iou.n - 1) / chi2.ppf(q, iou.n - 1)) ** 0.5 for q in (1 - tails, tails))
    return Judged(says, MET if iou.sd <= STEADY else MISSED, f"{iou.sd:.2f} [{low:.2f}, {high:.2f}], n = {iou.n}")


def collapses(finals: Mapping[str, Result]) -> Judged:
    """How many trainings of the stable recipe collapsed."""
    runs = stable(finals)
    full = full_supervision(finals) or 0.0
    dead = [f"{run['variant']} seed {run['seed']}" for run in runs if collapsed(run, full)]
    word = MISSED if dead else MET if full and len(runs) >= FEWEST else OPEN
    named = f" ({', '.join(dead)})" if dead else ""
    return Judged(
        f"No training of the recipe collapses, of at least {FEWEST}", word, f"{len(dead)} of {len(runs)}{named}"
    )


def thresholds(finals: Mapping[str, Result]) -> Judged:
    """How far the mean IoU of the row with 500 masks spreads over the thresholds tau, on the seeds that all share.

    Beside it, what equal thresholds would spread by chance in 95 % of such studies, by Tukey's studentised range.
    """
    by_tau: dict[float, dict[int, float]] = {}
    for run in stable(finals):
        if run["row"] == "bootstrap-500-2280-stable":
            by_tau.setdefault(run["settings"]["tau"], {})[run["seed"]] = run["iou"]["car"]
    shared = set.intersection(*map(set, by_tau.values())) if by_tau else set()
    says = f"Means over τ from 1 to 10 lie within {WIDEST:g} points"
    if len(shared) < 2 or min(by_tau) > 1 or max(by_tau) < 10:
        return Judged(says, OPEN, "not all trained with two seeds")
    means = {tau: sum(ious[seed] for seed in shared) / len(shared) for tau, ious in sorted(by_tau.items())}
    best, worst = (pick(means, key=means.get) for pick in (max, min))
    apart = means[best] - means[worst]
    listed = ", ".join(f"τ {tau:g}: {mean:.2f}" for tau, mean in means.items())
    numbers = (
        f"{apart:.2f} between τ {best:g} and {worst:g}, by chance alone up to {_range_by_chance(by_tau, shared):.2f}"
    )
    numbers += f" ({listed}; n = {len(shared)})"
    return Judged(says, MET if apart <= WIDEST else MISSED, numbers)


def _range_by_chance(by_tau: Mapping[float, Mapping[int, float]], seeds: Set[int]) -> float:
    """The 95 % quantile of best minus worst mean of equal thresholds, from what neither tau nor seed explains."""
    from scipy.stats import studentized_range  # costs half a second

    table = np.array([[ious[seed] for seed in seeds] for ious in by_tau.values()])
    left = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    noise = np.sqrt((left**2).sum() / freedom / len(seeds))
    return float(studentized_range.ppf(claims.CONFIDENCE, len(table), freedom) * noise)


def stable(finals: Mapping[str, Result]) -> list[Mapping]:
    """The trainings of the stable recipe as it stands, so not those with another last layer."""
    runs = (run for result in finals.values() for run in result.runs if run["recipe"] == "stable")
    return [run for run in runs if not icnr(run)]


def markdown(judged: Mapping[str, Sequence[Judged]]) -> str:
    """Every dataset's verdicts side by side, by its title, as a Markdown table, then the reasons; "" without any."""
    if not judged:
        return ""
    lines = [["What the stable recipe has to reach", *judged], ["---"] * (1 + len(judged))]
    for of_bar in zip(*judged.values(), strict=True):
        lines.append([of_bar[0].says, *(f"{one.word}: {one.numbers}" for one in of_bar)])
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    whys = [f"- {title}, “{one.says}”: {one.why}\n" for title, all_of in judged.items() for one in all_of if one.why]
    return table + ("\nWhy, where one is not met:\n\n" + "".join(whys) if whys else "")
