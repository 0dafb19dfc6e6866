"""Table 4 and the sentences about it."""

import csv
import io

from stages.analysis.methods import Method
from stages.analysis.statistics import Estimate, Measured, estimate
from stages.report import methods_table
from stages.report.methods_table import answers, brief, overhead, standing

STABLE = Method("bootstrap-500-2280-stable", True, Measured((76.0, 77.0)), time=1.5)
LITERAL = Method("bootstrap-500-2280", True, Measured((73.0,)), time=1.02)
CRF = Method(
    "crf-500-2280",
    True,
    Measured((78.0, 80.0)),
    share=Estimate({0: 80.0, 1: 90.0}, 85.0, 70.0, 99.0),
    behind=Estimate({0: -2.0, 1: -3.0}, -2.5, -3.5, -1.5),
    labels=Measured((77.0, 78.0)),
    seconds=0.1,
    memory=90.0,
    time=1.0,
    share_of_plain=40.0,
    trials=8,
)
GRABCUT = Method("grabcut-0-2780", False, Measured((74.0,)), seconds=0.03, time=1.0)


def test_each_method_has_a_line_and_a_record():
    table = methods_table.methods_table("synthetic", [CRF, STABLE], {STABLE.name: 30})
    text = table.markdown()
    line = next(line for line in text.splitlines() if "| crf-500-2280 |" in line)
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[0] == "Refinement by a dense CRF, chosen on the masks"
    assert cells[2:] == [
        "77.50 ± 0.71", "79.00 ± 1.41", "2", "85 [70, 99]", "-2.5 [-3.5, -1.5]", "0.1", "1.0",
    ]  # fmt: skip
    assert "crf-500-2280 from 8, bootstrap-500-2280-stable from 30 (" in text
    assert "Labels before training take 90 MiB a process." in text
    records = list(csv.DictReader(io.StringIO(table.csv())))
    assert records[0]["entry"] == "crf-500-2280" and float(records[0]["stable_ahead"]) == -2.5
    assert records[1]["share"] == ""


def test_the_answer_is_two_sentences_with_what_each_costs():
    with_masks, without = answers("synthetic", [CRF, STABLE, GRABCUT])
    assert with_masks == (
        "With these labels on synthetic street scenes, refinement by a dense CRF, chosen on the masks is best: "
        "79.0 ± 1.4 % (n = 2), 2.5 points [1.5, 3.5] above the stable recipe, at 0.1 s of a core an image for its "
        "labels and 1.0 times plain BCE’s training time."
    )
    assert without == (
        "Without any mask, GrabCut in each box is best: 74.0 % (n = 1), at 0.03 s of a core an image for its labels "
        "and 1.0 times plain BCE’s training time."
    )


def test_a_lead_that_seeds_do_not_tell_says_so():
    unclear = Method("crf-500-2280", True, Measured((78.0,)), behind=Estimate({0: -1.0, 1: 0.4}, -0.3, -2.0, 1.4))
    said = "0.3 points [-1.4, 2.0] above the stable recipe (the seeds do not tell it from none)"
    assert said in answers("x", [unclear])[0]
    alone = Method("crf-500-2280", True, Measured((78.0,)), behind=Estimate({0: -1.0}, -1.0))
    assert "(one seed does not tell it from none)" in answers("x", [alone])[0]


def test_the_best_is_set_against_the_masks_alone():
    over = Method("crf-500-2280", True, Measured((78.0, 80.0)), over_masks=Estimate({0: 0.5, 1: -0.1}, 0.2, -3.6, 4.0))
    assert "is best: 79.0 ± 1.4 % (n = 2), +0.2 [-3.6, +4.0] over the masks alone." in answers("x", [over])[0]
    masks = Method("bce-500", True, Measured((78.0, 80.0)))
    assert answers("x", [masks])[0].endswith("the masks alone is best: 79.0 ± 1.4 % (n = 2).")


def test_where_the_stable_recipe_is_best_it_is_ahead_of_nobody():
    assert answers("synthetic", [STABLE]) == [
        "With these labels on synthetic street scenes, the method, stable recipe is best: 76.5 ± 0.7 % (n = 2), at "
        "1.5 times plain BCE’s training time."
    ]


def test_readme_has_one_line_of_it():
    assert brief("synthetic", [CRF, STABLE, GRABCUT]) == (
        "synthetic street scenes: refinement by a dense CRF, chosen on the masks, 79.0 ± 1.4 % (n = 2) (the stable "
        "recipe: 76.5 ± 0.7 % (n = 2)); without any mask GrabCut in each box: 74.0 % (n = 1)"
    )
    assert brief("synthetic", [GRABCUT]) == ""


def test_the_stable_recipe_beats_only_what_seeds_tell_after_all_comparisons():
    """By Student's t two differences have p under 0.001, and one 0.039: after Holm 0.078, since one more is left."""

    def behind(name: str, *values: float) -> Method:
        return Method(name, True, Measured((70.0,)), behind=estimate(dict(enumerate(values)), 0.95))

    compared = [
        behind("crf-500-2280", -2.0, -2.1, -1.9),
        behind("sdi-0-2780", 7.0, 6.8, 7.2),
        behind("ema-500-2280", 1.5, 3.0, 2.0),
        behind("em-500-2280", 1.0, -0.5, 0.2),
        behind("bcm-500-2280", 7.0),
    ]
    assert compared[2].behind.low > 0  # told alone, not among four
    assert standing("synthetic", [STABLE, LITERAL, *compared], 0.95) == (
        "On synthetic street scenes the stable recipe is ahead of sdi-0-2780; is behind crf-500-2280; is not told "
        "apart from ema-500-2280, em-500-2280, bcm-500-2280 (paired by seed, 95 % after Holm’s correction for 4 "
        "comparisons)."
    )
    assert standing("synthetic", [STABLE, LITERAL], 0.95) == ""
    assert standing("camvid", [STABLE, *compared[2:]], 0.95).startswith(
        "On CamVid no difference between the stable recipe and another method is certain (paired by seed, 95 % after"
    )
    assert standing("camvid", [STABLE, compared[4]], 0.95) == (
        "On CamVid one seed compares the stable recipe with each, so nothing is told apart."
    )


def test_overhead_is_judged_by_what_the_claim_allows():
    text = overhead("synthetic", [CRF, STABLE, LITERAL], most=1.1)
    assert "the paper’s loss adds none (1.02 times) and the stable recipe adds 50 % (1.50 times)" in text
    assert text.endswith("take the dense CRF 40 % of it, choosing settings included, once and of one core.")
    assert "the paper’s loss adds 2 %" in overhead("synthetic", [CRF, LITERAL], most=1.01)
    assert overhead("synthetic", [STABLE], most=1.1) == ""
