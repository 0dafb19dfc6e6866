"""The equations against independent values: mpmath quadrature, closed forms, finite differences, landmarks."""

import math

import mpmath
import pytest
import torch

from stages.model import losses

mpmath.mp.dps = 30

HUGE_MEANS = [-1e4, -88.8, -1.0, 0.0, 1.0, 88.8, 1e4]
ALL_LOG_VARIANCES = [-20.0, -2.0, 0.0, 12.0, 50.0, 90.0]


def f64(*values):
    return [torch.tensor(v, dtype=torch.float64) for v in values]


def normal_expectation(function, mean, variance):
    """E[function(l)] for l ~ N(mean, variance) to about 30 digits."""
    deviation = mpmath.sqrt(variance)
    density = lambda z: function(mean + deviation * z) * mpmath.npdf(z)  # noqa: E731
    return mpmath.quad(density, [-12, -4, -1, 0, 1, 4, 12])


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


# --- Eq 2, 3 and Figure 1 ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mean", "variance", "value"), [(0, 1, 0), (1, 1, 0.5), (2, 1, 2), (2, 4, 1.193), (0, 0.1, -1.151)]
)
def test_l2_uncertainty_has_figure_1s_landmarks(mean, variance, value):
    mean, s, target = f64(float(mean), math.log(variance), 0.0)
    assert losses.l2_uncertainty(mean, s, target).item() == pytest.approx(value, abs=5e-4)


@pytest.mark.parametrize(("mean", "s", "target"), [(0.3, -1.7, 1.0), (2.5, 0.4, 0.0), (-3.0, 2.0, 1.0)])
def test_l2_uncertainty_is_the_gaussian_likelihood_without_its_constant(mean, s, target):
    likelihood = mpmath.npdf(target, mean, mpmath.exp(mpmath.mpf(s) / 2))
    expected = -mpmath.log(likelihood) - mpmath.log(2 * mpmath.pi) / 2
    assert losses.l2_uncertainty(*f64(mean, s, target)).item() == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("residual", [0.1, 1.0, 2.5])
def test_l2_uncertainty_is_least_where_the_variance_is_the_squared_residual(residual):
    s = torch.linspace(-8, 8, 160_001, dtype=torch.float64)
    values = losses.l2_uncertainty(torch.tensor(residual, dtype=torch.float64), s, torch.tensor(0.0))
    assert s[values.argmin()].exp().item() == pytest.approx(residual**2, rel=1e-3)
    assert values.min().item() == pytest.approx(0.5 + math.log(residual), abs=1e-6)


def test_l2_has_no_half():
    assert losses.l2(torch.tensor(3.0), torch.tensor(1.0)).item() == 4.0


# --- Eq 5, 8, 9 and Figure 4a -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("logit", [-30.0, -1.5, 0.0, 0.7, 30.0])
@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_bce_is_the_negative_log_likelihood(logit, target):
    p = sigmoid(mpmath.mpf(logit))
    expected = -(target * mpmath.log(p) + (1 - target) * mpmath.log(1 - p))
    assert losses.bce(*f64(logit, target)).item() == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("mean", [-15.0, -4.0, -0.5, 0.0, 2.0, 15.0])
@pytest.mark.parametrize("variance", [0.01, 0.5, 4.0, 30.0])
def test_expected_logit_approximates_the_integral_of_eq_6_as_well_as_eq_8_does(mean, variance):
    a = losses.expected_logit(*f64(mean, math.log(variance))).item()
    assert a == pytest.approx(mean / math.sqrt(1 + math.pi * variance / 8), rel=1e-12)  # Eq 8 as printed
    assert abs(float(sigmoid(a) - normal_expectation(sigmoid, mean, variance))) < 0.0165


@pytest.mark.parametrize(
    ("mean", "variance", "value"), [(-10, 0, 10.0), (-10, 2.5, 7.104), (-5, 0, 5.007), (-5, 2.5, 3.580)]
)
def test_bce_uncertainty_has_figure_4as_landmarks(mean, variance, value):
    s = math.log(variance) if variance else -40.0
    assert losses.bce_uncertainty(*f64(float(mean), s, 1.0)).item() == pytest.approx(value, abs=6e-4)


