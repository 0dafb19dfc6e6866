"""The pages behind the claims table."""

import re
from pathlib import Path

import pytest

from stages import config
from stages.analysis import claims, paper, results
from stages.figures import claim as drawn_claim
from stages.figures.style import RECIPE_COLOURS
from stages.report import claim_page, index, notebooks
from tests import miniature

pytestmark = pytest.mark.integration  # each builds the whole report, which takes seconds


@pytest.fixture(scope="module")
def seeded(tmp_path_factory) -> Path:
    root = miniature.make(tmp_path_factory.mktemp("seeds") / "project", seeds=(0, 1, 2))
    for name in (*notebooks.FIGURES, index.OVERVIEW, "annotation"):
        miniature.write_figure_notebook(root, name)
    return root


@pytest.fixture(scope="module")
def built(seeded) -> dict[str, str]:
    return index.build(seeded)


@pytest.fixture(scope="module")
def found(seeded) -> dict[str, claims.JudgedClaim]:
    settings = config.load(seeded)
    trained = results.results(settings, seeded)
    left_out = results.left_out_rows(seeded)
    judged = claims.judge_claims(paper.load(seeded), settings.rows, trained, {}, left_out)
    return {one.claim.id: one for one in judged}


def test_every_claim_has_a_page_that_the_index_links_to(built, found):
    linked = re.findall(r'href="(claims/[a-z-]+\.html)"', built["index.html"])
    assert linked == [f"claims/{name}.html" for name in found]
    assert set(built) == {"index.html", *linked}


def test_a_page_names_dataset_verdicts_interval_and_every_seed(built, found):
    page = built["claims/bootstrapping-beats-regression.html"]
    assert "synthetic street scenes" in page
    literal, stable = found["bootstrapping-beats-regression"].verdicts
    assert (literal.word, stable.word) == ("not reproduced", "reproduced")
    assert "✗ not reproduced" in page
    assert "✓ reproduced" in page
    for seed in (0, 1, 2):
        assert f"seed {seed}" in page
    assert str(stable.estimate) in page


def test_every_page_is_self_contained_and_its_pictures_have_alternative_texts(built):
    for name, page in built.items():
        pictures = re.findall(r'<img src="(data:image/png;base64,)?[^"]+" alt="([^"]*)"', page)
        assert all(inside and alt for inside, alt in pictures), name
        assert "<script" not in page and "http" not in re.sub(r"data:[^\"]*", "", page)
    assert built["claims/labels-improve.html"].count("<img") == 3  # the effect, and curves of either recipe
    assert built["claims/small-tau-collapses.html"].count("<img") == 0


def test_the_effect_is_drawn_by_seed_in_the_recipes_colours(found):
    finding = found["near-full"]
    verdicts = {verdict.recipe: verdict for verdict in finding.verdicts}
    axes = drawn_claim.measure(finding.claim.check, verdicts, "synthetic scenes").figure.axes[0]
    drawn = {line.get_color(): sorted(map(float, line.get_xdata())) for line in axes.lines if line.get_marker() == "o"}
    for verdict in finding.verdicts:
        colour = RECIPE_COLOURS["literal" if verdict.recipe == "paper" else "stable"]
        assert drawn[colour] == pytest.approx(sorted(verdict.estimate.values.values()))
    assert any(list(line.get_xdata()) == [96.8, 96.8] for line in axes.lines)


def test_curves_show_every_seed_and_their_mean(seeded, found):
    settings = config.load(seeded)
    trained = results.results(settings, seeded)
    _, stable = found["labels-improve"].verdicts
    axes = drawn_claim.curves(stable.rows[0], trained, ("labels", "flips"), "synthetic").figure.axes
    assert [axis.get_xlabel() for axis in axes] == ["training step"] * 2
    assert len(axes[0].lines) == 3 + 1 + 1  # seeds, mean, boxes
    assert list(axes[0].lines[3].get_ydata()) == [70.0, 74.0, 80.0]
    assert len(axes[1].lines) == 2 * (3 + 1)


def test_the_table_has_the_measure_by_seed_and_what_it_was_made_of(found):
    finding = found["hundred-masks-rectangles"]
    table = claim_page.seeds_table(finding, "somewhere")
    lines = {(line[0].text, line[1].text): [cell.text for cell in line[2:]] for line in table.body}
    unit = finding.claim.check.unit
    assert ("literal recipe", unit) not in lines  # all collapsed
    assert lines["stable recipe", unit] == ["10.00", "10.00", "10.00", "10.00 ± 0.00"]
    row = "bootstrap-100-2680-stable"
    assert lines[row, "car IoU (%)"] == ["66.00", "67.00", "68.00", "67.00 ± 1.00"]
    assert lines[row, "components’ IoU with boxes"][0] == "75.00"
    assert lines[row, "components’ IoU with masks"][0] == "65.00"
    assert lines[row, "extent"][0] == "0.90"
    assert [cell.text for cell in table.head[0]] == ["", "", "seed 0", "seed 1", "seed 2", "mean"]


def test_a_claim_about_flips_shows_the_flips_of_both_of_its_rows(seeded, found):
    settings, printed = config.load(seeded), paper.load(seeded)
    claim = next(claim for claim in printed.asked.claims if claim.id == "small-tau-collapses")
    trained = results.results(settings, seeded)
    rows = ["bootstrap-500-2280", "bootstrap-500-2280-stable"]
    verdict = claims.judge(claim.check, [trained[row] for row in rows], printed.asked)
    judged = claims.JudgedClaim(claim, "", [verdict], trained)
    assert verdict.estimate.mean == 90.0
    page = claim_page.claim_page(judged, settings, {}, seeded)
    assert re.findall(r'alt="Over the training of ([\w-]+):', page) == rows


def test_claims_about_shapes_show_the_outputs_of_their_rows(built):
    shown = {
        name: re.findall(r'alt="3 validation (?:pictures|images) on [^"]*the output of ([^"]*)\."', page)
        for name, page in built.items()
    }
    assert {name: said for name, said in shown.items() if said} == {
        "claims/boxes-rectangles.html": ["regression-0-2780"],
        "claims/regression-finer.html": ["regression-all-500-2280"],
        "claims/masks-not-boxes.html": ["bootstrap-500-2280 and of bootstrap-500-2280-stable"],
        "claims/hundred-masks-rectangles.html": ["bootstrap-100-2680 and of bootstrap-100-2680-stable"],
        "claims/several-mixing-rectangles.html": ["ce-500-2280"],
    }
