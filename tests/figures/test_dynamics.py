"""The pictures of why the literal loss may collapse say what they were made for."""

import pytest
import torch

from stages.figures import dynamics
from stages.model.recipes import read_log_variance

TWO = ("exp-share-pooled-variance", "softplus-torch-two-variance")


@pytest.mark.integration
def test_the_pictures_say_what_they_were_made_for():
    for draw in (dynamics.portrait, dynamics.boundaries):
        picture = draw(1.75, 0.2, 0.3)
        texts = [text.get_text() for text in picture.figure.texts]
        assert any("τ = 1.75" in text and "30%" in text for text in texts)
        assert picture.png().startswith(b"\x89PNG")


def test_trainings_tell_both_recipes_ends(project):
    picture = dynamics.trainings("synthetic", 0, project)
    assert "literal recipe (paper): in the end 95.0 % of true foreground and 60.0 % of true background" in picture.alt
    assert "stable recipe: in the end 5.0 % of true foreground" in picture.alt
    assert "car IoU 4.2 %" in picture.alt
    labels = [axes.get_ylabel() for axes in picture.figure.axes]
    assert labels == list(dynamics.CURVES) * 2
    flipped = picture.figure.axes[0].get_lines()[0]
    assert list(flipped.get_ydata()) == [0, 20, 95]


def test_two_committed_trainings_are_told_by_their_own_numbers(project):
    picture = dynamics.committed("readings", "nuclei", TWO, project)
    assert "exp-share-pooled-variance: in the end 95.0 % of true foreground" in picture.alt
    assert "softplus-torch-two-variance: in the end 5.0 % of true foreground" in picture.alt
    assert "nucleus IoU 68.0 %" in picture.alt
    assert "nuclei" in picture.figure.texts[-2].get_text()


def test_where_a_committed_training_is_missing_a_notice_says_which(project):
    (project / "reference" / "readings" / "nuclei" / f"{TWO[1]}-0.json").unlink()
    picture = dynamics.committed("readings", "nuclei", TWO, project)
    missing = "softplus-torch-two-variance of studies/readings.yaml has no training of seed 0"
    assert picture.alt == f"Not shown on nuclei: {missing}."
    assert not picture.figure.axes


@pytest.mark.integration
def test_readings_of_the_variance_are_told_apart_by_where_foreground_ends():
    """From the labels' share, exp loses the foreground and softplus keeps it."""
    picture = dynamics.readings(2.5, 0.2, 0.25, "one mean")
    assert "σ² = exp(r): foreground that starts at mean -2.5 ends as background" in picture.alt
    assert "σ² = softplus(r): foreground that starts at mean -2.5 ends as foreground" in picture.alt
    assert "softplus(r): background that starts at mean 0 ends as foreground" in picture.alt
    titles = [axes.get_title() for axes in picture.figure.axes if axes.get_title()]
    assert titles == list(dynamics.READINGS.values())
    half = dynamics.readings(2.5, 0.2, 0.5, "two means")
    assert "two means. " in half.alt
    assert "σ² = softplus(r): background that starts at mean 0 ends as background" in half.alt
    for name, variance in dynamics.RAW_STARTS.items():
        raw = 1.0 if name == "square" else 0.0
        found = read_log_variance(torch.tensor(raw, dtype=torch.float64), name).exp().item()
        assert found == pytest.approx(variance, rel=1e-6)