def test_bce_uncertainty_falls_with_the_variance_of_a_contradicted_label_only():
    s = torch.linspace(-4, 8, 200, dtype=torch.float64)
    contradicted, agreed, undecided = (losses.bce_uncertainty(*f64(m), s, *f64(1.0)) for m in (-3.0, 3.0, 0.0))
    assert (contradicted.diff() < 0).all()
    assert (agreed.diff() > 0).all()
    torch.testing.assert_close(undecided, torch.full_like(s, math.log(2)))


def test_the_variance_gradient_of_bce_uncertainty_has_its_closed_form():
    """dU/ds = 1/2 a (y - sigmoid(a)) sigmoid(s + log(pi/8)), derived by hand."""
    for mean, s, target in [(-4.0, 1.0, 1.0), (2.0, -3.0, 0.0), (9.0, 5.0, 1.0)]:
        variable = torch.tensor(s, dtype=torch.float64, requires_grad=True)
        losses.bce_uncertainty(*f64(mean), variable, *f64(target)).backward()
        a = mean / math.sqrt(1 + math.pi * math.exp(s) / 8)
        expected = 0.5 * a * (target - float(sigmoid(a))) * float(sigmoid(s + math.log(math.pi / 8)))
        assert variable.grad.item() == pytest.approx(expected, rel=1e-10)


def test_variance_prior_is_half_log_one_plus_pi_variance_over_8():
    s = torch.linspace(-20, 90, 56, dtype=torch.float64)
    expected = [float(mpmath.log(1 + mpmath.pi * mpmath.exp(x.item()) / 8) / 2) for x in s]
    torch.testing.assert_close(losses.variance_prior(s), torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=0)


# --- Eq 10, 11 and Figure 4b, 4c --------------------------------------------------------------------------------------


def test_keep_weight_is_half_at_tau_and_its_10_to_90_percent_band_is_tau_plus_minus_044():
    variance = torch.tensor([2.5 - 0.44, 2.5, 2.5 + 0.44], dtype=torch.float64)
    weight = losses.keep_weight(variance.log(), tau=2.5, temperature=0.2)
    torch.testing.assert_close(weight, torch.tensor([0.9, 0.5, 0.1], dtype=torch.float64), rtol=0, atol=3e-3)


@pytest.mark.parametrize(("variance", "value"), [(1e-12, 10.0), (2.0, 9.241), (2.5, 5.000), (3.0, 0.759), (5.0, 8e-5)])
def test_bce_bootstrap_has_figure_4bs_landmarks(variance, value):
    mean, target = f64(-10.0, 1.0)
    weight = losses.keep_weight(torch.tensor(variance, dtype=torch.float64).log(), tau=2.5, temperature=0.2)
    result = losses.bce_bootstrap(mean, weight, target, 1 - target).item()
    assert result == pytest.approx(value, abs=6e-4 if value > 1e-3 else 2e-5)


def test_bce_bootstrap_is_the_weighted_sum_that_eq_10_prints():
    mean, weight, target = torch.randn(50).double(), torch.rand(50).double(), (torch.rand(50) > 0.5).double()
    printed = weight * losses.bce(mean, target) + (1 - weight) * losses.bce(mean, 1 - target)
    torch.testing.assert_close(losses.bce_bootstrap(mean, weight, target, 1 - target), printed)


def test_figure_4b_is_symmetric_about_its_saddle_and_figure_4c_has_its_landmarks():
    def surfaces(mean, variance):
        s, target = (
            torch.tensor(max(variance, 1e-12), dtype=torch.float64).log(),
            torch.tensor(1.0, dtype=torch.float64),
        )
        mean = torch.tensor(mean, dtype=torch.float64)
        weight = losses.keep_weight(s, tau=2.5, temperature=0.2)
        uncertainty, bootstrap = losses.bootstrapping_loss(mean, s, target, 1 - target, weight)
        return bootstrap.item(), (uncertainty + bootstrap).item()

    for mean, variance in [(-7.0, 2.2), (3.0, 1.0), (0.4, 2.9)]:
        assert surfaces(-mean, 5 - variance)[0] == pytest.approx(surfaces(mean, variance)[0], rel=1e-9)
    for variance, value in [(0.0, 20.0), (2.5, 12.104), (5.0, 5.812)]:
        assert surfaces(-10.0, variance)[1] == pytest.approx(value, abs=6e-4)
    assert surfaces(0.0, 2.8375)[1] == pytest.approx(2 * math.log(2), rel=1e-9)
    across = [surfaces(0.01 * k, 2.8375)[1] for k in (-1, 0, 1)]  # the saddle: flat to first order in mu
    assert abs(across[2] - across[0]) / 0.02 < 1e-3


