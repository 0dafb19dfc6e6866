import math
from dataclasses import replace

import mpmath
import pytest
import torch

from stages.config import Row
from stages.model.recipes import FINITE, RECIPES, bound_log_variance, raw_start, read_log_variance, recipe_of

RAW = torch.linspace(-300, 300, 6001)
EXP = RECIPES["paper-exp"]
SQUEEZED = replace(EXP, bound="tanh", smax=3.0)


@pytest.mark.parametrize(
    ("recipe", "low", "high"), [(EXP, -20, 90), (SQUEEZED, -3, 3), (RECIPES["regression"], -2, 300)]
)
def test_each_bound_keeps_its_range_and_starts_at_variance_one(recipe, low, high):
    bounded = bound_log_variance(RAW, recipe)
    assert bounded.min() >= low
    assert bounded.max() <= high
    assert (bounded.diff() >= 0).all()
    near_zero = torch.tensor([-1e-3, 0.0, 1e-3])
    torch.testing.assert_close(bound_log_variance(near_zero, recipe), near_zero, rtol=1e-3, atol=1e-9)


def test_the_smooth_bounds_leave_a_gradient_to_return_by():
    for recipe in (SQUEEZED, RECIPES["regression"]):
        raw = torch.tensor([-6.0, 6.0], requires_grad=True)
        bound_log_variance(raw, recipe).sum().backward()
        assert (raw.grad > 1e-3).all()


@pytest.mark.parametrize("recipe", [replace(SQUEEZED, smax=None), replace(SQUEEZED, bound="clamp")])
def test_a_bound_that_is_none_is_refused(recipe):
    with pytest.raises(ValueError, match="bound="):
        bound_log_variance(RAW, recipe)


def test_every_row_has_its_recipe(settings):
    for name, row in settings.rows.items():
        loss = name.partition("-")[0]
        expected = "stable" if name.endswith("-stable") else "regression" if loss == "regression" else "paper"
        expected = "plain" if row.loss in ("bce", "ce") else expected
        assert recipe_of(row).name == expected


def test_the_recipes_differ_in_what_their_docstring_says():
    """And the one-class rows that flip nothing read the variance as the literal recipe does."""
    literal, stable = RECIPES["paper"], RECIPES["stable"]
    beyond = {"reduction": "pooled", "own_boxes": True, "variance_loss": "supervised", "teacher_decay": 0.99}
    assert replace(literal, name="stable", **beyond) == stable
    assert literal.first_variance(2.5) == pytest.approx(math.log(2), abs=1e-4)  # softplus(0)
    assert raw_start(literal) == pytest.approx(0, abs=1e-3)
    assert (EXP.variance, EXP.mean_start, EXP.reduction, EXP.first_variance(2.5)) == ("exp", "share", "pooled", 1.0)


@pytest.mark.parametrize(
    ("recipe", "changed"),
    [
        (RECIPES["paper"], {}),
        (EXP, {}),
        (SQUEEZED, {}),
        (RECIPES["regression"], {}),
        (RECIPES["regression"], {"initial_variance": 5.0}),
        (SQUEEZED, {"smax": 2.0}),
    ],
)
@pytest.mark.parametrize("start", [0.2, 1.0, 2.5])
def test_the_network_starts_at_the_recipes_variance(recipe, changed, start):
    recipe = replace(recipe, **{"initial_variance": start} | changed)
    s = bound_log_variance(torch.tensor([raw_start(recipe)]), recipe)
    assert s.exp().item() == pytest.approx(recipe.initial_variance, rel=1e-5)


def test_an_initial_variance_that_goes_with_tau_needs_one():
    recipe = replace(RECIPES["stable"], initial_variance=1.0, initial_variance_per_tau=0.4)
    assert recipe.first_variance(2.5) == 1.0
    assert recipe.first_variance(5.0) == 2.0
    assert recipe.first_variance() == 1.0
    s = bound_log_variance(torch.tensor([raw_start(recipe, 10.0)]), recipe)
    assert s.exp().item() == pytest.approx(4.0, rel=1e-5)


def test_an_initial_variance_out_of_the_bounds_reach_is_an_error():
    with pytest.raises(ValueError, match="^the initial variance is 100; allowed with bound tanh: above 0.0498"):
        raw_start(replace(SQUEEZED, initial_variance=100.0))


