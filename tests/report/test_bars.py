"""What the stable recipe has to reach: verdicts follow from the trainings."""

import re

import numpy as np
import pytest
from scipy import stats

from stages.params import UserError
from stages.paths import ROOT
from stages.report import bars, committed, paper, records
from stages.report.bars import MET, MISSED, OPEN, Bar, Bars, Unmet
from stages.report.committed import Committed
from stages.report.records import Result
from stages.study import grids

ROW = "bootstrap-500-2280-stable"


def entry(name: str, *ious: float, row: str = ROW, tau: float = 2.5, flipped: float = 5.0, recipe="stable"):
    runs = [
        {
            "variant": name,
            "row": row,
            "seed": seed,
            "recipe": recipe,
            "iou": {"car": iou},
            "settings": {"tau": tau},
            "resolutions": {},
            "mean_iou": iou,
            "trace": {"flipped_right": [90.0, flipped]},
        }
        for seed, iou in enumerate(ious)
    ]
    return {name: Result(name, tuple(runs))}


FULL = entry("bce-2780", 80.0, 80.5, 81.0, row="bce-2780", recipe=None)
SHARE = {"measure": "iou_share", "rows": [ROW, "bce-2780"], "above": 95}


def judged(finals, **more) -> bars.Judged:
    (*_, last) = bars.judge(Bars(bars=[Bar(says="enough", check=SHARE, **more)]), "camvid", finals)
    return last


def test_a_bar_asks_its_number_of_the_interval_and_its_mean_of_the_mean():
    close = FULL | entry(ROW, 78.0, 78.4, 79.0)  # 97.5 %, give or take 0.2
    assert judged(close).word == MET
    assert judged(close, mean=97.0).word == MET
    assert judged(close, mean=98.3).word == MISSED
    assert judged(FULL | entry(ROW, 70.0, 70.4, 71.0)).word == MISSED
    assert judged(FULL | entry(ROW, 70.0, 80.4, 81.0)).word == OPEN
    assert judged(FULL | entry(ROW, 80.0)).word == OPEN  # one seed has no interval
    assert judged(FULL) == bars.Judged("enough", OPEN, f"no trainings of {ROW}")


@pytest.mark.parametrize(
    ("iou", "flipped", "dead"),
    [(41.0, 5.0, False), (40.0, 5.0, True), (75.0, 30.0, False), (75.0, 31.0, True)],
)
def test_a_training_collapses_by_its_iou_or_by_its_flips(iou, flipped, dead):
    finals = FULL | entry(ROW, *[79.0] * 29, flipped=1.0) | entry("tau-10", iou, flipped=flipped)
    found = bars.collapses(finals)
    assert found.word == (MISSED if dead else MET)
    assert found.numbers == ("1 of 30 (tau-10 seed 0)" if dead else "0 of 30")


def test_the_literal_recipes_collapses_do_not_count_and_few_trainings_decide_nothing():
    finals = FULL | entry("bootstrap-500-2280", 5.0, recipe="paper") | entry(ROW, 79.0)
    found = bars.collapses(finals)
    assert (found.word, found.numbers) == (OPEN, "0 of 1")


def test_trainings_with_another_last_layer_are_not_the_stable_recipes():
    other = entry("icnr", 10.0, 11.0)
    for run in other["icnr"].runs:
        run["resolutions"] = {"last_layer": "icnr"}
    assert bars.collapses(FULL | entry(ROW, 79.0) | other).numbers == "0 of 1"


def test_thresholds_are_compared_on_the_seeds_that_all_of_them_have():
    others = entry("tau-1", 77.0, 79.0, tau=1.0) | entry("pp-100", 60.0, row="bootstrap-100-2680-stable", tau=1.0)
    finals = FULL | entry(ROW, 78.0, 80.0, 20.0) | others
    assert bars.thresholds(finals).word == OPEN  # none near 10
    found = bars.thresholds(finals | entry("tau-10", 76.0, 78.5, tau=10.0))
    assert (found.word, found.numbers) == (  # 8.33 of a table of the studentised range (3 means, 2 degrees) by 0.1443
        MET,
        "1.75 between τ 2.5 and 10, by chance alone up to 1.20 (τ 1: 78.00, τ 2.5: 79.00, τ 10: 77.25; n = 2)",
    )
    assert bars.thresholds(finals | entry("tau-10", 76.0, 77.0, tau=10.0)).word == MISSED