def test_the_detach_rule():
    """The mean learns from B alone and the variance from U alone; without the rule both gradients are others."""
    target = torch.tensor(1.0, dtype=torch.float64)

    def gradients(detached: bool):
        mean, s = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (-2.0, 0.9))
        weight = losses.keep_weight(s, tau=2.5, temperature=0.2)
        if detached:
            loss = sum(losses.bootstrapping_loss(mean, s, target, 1 - target, weight))
        else:
            loss = losses.bce_uncertainty(mean, s, target) + losses.bce_bootstrap(mean, weight, target, 1 - target)
        loss.backward()
        return mean.grad.item(), s.grad.item()

    h = 1e-6
    w = 1 / (1 + math.exp(-(2.5 - math.exp(0.9)) / 0.2))
    b = lambda m: w * math.log1p(math.exp(-m)) + (1 - w) * math.log1p(math.exp(m))  # noqa: E731
    u = lambda s: math.log1p(math.exp(2.0 / math.sqrt(1 + math.pi * math.exp(s) / 8)))  # noqa: E731
    by_mean, by_variance = gradients(detached=True)
    assert by_mean == pytest.approx((b(-2 + h) - b(-2 - h)) / (2 * h), rel=1e-7)
    assert by_variance == pytest.approx((u(0.9 + h) - u(0.9 - h)) / (2 * h), rel=1e-7)
    without = gradients(detached=False)
    assert abs(without[0] - by_mean) > 0.05
    assert abs(without[1] - by_variance) > 0.05


# --- Eq 12 to 16 ------------------------------------------------------------------------------------------------------


def exact_ce_two_classes(mean, variance, target):
    """-log E[softmax(l)_y] for C = 2, one integral: l_y - l_other is N(difference of means, sum of variances)."""
    other = 1 - target
    p = normal_expectation(sigmoid, mean[target] - mean[other], variance[0] + variance[1])
    return -float(mpmath.log(p))


@pytest.mark.parametrize("estimator", [losses.ce_uncertainty, losses.ce_uncertainty_rao_blackwell])
@pytest.mark.parametrize(("mean", "variance", "target"), [((0.5, -1.0), (1.0, 2.0), 0), ((2.0, -1.0), (0.3, 4.0), 1)])
def test_both_estimators_converge_to_the_integral(estimator, mean, variance, target):
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(400, 1000, 2, generator=generator, dtype=torch.float64)  # 1000 equal pixels' 400 samples
    mu, s = (torch.tensor(x, dtype=torch.float64).expand(1000, 2) for x in (mean, variance))
    values = estimator(mu, s.log(), torch.full((1000,), target), noise)
    value = -values.neg().exp().mean().log().item()  # of all samples together
    assert value == pytest.approx(exact_ce_two_classes(mean, variance, target), abs=4e-3)


