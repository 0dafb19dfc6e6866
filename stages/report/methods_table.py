"""Table 4, of our own: what other methods make of the same boxes and masks."""

import re
from collections.abc import Mapping, Sequence

from stages.analysis.methods import BESIDE, LITERAL, MASKS, MIXED, ORACLE, STABLE, Method, best
from stages.analysis.naming import dataset_title, sentence
from stages.analysis.results import FULL
from stages.analysis.statistics import Estimate, Measured, holm, p_value
from stages.report.tables import NONE, Cell, Table, csv_number, headers, text_of
from stages.train.traces import IMAGES

WORDS = {
    FULL: "plain BCE, all masks",
    MASKS: "plain BCE, the masks alone",
    "bce-0-2780": "plain BCE, boxes alone",
    MIXED: "plain BCE, masks and boxes",
    ORACLE: "the true masks inside boxes",
    LITERAL: "the paper’s method, literal recipe",
    STABLE: "the method, stable recipe",
    "grabcut-0-2780": "GrabCut in each box, no masks",
    "grabcut-500-2280": "GrabCut in each box",
    "crf-0-2780": "refinement by a dense CRF (WSSL’s Bbox-Seg), no masks",
    "crf-500-2280": "refinement by a dense CRF, chosen on the masks",
    "sdi-0-2780": "Simple Does It’s three rounds, no masks",
    "em-500-2280": "WSSL’s EM in boxes, at the fill rate",
    "ema-500-2280": "EM in boxes with a running-mean teacher",
    "bcm-500-2280": "BCM’s filling-rate loss and attention",
    "self-training-500-2280": "self-training (a teacher from the masks labels the boxes)",
    "projection-500-2280": "BoxInst’s projection and colour pairs",
}
"""What each entry is called, within a sentence."""
COLUMNS = (
    "row",
    "labels in boxes",
    "IoU",
    "n",
    "of the gap",
    "stable is ahead by",
    "labels, s an image",
    "training time",
)
ELSEWHERE = (
    "MCG [13], BoxSup [3], Box2Seg [8] and LPG [19] have no row: MCG and LPG learn their generator on masks of other "
    "data, BoxSup takes MCG’s proposals, and Box2Seg is a second network with an encoder trained on ImageNet. On "
    "PASCAL VOC 2012, BoxSup reports 62.0 % from boxes and 63.8 % from masks, Box2Seg 2.1 points more than any method "
    "with boxes before it, and LPG that it largely closes the gap to masks."
)
"""What the paper names and nothing here trains."""


def methods_table(dataset: str, methods: Sequence[Method], tried: Mapping[str, int]) -> Table:
    """Return the methods of one dataset, a line each, best first.

    Args:
        dataset: Its name.
        methods: See `methods.load`.
        tried: From how many settings a method was chosen on held-out images, by entry.
    """
    body, records = [], []
    for one in methods:
        cells = [
            text_of(one.labels),
            str(one.iou),
            str(one.iou.n),
            _with_ends(one.share, "{:.0f}"),
            _with_ends(one.behind, "{:+.1f}"),
            NONE if one.seconds is None else f"{one.seconds:.2g}",
            NONE if one.time is None else f"{one.time:.1f}",
        ]
        name = Cell(sentence(WORDS.get(one.name, one.name)), "text", header=True)
        body.append([name, Cell(one.name, "text name"), *(Cell(text, "number") for text in cells)])
        records.append(
            {
                "dataset": dataset,
                "entry": one.name,
                "iou": csv_number(one.iou.mean),
                "sd": csv_number(one.iou.sd),
                "n": one.iou.n,
                "labels": csv_number(one.labels.mean if one.labels else None),
                "share": csv_number(one.share.mean if one.share else None),
                "share_low": csv_number(one.share.low if one.share else None),
                "share_high": csv_number(one.share.high if one.share else None),
                "stable_ahead": csv_number(one.behind.mean if one.behind else None),
                "stable_ahead_low": csv_number(one.behind.low if one.behind else None),
                "stable_ahead_high": csv_number(one.behind.high if one.behind else None),
                "label_seconds": csv_number(one.seconds),
                "time": csv_number(one.time),
            }
        )
    caption = (
        "Percent, mean ± standard deviation over n seeds. Labels in boxes: their IoU with the masks inside the boxes "
        f"of {IMAGES} training images, when training ends. Of the gap: from plain BCE on mixed labels to full "
        "supervision, and the points by which the stable recipe is ahead, both paired by seed [95 % interval]. Labels, "
        "s an image: of one CPU core, before training, without choosing their settings. Training time: as a multiple "
        "of plain BCE’s, all rounds and the labels between them together."
    )
    title = f"Table 4, of our own: boxes to masks by other methods, {dataset_title(dataset)}"
    head = headers([Cell("Method", "text"), Cell(COLUMNS[0], "text"), *map(Cell, COLUMNS[1:])])
    return Table(f"methods-{dataset}", title, caption, [head], body, _notes(methods, tried), records)


