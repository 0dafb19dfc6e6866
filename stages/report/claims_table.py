"""The claims table: what each verdict says, in Markdown, and in the words that pages share."""

from collections.abc import Mapping, Sequence

from stages.analysis.claims import AGREES, JudgedClaim, Verdict
from stages.analysis.naming import RECIPE_NAMES
from stages.analysis.reference_results import ReferenceResults
from stages.report.tables import NONE, markdown_rows

P_NOTE = "p: against what is asked, two-sided, after Holm’s correction for all verdicts of the table"


def verdict_text(verdict: Verdict) -> str:
    """Return a verdict with its numbers; of a single seed, the way that it points."""
    return f"{word_of(verdict)}: {numbers_of(verdict) or verdict.decide or NONE}"


def numbers_of(verdict: Verdict) -> str:
    """Return a verdict's estimate, its adjusted p, and what else its numbers say; "" for none."""
    p = "" if verdict.adjusted is None else f"p {p_text(verdict)}"
    return "; ".join(filter(None, (str(verdict.estimate or ""), p, verdict.detail)))


def p_text(verdict: Verdict) -> str:
    """Return a verdict's p after Holm's correction; a dash for none."""
    p = verdict.adjusted
    return NONE if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def word_of(verdict: Verdict) -> str:
    """Return a verdict's word; of a single seed, the way that it points."""
    if not verdict.single:
        return verdict.word
    return f"{'agrees' if verdict.word == AGREES else 'differs'}, one seed"


def by_recipe(judged: JudgedClaim) -> dict[str, Verdict]:
    """Return a claim's verdicts by the name of their recipe; rows without a recipe answer for all."""
    named = {RECIPE_NAMES[verdict.recipe]: verdict for verdict in judged.verdicts if verdict.recipe}
    if named:
        return named
    return dict.fromkeys(RECIPE_NAMES.values(), judged.verdicts[0])


def statement(judged: JudgedClaim) -> str:
    """Return what a claim says, and which trainings are asked, where not all."""
    condition = judged.claim.condition
    return f"{judged.claim.says} ({condition})" if condition else judged.claim.says


def _texts(judged: JudgedClaim) -> list[str]:
    """Return each recipe's verdict; of rows without a recipe once, for the first."""
    verdicts = [by_recipe(judged).get(name) for name in RECIPE_NAMES.values()]
    alike = [place > 0 and verdict is verdicts[0] for place, verdict in enumerate(verdicts)]
    return [
        "the same" if same else verdict_text(verdict) if verdict else NONE
        for verdict, same in zip(verdicts, alike, strict=True)
    ]


def claims_markdown(judged: Sequence[JudgedClaim], dataset: str) -> str:
    """Return one dataset's claims table as Markdown."""
    lines = [["Claim", "paper, Cityscapes", "asked", "recipe", "measured", "verdict"], ["---"] * 6]
    for one in judged:
        check = one.claim.check
        asked = f"{check.unit} {check.side} {check.threshold:g}"
        for verdict in one.verdicts:
            recipe = RECIPE_NAMES[verdict.recipe] if verdict.recipe else ""
            lines.append([statement(one), one.paper, asked, recipe, numbers_of(verdict) or NONE, word_of(verdict)])
    title = (
        f"**What the paper says, judged on {dataset}.** Measured: mean over seeds [95 % interval], n seeds; {P_NOTE}."
    )
    return f"{title}\n\n{markdown_rows(lines)}\n"


def all_claims_markdown(reference: Mapping[str, ReferenceResults]) -> str:
    """Return the claims tables of every dataset side by side, as Markdown."""
    columns = [(one, recipe) for one in reference.values() for recipe in RECIPE_NAMES.values()]
    lines = [["Claim", "paper", *(f"{one.title}, {recipe}" for one, recipe in columns)], ["---"] * (2 + len(columns))]
    for place, of_claim in enumerate(next(iter(reference.values())).claims):
        texts = [text for one in reference.values() for text in _texts(one.claims[place])]
        lines.append([f"{statement(of_claim)} [{of_claim.claim.check.unit}]", of_claim.paper, *texts])
    return markdown_rows(lines) + "\n"


def regime_markdown(judged: Mapping[str, Sequence[JudgedClaim]]) -> str:
    """Return whether there is a gap to close, on each dataset, given by its title, as Markdown."""
    lines = [["Asked of the means", "paper, Cityscapes", *judged], ["---"] * (2 + len(judged))]
    for place, asked in enumerate(next(iter(judged.values()))):
        cells = [verdict_text(regime[place].verdicts[0]) for regime in judged.values()]
        lines.append([asked.claim.says, asked.paper, *cells])
    return markdown_rows(lines) + "\n"


def criteria_markdown(reference: Mapping[str, ReferenceResults]) -> str:
    """Return the acceptance criteria of every dataset side by side, as Markdown."""
    lines = [["Acceptance criterion", *(one.title for one in reference.values())], ["---"] * (1 + len(reference))]
    for place, asked in enumerate(next(iter(reference.values())).criteria):
        cells = [verdict_text(one.criteria[place].verdicts[0]) for one in reference.values()]
        lines.append([asked.claim.says, *cells])
    return markdown_rows(lines) + "\n"