def test_equal_thresholds_are_as_far_apart_by_chance_as_said_in_one_study_of_twenty():
    rng, beyond, studies = np.random.default_rng(1), 0, 200
    for _ in range(studies):
        seeds = rng.normal(0, 3, 3)  # what thresholds share
        table = 70 + seeds + rng.normal(0, 1, (4, 3))
        finals = {}
        for tau, ious in zip((1.0, 2.0, 5.0, 10.0), table, strict=True):
            finals |= entry(f"tau-{tau}", *ious, tau=tau)
        apart, by_chance = re.match(r"([\d.]+) between .* up to ([\d.]+) ", bars.thresholds(finals).numbers).groups()
        beyond += float(apart) > float(by_chance)
    assert 2 <= beyond <= 20  # 10 expected, standard deviation 3


def test_a_bar_that_was_judged_twice_has_a_wider_interval():
    close = FULL | entry(ROW, 78.0, 78.4, 79.0)
    shares = [100 * a / b for a, b in ((78.0, 80.0), (78.4, 80.5), (79.0, 81.0))]
    for looks, level in ((1, 0.95), (2, 0.975)):
        low, high = stats.t.interval(level, 2, np.mean(shares), stats.sem(shares))
        said = "" if looks == 1 else " (97.5 % interval)"
        assert judged(close, looks=looks).numbers == f"{np.mean(shares):.2f} [{low:.2f}, {high:.2f}], n = 3{said}"


def test_the_spread_of_full_supervision_has_an_interval_of_its_own():
    ious = (80.0, 81.0, 83.5, 79.0, 82.0)
    found = bars.steadiness(entry("bce-2780", *ious, row="bce-2780", recipe=None))
    sd = np.std(ious, ddof=1)
    low, high = (sd * np.sqrt(4 / stats.chi2(4).ppf(q)) for q in (0.975, 0.025))
    assert (found.word, found.numbers) == (MISSED, f"{sd:.2f} [{low:.2f}, {high:.2f}], n = 5")
    assert bars.steadiness(FULL).word == MET
    assert bars.steadiness(entry("bce-2780", 80.0, row="bce-2780", recipe=None)).word == OPEN
    assert bars.steadiness({}).word == OPEN


def test_the_projects_bars_ask_about_entries_of_the_finals(project):
    grid = grids.load("finals", project)
    asked = bars.load(project)
    assert (asked.bars, asked.unmet) == (grid.bars, grid.unmet)
    assert {row for bar in asked.bars for row in bar.check.rows} <= set(grid.runs)
    assert len(asked.bars) >= 7


def test_a_bar_that_makes_no_sense_is_refused(project):
    file = project / "finals.yaml"
    file.write_text(file.read_text().replace("measure: iou_share", "measure: iou_shore", 1))
    with pytest.raises(UserError, match=r"^finals.yaml: bars\.0\.check: .*measure iou_shore; allowed: "):
        bars.load(project)


def test_a_reason_stands_where_its_dataset_does_not_meet_the_bar():
    asked = Bars(
        bars=[Bar(says="enough", check=SHARE)], unmet=[Unmet(dataset="camvid", bar="enough", why="Boxes hurt little.")]
    )
    missed, met = (FULL | entry(ROW, *ious) for ious in ((70.0, 70.4, 71.0), (78.0, 78.4, 79.0)))
    assert bars.judge(asked, "camvid", missed)[-1].why == "Boxes hurt little."
    assert bars.judge(asked, "synthetic", missed)[-1].why == ""
    assert bars.judge(asked, "camvid", met)[-1].why == ""


@pytest.fixture(scope="module")
def trained() -> dict[str, Committed]:
    """The committed trainings of the project."""
    return committed.load(paper.load())[0]


def test_every_unmet_bar_of_the_committed_trainings_says_why_and_no_other(trained):
    unmet = {(dataset, one.says) for dataset, of in trained.items() for one in of.judged if one.word != MET}
    assert {(one.dataset, one.bar) for one in bars.load().unmet} == unmet