def _notes(methods: Sequence[Method], tried: Mapping[str, int]) -> list[str]:
    """Return from how many settings each method was chosen, and what its labels take of memory."""
    trials = {one.name: one.trials or tried.get(one.name) for one in methods}
    chosen = [f"{name} from {count}" for name, count in trials.items() if count]
    notes = [
        f"Settings chosen on training images with masks: {', '.join(chosen)} (the recipe on synthetic scenes "
        "and nuclei, the projection on synthetic scenes, the CRF on each dataset). The others have those of their "
        "papers; EM with a running mean has the recipe’s decay and start."
    ]
    memory = max((one.memory for one in methods if one.memory is not None), default=None)
    return [*notes, f"Labels before training take {memory:.0f} MiB a process."] if memory is not None else notes


def answers(dataset: str, methods: Sequence[Method]) -> list[str]:
    """Return two sentences: which method is best with these labels, and which without any mask, and what each costs."""
    sentences = []
    for masks, what in ((True, "With these labels"), (False, "without any mask")):
        found = best(methods, masks)
        if found is None:
            continue
        cost = [f"{found.seconds:.2g} s of a core an image for its labels"] if found.seconds is not None else []
        cost += [f"{found.time:.1f} times plain BCE’s training time"] if found.time is not None else []
        after = f", at {' and '.join(cost)}" if cost else ""
        behind = ""
        if masks and found.behind:
            ahead = -found.behind.mean
            ends = _ends(found.behind, "{:.1f}", -1)
            known = found.behind.high is not None and found.behind.high < 0
            seeds = "one seed does" if found.behind.n == 1 else "the seeds do"
            told = "" if known else f" ({seeds} not tell it from none)"
            behind = f", {ahead:.1f} points{ends} above the stable recipe{told}"
        if masks and found.over_masks and found.name != MASKS:
            over = found.over_masks
            behind += f", {over.mean:+.1f}{_ends(over, '{:+.1f}')} over the masks alone"
        name = WORDS.get(found.name, found.name).removesuffix(", no masks")
        where = f" on {dataset_title(dataset)}" if masks else ""
        sentences.append(f"{sentence(what)}{where}, {name} is best: {_iou(found.iou)}{behind}{after}.")
    return sentences


def brief(dataset: str, methods: Sequence[Method]) -> str:
    """Return the same without costs, as a line of README has it; "" without the stable recipe or a method with masks.

    Args:
        dataset, methods: As for `answers`.
    """
    stable = next((one for one in methods if one.name == STABLE), None)
    found, alone = best(methods, masks=True), best(methods, masks=False)
    if stable is None or found is None:
        return ""
    of_stable = "" if found is stable else f" (the stable recipe: {_iou(stable.iou)})"
    without = f"; without any mask {_short(alone.name)}: {_iou(alone.iou)}" if alone else ""
    return f"{dataset_title(dataset)}: {_short(found.name)}, {_iou(found.iou)}{of_stable}{without}"


