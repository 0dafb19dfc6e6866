"""Where Eq 15 breaks: what is counted is what the theory of floating point says."""

import math

import pytest
import torch

from stages.analysis import stability
from stages.model import losses


def test_the_printed_form_breaks_more_often_with_more_classes_and_larger_logits(monkeypatch):
    monkeypatch.setattr(stability, "CLASSES", (2, 11))
    monkeypatch.setattr(stability, "SCALES", (3, 30, 300))
    found = stability.non_finite()
    printed = found[found.form == "as printed, fp32"].pivot_table("gradient", "classes", "scale")
    assert printed[3].max() == 0 < printed.loc[2, 30] < printed.loc[11, 30] < printed.loc[11, 300]
    sound = found[found.form.isin(["logarithmic, fp32", "mean field, fp32"])]
    assert not sound[["loss", "gradient"]].to_numpy().any()
    said = stability.answer(found)
    assert "as printed, fp32 it breaks from a logit scale of 30 on" in said
    assert f"(there {printed.loc[11, 30]:.0f} % of the gradients with 11 classes)" in said
    assert "logarithmic, fp32 it is finite at every scale" in said


@pytest.mark.parametrize(("dtype", "largest"), [(torch.float32, 88.72), (torch.float16, 11.08)])
def test_the_printed_form_overflows_at_the_logit_that_its_precision_says(dtype, largest):
    quiet = torch.full((1, 3), -20.0, dtype=torch.float64).to(dtype)
    for logit, finite in ((largest - 0.1, True), (largest + 0.1, False)):
        mean = torch.tensor([[logit, 0.0, 0.0]], dtype=dtype)
        loss = losses.ce_uncertainty_printed(mean, quiet, torch.tensor([0]), torch.zeros(2, 1, 3, dtype=dtype))
        assert bool(torch.isfinite(loss).all()) == finite
        assert loss.dtype == dtype


def test_where_it_is_finite_the_printed_form_is_the_logarithmic_one():
    mean, s, target = stability.pixels(5, 3, 50, 0)
    noise = torch.randn(20, 50, 5, generator=torch.Generator().manual_seed(1))
    printed = losses.ce_uncertainty_printed(mean, s, target, noise)
    torch.testing.assert_close(printed, losses.ce_uncertainty(mean, s, target, noise), rtol=1e-4, atol=1e-4)


def test_more_samples_scatter_less_and_mean_field_not_at_all(monkeypatch):
    monkeypatch.setattr(stability, "CLASSES", (5,))
    found = stability.gradient_noise().pivot_table("sd", "estimator", "T")
    assert (found.loc["mean field"] == 0).all()
    for name in ("Monte Carlo", "Rao-Blackwell"):
        assert list(found.loc[name]) == sorted(found.loc[name], reverse=True)
    assert (found.loc["Rao-Blackwell"] < found.loc["Monte Carlo"]).all()


def test_errors_are_measured_against_the_integral(monkeypatch):
    """With two classes and equal means the integral is one half, whatever the variance."""
    assert float(stability._integral(torch.zeros(2), 10.0, 1, 0)) == pytest.approx(0.5, abs=0.003)
    monkeypatch.setattr(stability, "CLASSES", (2,))
    monkeypatch.setattr(stability, "SPREADS", (1.0,))
    monkeypatch.setattr(stability, "EXACT", 10**5)
    found = stability.errors().set_index("estimator")
    mean, _, target = stability.pixels(2, 3, stability.EXACT_PIXELS, 5)
    s = torch.zeros_like(mean)
    exact = [float(stability._integral(mean[i], 1.0, int(target[i]), 6 + i)) for i in range(stability.EXACT_PIXELS)]
    approximate = torch.exp(-losses.ce_uncertainty_mean_field(mean, s, target)).tolist()
    off = [a - b for a, b in zip(approximate, exact, strict=True)]
    assert found.loc["mean field", "bias"] == pytest.approx(sum(off) / len(off), abs=1e-6)
    assert found.loc["mean field", "error"] == pytest.approx(math.sqrt(sum(x * x for x in off) / len(off)), abs=1e-6)
    assert found.loc["Rao-Blackwell", "error"] < found.loc["Monte Carlo", "error"]