def stable(**overrides) -> Row:
    return Row(classes="one", loss="bootstrap", pp=500, box=2280, recipe="stable", overrides=overrides)


def test_a_rows_overrides_change_its_recipe_and_no_other():
    row = stable(prior=0.5, own_boxes=False, variance_loss="uncertainty")
    expected = replace(RECIPES["stable"], prior=0.5, own_boxes=False, variance_loss="uncertainty")
    assert recipe_of(row) == expected
    assert RECIPES["stable"].own_boxes
    reloaded = Row(**row.model_dump(exclude_none=True))
    assert recipe_of(reloaded) == recipe_of(row)


def test_an_overridden_initial_variance_goes_with_tau_if_it_is_a_share_of_it():
    assert recipe_of(stable(initial_variance=2.0)).first_variance(5.0) == 2.0
    assert math.isclose(recipe_of(stable(initial_variance_per_tau=0.5)).first_variance(5.0), 2.5)


# ---- how the variance is read ----------------------------------------------------------------------------------------

READINGS = {
    "exp": mpmath.exp,
    "softplus": lambda raw: mpmath.log(1 + mpmath.exp(raw)),
    "one_plus_elu": lambda raw: mpmath.exp(raw) if raw < 0 else 1 + raw,
    "square": lambda raw: raw**2,
    "sigma": lambda raw: mpmath.log(1 + mpmath.exp(raw)) ** 2,
}


@pytest.mark.parametrize("variance", READINGS)
def test_each_reading_is_its_formula_and_its_derivative(variance):
    values = [-19.0, -3.0, -0.7, -1e-2, 1e-2, 0.5, 1.0, 4.0, 30.0, 2000.0]
    values = [value for value in values if variance != "exp" or value < 100]
    raw = torch.tensor(values, requires_grad=True)
    s = read_log_variance(raw, variance)
    s.sum().backward()
    with mpmath.workdps(40):
        exact = [mpmath.log(READINGS[variance](mpmath.mpf(x))) for x in raw.tolist()]
        slopes = [mpmath.diff(lambda x: mpmath.log(READINGS[variance](x)), mpmath.mpf(x)) for x in raw.tolist()]
    torch.testing.assert_close(s, torch.tensor([float(x) for x in exact]), rtol=3e-6, atol=3e-5)
    torch.testing.assert_close(raw.grad, torch.tensor([float(x) for x in slopes]), rtol=3e-5, atol=1e-6)


@pytest.mark.parametrize("variance", READINGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_every_reading_is_finite_with_its_gradient_at_the_ends(variance, dtype):
    raw = torch.tensor([-6e4, -200.0, -20.0, -1e-7, 0.0, 1e-7, 20.0, 200.0, 6e4], dtype=dtype, requires_grad=True)
    s = bound_log_variance(raw, replace(RECIPES["paper"], variance=variance))
    s.sum().backward()
    assert s.dtype == torch.float32
    assert torch.isfinite(s).all() and torch.isfinite(raw.grad).all()
    assert s.min() >= FINITE[0] and s.max() <= FINITE[1]


@pytest.mark.parametrize("variance", READINGS)
@pytest.mark.parametrize("bound", [RECIPES["paper"], SQUEEZED, RECIPES["regression"]], ids=lambda recipe: recipe.bound)
@pytest.mark.parametrize("start", [0.25, 1.0, 10.0])
def test_every_reading_starts_at_the_initial_variance(variance, bound, start):
    recipe = replace(bound, variance=variance, initial_variance=start)
    s = bound_log_variance(torch.tensor([raw_start(recipe)]), recipe)
    assert s.exp().item() == pytest.approx(start, rel=2e-5)


def test_a_start_of_a_thousand_overflows_nowhere():
    for variance in READINGS:
        raw = raw_start(replace(RECIPES["paper"], variance=variance, initial_variance=1000.0))
        assert bound_log_variance(torch.tensor([raw]), replace(RECIPES["paper"], variance=variance)).exp().item() == (
            pytest.approx(1000.0, rel=1e-4)
        )


def test_a_reading_that_is_none_is_refused():
    with pytest.raises(ValueError, match="variance='log': use 'exp'"):
        read_log_variance(RAW, "log")