def standing(dataset: str, methods: Sequence[Method], confidence: float) -> str:
    """Return which of the other methods the stable recipe is ahead of, and which it does not beat.

    Args:
        dataset: Its name.
        methods: See `methods.load`.
        confidence: Of all comparisons together.

    Returns:
        A sentence; "" without the stable recipe.
    """
    others = {one.name: one.behind for one in methods if one.name not in BESIDE and one.behind}
    if not others:
        return ""
    title = dataset_title(dataset)
    alone = {name: p for name, behind in others.items() if (p := p_value(behind, 0)) is not None}
    if not alone:
        return f"On {title} one seed compares the stable recipe with each, so nothing is told apart."
    adjusted = dict(zip(alone, holm(list(alone.values())), strict=True))
    groups: dict[str, list[str]] = {"is ahead of": [], "is behind": [], "is not told apart from": []}
    for name, behind in others.items():
        told = adjusted.get(name, 1.0) <= 1 - confidence
        verdict = "is not told apart from" if not told else "is ahead of" if behind.mean > 0 else "is behind"
        groups[verdict].append(name)
    how = f"paired by seed, {100 * confidence:.0f} % after Holm’s correction for {len(alone)} comparisons"
    if len(groups["is not told apart from"]) == len(others):
        return f"On {title} no difference between the stable recipe and another method is certain ({how})."
    said = "; ".join(f"{verdict} {', '.join(names)}" for verdict, names in groups.items() if names)
    return f"On {title} the stable recipe {said} ({how})."


def overhead(dataset: str, methods: Sequence[Method], most: float) -> str:
    """Return the verdict on "does not introduce extra overhead (in contrast to mask proposal generators)" (section 2).

    Args:
        dataset: Its name.
        methods: See `methods.load`.
        most: Times plain BCE's training that is no overhead, see the claim `no-overhead`.

    Returns:
        Two sentences; "" where no time was measured.
    """
    by_name = {method.name: method for method in methods}
    losses = {name: by_name[name].time for name in (LITERAL, STABLE) if name in by_name}
    measured = {name: time for name, time in losses.items() if time is not None}
    made = [method for method in methods if method.share_of_plain is not None]
    if not measured or not made:
        return ""
    names = {LITERAL: "the paper’s loss", STABLE: "the stable recipe"}
    generators = {"grabcut": "GrabCut", "crf": "the dense CRF"}
    of_losses = [
        f"{names[name]} {'adds none' if time <= most else f'adds {100 * (time - 1):.0f} %'} ({time:.2f} times)"
        for name, time in measured.items()
    ]
    costs = {one.name.split("-")[0]: one.share_of_plain for one in made if one.masks}
    of_labels = [f"{generators.get(name, name)} {cost:.0f} %" for name, cost in costs.items()]
    return (
        f"“No extra overhead, in contrast to mask proposal generators” (section 2), on {dataset_title(dataset)}: of "
        f"plain BCE’s training time, {' and '.join(of_losses)}. The labels of all training images take "
        f"{' and '.join(of_labels)} of it, choosing settings included, once and of one core."
    )


def _short(name: str) -> str:
    """Return what an entry is called, without what stands in brackets."""
    return re.sub(r" \([^)]*\)|, no masks", "", WORDS.get(name, name))


def _iou(value: Measured) -> str:
    spread = "" if value.sd is None else f" ± {value.sd:.1f}"
    return f"{value.mean:.1f}{spread} % (n = {value.n})"


def _with_ends(value: Estimate | None, form: str) -> str:
    return NONE if value is None else f"{form.format(value.mean)}{_ends(value, form)}"


def _ends(value: Estimate, form: str, sign: int = 1) -> str:
    if value.low is None or value.high is None:
        return ""
    low, high = sorted((sign * value.low, sign * value.high))
    return f" [{form.format(low)}, {form.format(high)}]"