def test_the_reasons_numbers_are_those_of_the_trainings(trained):
    camvid, drawn = (trained[dataset].trained for dataset in ("camvid", "synthetic"))
    uncertain, several, several_control = (
        "uncertainty-500-2280-masks-first",
        "ce-bootstrap-500-2280-stable",
        "ce-500-2280-masks-first",
    )

    def mean(finals, row, *keys):
        return finals[row].value(*keys).mean

    def share(finals, row):
        return f"{100 * mean(finals, row, 'iou', 'car') / mean(finals, 'bce-2780', 'iou', 'car'):.1f} %"

    def more(finals, other, label):
        return mean(finals, several, "iou", label) - mean(finals, other, "iou", label)

    def persons(finals, row):
        ious = [run["iou"]["person"] for run in finals[row].runs]
        return f"{min(ious):.1f} % to {max(ious):.1f} %"

    def without_persons(row):
        return sum(run["iou"]["person"] < 0.05 for run in drawn[row].runs)

    def right(row):
        return f"{100 - mean(drawn, row, 'flips', 'precision'):.0f} %"

    def gain(row):
        runs = drawn[row].runs
        return f"{np.mean([run['trace']['target']['iou'][-1] - run['trace']['box']['iou'] for run in runs]):.1f}"

    def taken(finals):
        return f"{np.mean([run['trace']['flipped_wrong'][-1] for run in finals[ROW].runs]):.0f} %"

    def boxes(row):
        shapes = (mean(drawn, row, "rectangularity", f"component_{kind}") for kind in ("boxes", "masks"))
        return f"{np.subtract(*shapes):.1f}"

    hundred = "bootstrap-100-2680-stable"
    held_out = [records.kept(ROOT / f"reference/ablation/camvid/full-{seed}.json")["iou"]["car"] for seed in range(4)]
    expected = {
        ("camvid", "Aim"): [
            f"{camvid['bce-2780'].runs[0]['counts']['train']} training images",
            f"by {np.std(held_out, ddof=1):.1f} points over four seeds",
        ],
        ("camvid", "plain BCE that"): [f"has {share(camvid, 'bce-500-2280-masks-first')} of full supervision"],
        ("camvid", "flips help"): [
            f"has {share(camvid, uncertain)} of full supervision",
            f"{100 - mean(camvid, ROW, 'flips', 'precision'):.0f} % of the labels that they change were right",
        ],
        ("camvid", "97.4 %"): [f"{persons(camvid, 'ce-2780')} IoU", f"{persons(camvid, several)} with"],
        ("camvid", "plain CE"): [
            persons(camvid, several_control),
            f"{more(camvid, several_control, 'car'):.1f} points",
        ],
        ("synthetic", "98.3 %"): [
            f"the same labels has {share(drawn, 'bce-500-2280')}",
            f"AUROC {mean(drawn, ROW, 'auroc'):.2f}, CamVid {mean(camvid, ROW, 'auroc'):.2f}",
            f"flips take {taken(drawn)} of them away, not {taken(camvid)}",
        ],
        ("synthetic", "100 masks reach"): [
            f"{drawn[hundred].runs[0]['counts']['pp']} images",
            f"{right(hundred)} were right, with 500 masks {right(ROW)}",
            f"labels gain {gain(hundred)} points of IoU instead of {gain(ROW)}",
        ],
        ("synthetic", "outputs agree"): [
            f"from {boxes('bce-500-2280')} points",
            f"to {boxes(hundred)}; 500 masks have {boxes(ROW)}, all masks {boxes('bce-2780')}",
        ],
        ("synthetic", "the masks alone"): [f"{more(drawn, 'ce-500', 'car'):.1f} points more"],
        ("synthetic", "plain CE"): [
            f"{more(drawn, several_control, 'car'):.1f} points more",
            f"{-more(drawn, several_control, 'person'):.1f} points fewer",
        ],
    }
    unmet = [(one.dataset, one.bar, one.why) for one in bars.load().unmet]
    for (dataset, part), numbers in expected.items():
        (why,) = (why for name, says, why in unmet if name == dataset and part in says)
        assert [text for text in numbers if text not in why] == []
    assert [without_persons(row) for row in (several, several_control, "ce-500")] == [2, 2, 0]


def test_datasets_stand_side_by_side_and_reasons_follow():
    one, other = [bars.Judged("a", MET, "1")], [bars.Judged("a", OPEN, "2", "Too few seeds.")]
    table = bars.markdown({"CamVid": one, "drawn": other})
    assert table.splitlines()[-1] == "- drawn, “a”: Too few seeds."
    assert "Why" not in bars.markdown({"CamVid": one})
    assert table.splitlines()[0] == "| What the stable recipe has to reach | CamVid | drawn |"
    assert table.splitlines()[2] == "| a | met: 1 | undecided: 2 |"
    assert bars.markdown({}) == ""