def test_the_samples_one_by_one_give_what_all_at_once_give():
    generator = torch.Generator().manual_seed(6)
    shape = (2, 50, 4)
    mean, s = (4 * torch.randn(shape, dtype=torch.float64, generator=generator, requires_grad=True) for _ in range(2))
    target, upstream = torch.arange(100).view(2, 50) % 4, torch.randn(2, 50, dtype=torch.float64, generator=generator)
    noise = torch.randn(7, *shape, dtype=torch.float64, generator=generator)
    value = losses.ce_uncertainty(mean, s, target, noise)
    log_p = losses.sample_logits(mean, s, noise).log_softmax(-1).gather(-1, target.expand(7, 2, 50).unsqueeze(-1))
    expected = -(log_p.squeeze(-1).logsumexp(0) - math.log(7))
    torch.testing.assert_close(value, expected)
    for ours, theirs in zip(*(torch.autograd.grad(v, (mean, s), upstream) for v in (value, expected)), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_rao_blackwell_estimator_has_less_than_half_the_variance_at_8_classes():
    generator = torch.Generator().manual_seed(1)
    mu, s, target = torch.randn(64, 8, generator=generator), torch.full((64, 8), 1.0), torch.arange(64) % 8
    spread = {}
    for estimator in (losses.ce_uncertainty, losses.ce_uncertainty_rao_blackwell):
        values = [estimator(mu, s, target, torch.randn(20, 64, 8, generator=generator)) for _ in range(200)]
        spread[estimator] = torch.stack(values).var(dim=0).mean().item()
    assert spread[losses.ce_uncertainty_rao_blackwell] < 0.5 * spread[losses.ce_uncertainty]


def test_ce_uncertainty_at_vanishing_variance_is_ce():
    mean, target = torch.randn(20, 3, dtype=torch.float64), torch.arange(20) % 3
    noise = torch.randn(5, 20, 3, dtype=torch.float64)
    for estimator in (losses.ce_uncertainty, losses.ce_uncertainty_rao_blackwell):
        result = estimator(mean, torch.full_like(mean, -40.0), target, noise)
        torch.testing.assert_close(result, losses.ce(mean, target), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(losses.ce(mean, target), -mean.softmax(-1)[torch.arange(20), target].log())


def test_sampled_logits_have_the_mean_and_the_variance_once():
    noise = torch.randn(200_000, 1, generator=torch.Generator().manual_seed(2))
    drawn = losses.sample_logits(torch.tensor([3.0]), torch.tensor([4.0]).log(), noise)
    assert drawn.mean().item() == pytest.approx(3.0, abs=0.02)
    assert drawn.var().item() == pytest.approx(4.0, rel=0.02)


def test_the_target_is_bootstrapped_strictly_above_tau_by_the_trigger_asked_for():
    mean = torch.tensor([[0.0, 2.0, 1.0]]).expand(3, 3)
    log_variance = torch.tensor([[0.0, -1.0, -1.0], [0.01, -1.0, -1.0], [-1.0, -1.0, 0.01]])  # sigma^2 = 1 exactly
    target = torch.tensor([0, 0, 0])
    by_max = losses.exceeds_threshold(log_variance, target, 1.0, "max")
    by_target = losses.exceeds_threshold(log_variance, target, 1.0, "target")
    assert by_max.tolist() == [False, True, True]
    assert by_target.tolist() == [False, True, False]
    assert losses.bootstrapped_target(mean, target, by_max).tolist() == [0, 1, 1]
    with pytest.raises(ValueError, match="trigger"):
        losses.exceeds_threshold(log_variance, target, 2.5, "mean")


def test_the_detach_rule_holds_for_several_classes():
    mean, s = (torch.randn(30, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    target, new = torch.arange(30) % 3, (torch.arange(30) + 1) % 3
    noise = torch.randn(20, 30, 3, dtype=torch.float64)
    uncertainty, bootstrap = losses.ce_bootstrapping_loss(mean, s, target, new, noise, losses.ce_uncertainty)
    (uncertainty + bootstrap).sum().backward()
    onehot = torch.nn.functional.one_hot(new, 3)
    torch.testing.assert_close(mean.grad, (mean.softmax(-1) - onehot).detach())
    free = s.detach().clone().requires_grad_()
    losses.ce_uncertainty(mean.detach(), free, target, noise).sum().backward()
    torch.testing.assert_close(s.grad, free.grad)


# --- stability --------------------------------------------------------------------------------------------------------


BINARY = {
    "l2_uncertainty": losses.l2_uncertainty,
    "bce_uncertainty": losses.bce_uncertainty,
    "bce": lambda mean, s, target: losses.bce(mean, target) + 0 * s,
    "prior": lambda mean, s, target: losses.variance_prior(s) + 0 * mean,
    "bootstrap": lambda mean, s, target: sum(
        losses.bootstrapping_loss(mean, s, target, 1 - target, losses.keep_weight(s, 2.5, 0.2))
    ),
    "undetached": lambda mean, s, target: losses.bce_bootstrap(
        mean, losses.keep_weight(s, 2.5, 0.2), target, 1 - target
    ),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", BINARY)
def test_binary_losses_and_gradients_are_finite_at_the_extremes(name, dtype):
    grid = torch.cartesian_prod(torch.tensor(HUGE_MEANS), torch.tensor(ALL_LOG_VARIANCES), torch.tensor([0.0, 1.0]))
    mean, s = (grid[:, i].to(dtype).requires_grad_() for i in (0, 1))
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        values = BINARY[name](mean, s, grid[:, 2])
    assert values.dtype == torch.float32
    assert torch.isfinite(values).all()
    for gradient in torch.autograd.grad(values.sum(), (mean, s)):
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("estimator", [losses.ce_uncertainty, losses.ce_uncertainty_rao_blackwell])
def test_multi_class_losses_and_gradients_are_finite_at_the_extremes(estimator, dtype):
    a, b, s = (torch.tensor(x) for x in (HUGE_MEANS, HUGE_MEANS, ALL_LOG_VARIANCES))
    grid = torch.cartesian_prod(a, b, s, s)
    mean = torch.stack([grid[:, 0], grid[:, 1], torch.zeros(len(grid))], dim=1).to(dtype).requires_grad_()
    log_variance = torch.stack([grid[:, 2], grid[:, 3], grid[:, 2]], dim=1).to(dtype).requires_grad_()
    noise = torch.randn(20, len(grid), 3, generator=torch.Generator().manual_seed(3))
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        for target in range(3):
            values = estimator(mean, log_variance, torch.full((len(grid),), target), noise)
            assert torch.isfinite(values).all()
            for gradient in torch.autograd.grad(values.sum(), (mean, log_variance)):
                assert torch.isfinite(gradient).all()


def test_gradients_agree_with_finite_differences():
    generator = torch.Generator().manual_seed(4)
    mean, s = (torch.randn(6, dtype=torch.float64, generator=generator, requires_grad=True) for _ in range(2))
    target = (torch.arange(6) % 2).double()
    for name in ("l2_uncertainty", "bce_uncertainty", "prior", "undetached"):
        assert torch.autograd.gradcheck(BINARY[name], (mean, s, target.clone()))
    means, log_variances = (
        torch.randn(4, 3, dtype=torch.float64, generator=generator, requires_grad=True) for _ in range(2)
    )
    noise, labels = torch.randn(5, 4, 3, dtype=torch.float64, generator=generator), torch.arange(4) % 3
    for estimator in (losses.ce_uncertainty, losses.ce_uncertainty_rao_blackwell):
        assert torch.autograd.gradcheck(lambda m, v, e=estimator: e(m, v, labels, noise), (means, log_variances))


def test_the_loss_of_an_open_label_is_that_of_the_sum_of_its_classes_probabilities():
    mean = 4 * torch.randn(50, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    allowed = torch.tensor([True, False, True, False, True])
    probability = torch.softmax(mean, dim=-1)[:, allowed].sum(-1)
    torch.testing.assert_close(losses.ce_any(mean, allowed), -probability.log())
    one = torch.tensor([False, False, True, False, False])
    torch.testing.assert_close(losses.ce_any(mean, one), losses.ce(mean, torch.full((50,), 2)))
    assert losses.ce_any(mean, torch.ones(5, dtype=torch.bool)).abs().max() < 1e-12
    far = torch.tensor([[1e4, -1e4, 0.0, 0.0, 0.0]], requires_grad=True)
    losses.ce_any(far, ~torch.tensor([True, False, False, False, False])).sum().backward()
    assert torch.isfinite(far.grad).all()


def test_mean_field_is_eq_8_for_two_classes():
    generator = torch.Generator().manual_seed(3)
    mean, s = (6 * torch.randn(200, 2, dtype=torch.float64, generator=generator) for _ in range(2))
    target = torch.arange(200) % 2
    logit, together = mean[:, 1] - mean[:, 0], torch.log(s.exp().sum(-1))
    expected = losses.bce_uncertainty(logit, together, target.double())
    torch.testing.assert_close(losses.ce_uncertainty_mean_field(mean, s, target), expected, rtol=1e-9, atol=1e-9)


def test_mean_field_comes_close_to_a_million_samples():
    generator = torch.Generator().manual_seed(4)
    for variance in (0.1, 1.0, 2.5, 10.0):
        mean = 2 * torch.randn(4, generator=generator, dtype=torch.float64)
        s = torch.full((4,), math.log(variance), dtype=torch.float64)
        samples = mean + variance**0.5 * torch.randn(10**6, 4, generator=generator, dtype=torch.float64)
        sampled = torch.softmax(samples, dim=-1).mean(0)
        found = torch.exp(-losses.ce_uncertainty_mean_field(mean.expand(4, 4), s.expand(4, 4), torch.arange(4)))
        assert (found - sampled).abs().max() < 0.05


def test_mean_field_is_plain_where_nothing_is_uncertain_and_does_not_change_with_all_means():
    mean = 3 * torch.randn(50, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    target, sure = torch.arange(50) % 5, torch.full((50, 5), -20.0, dtype=torch.float64)
    torch.testing.assert_close(
        losses.ce_uncertainty_mean_field(mean, sure, target), losses.ce(mean, target), rtol=1e-7, atol=1e-7
    )
    unsure = torch.zeros(50, 5, dtype=torch.float64)
    shifted = losses.ce_uncertainty_mean_field(mean + 7, unsure, target)
    torch.testing.assert_close(losses.ce_uncertainty_mean_field(mean, unsure, target), shifted)


def test_mean_field_is_differentiable_and_finite_at_the_ends():
    mean, s = (
        torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(k)).requires_grad_()
        for k in (6, 7)
    )
    target = torch.arange(6) % 3
    assert torch.autograd.gradcheck(lambda m, v: losses.ce_uncertainty_mean_field(m, v, target), (mean, s))
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        ends = torch.tensor([[1e4, -1e4, 0.0]] * 2, dtype=dtype).requires_grad_()
        spread = torch.tensor([[-20.0] * 3, [90.0] * 3], dtype=dtype).requires_grad_()
        loss = losses.ce_uncertainty_mean_field(ends, spread, torch.tensor([1, 1]))
        loss.sum().backward()
        assert loss.dtype == torch.float32 and torch.isfinite(loss).all()
        assert torch.isfinite(ends.grad).all() and torch.isfinite(spread.grad).all()


def test_eq_9_lets_a_variance_grow_far_faster_than_it_lets_it_shrink_and_supervision_does_not():
    """The share of wrong labels among pixels that look alike, |mu| = 4, from which on their common sigma^2 grows."""

    def break_even(slope):
        wrong, right = slope(-4.0, 0.0), slope(4.0, 1.0)
        return -right / (wrong - right)

    def slope_of_eq_9(mean, _):
        s = torch.tensor(math.log(0.7), dtype=torch.float64, requires_grad=True)
        losses.bce_uncertainty(torch.tensor(mean, dtype=torch.float64), s, torch.ones_like(s)).backward()
        return s.grad.item()

    def slope_of_supervised(_, right):
        s = torch.tensor(math.log(2.5), dtype=torch.float64, requires_grad=True)
        losses.supervised_variance(s, torch.full_like(s, right), 2.5, 0.2).backward()
        return s.grad.item()

    assert break_even(slope_of_eq_9) == pytest.approx(0.028, abs=1e-3)
    assert break_even(slope_of_supervised) == pytest.approx(0.5)


@pytest.mark.parametrize("s", [-20.0, -2.0, 0.0, math.log(2.5), 2.0, 6.0, 12.0, 79.0])
@pytest.mark.parametrize("right", [0.0, 0.3, 1.0])
def test_a_supervised_variance_learns_by_the_cross_entropy_of_w(s, right):
    found = losses.supervised_variance(torch.tensor(s), torch.tensor(right), 2.5, 0.2)
    weight = 1 / (1 + mpmath.exp(-(mpmath.mpf("2.5") - mpmath.exp(mpmath.mpf(s))) / mpmath.mpf("0.2")))
    with mpmath.workdps(60):
        exact = -right * mpmath.log(weight) - (1 - right) * mpmath.log1p(-weight) if right < 1 else -mpmath.log(weight)
    if mpmath.isfinite(exact):
        assert found.item() == pytest.approx(float(exact), rel=1e-4, abs=1e-5)
    raw = torch.tensor(s, requires_grad=True)
    losses.supervised_variance(raw, torch.tensor(right), 2.5, 0.2).backward()
    assert torch.isfinite(raw.grad) and torch.isfinite(found)
