"""Divergences and likelihoods against numerical integration; schedules."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

torch = pytest.importorskip("torch")

from learn.patch_vae.likelihoods import SMALL, expectation, log_likelihood, log_normaliser  # noqa: E402
from learn.patch_vae.losses import pose_divergence  # noqa: E402
from learn.patch_vae.network import BIN_SD, Laws, Normal  # noqa: E402
from learn.vae_base.divergences import categorical_divergence, divergence  # noqa: E402
from learn.vae_base.schedules import capacity, kl_weight  # noqa: E402

LOGITS = (-9.0, -2.0, -0.9 * SMALL, 0.0, 0.5 * SMALL, 1.1 * SMALL, 3.0, 12.0)


def tensor(value):
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize("a", LOGITS)
def test_continuous_bernoulli_is_a_density_with_its_expectation(a):
    def density(x):
        return math.exp(log_likelihood("continuous-bernoulli", tensor(x), tensor(a), tensor(0.0)))

    assert integrate.quad(density, 0, 1)[0] == pytest.approx(1, abs=1e-6)
    mean = integrate.quad(lambda x: x * density(x), 0, 1)[0]
    assert float(expectation("continuous-bernoulli", tensor(a))) == pytest.approx(mean, abs=1e-5)


def test_gaussian_and_bernoulli_are_normalised():
    log_sd = tensor(math.log(0.3))
    total = integrate.quad(
        lambda x: math.exp(log_likelihood("gaussian", tensor(x), tensor(0.4), log_sd)), -5, 5, points=[0.4]
    )[0]
    assert total == pytest.approx(1, abs=1e-8)
    both = [float(log_likelihood("bernoulli", tensor(x), tensor(1.3), log_sd).exp()) for x in (0.0, 1.0)]
    assert sum(both) == pytest.approx(1)
    assert both[1] == pytest.approx(float(expectation("bernoulli", tensor(1.3))))


def test_normaliser_has_finite_slopes_everywhere():
    a = torch.linspace(-30, 30, 601, requires_grad=True)
    log_normaliser(a).sum().backward()
    assert torch.isfinite(a.grad).all()
    assert torch.all(a.grad.abs() < 1)


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (1.5, 0.2), (-0.4, 2.0)])
def test_normal_divergence(mean, sd):
    q, p = stats.norm(mean, sd), stats.norm()
    x = np.linspace(mean - 12 * sd, mean + 12 * sd, 20_001)
    expected = np.trapezoid(q.pdf(x) * (q.logpdf(x) - p.logpdf(x)), x)
    assert float(divergence(tensor(mean), tensor(2 * math.log(sd)))) == pytest.approx(expected, abs=1e-6)


def test_prior_of_the_angle_is_uniform():
    """The sum over all bins of the normal laws about them, wrapped round the circle."""
    places = np.linspace(0, 1, 200)
    law = sum(stats.norm(k, BIN_SD).pdf(places) for k in range(-8, 10))
    assert np.abs(law - 1).max() < 0.002


def test_divergence_of_the_angle():
    """Of bin and place within it: by integration, and never below that of the angle alone."""
    logits = torch.tensor([[2.0, 1.0, -1.0, -6.0]], dtype=torch.float64)
    mean, sd = 0.3, 0.5
    turn = Normal(tensor([mean]), tensor([math.log(sd)]))
    laws = Laws(Normal(torch.zeros(1, 1), torch.zeros(1, 1)), turn=turn, bin_logits=logits)
    found = float(pose_divergence(laws, torch.zeros(1, dtype=torch.float64)))
    shares = torch.softmax(logits, dim=1)[0].numpy()
    x = np.linspace(-40, 40, 80_001)  # in bins; four bins to a turn, so 20 turns
    joint = 0.0
    for k, share in enumerate(shares):
        q = stats.norm(k + BIN_SD * mean, BIN_SD * sd)
        p = stats.norm(k, BIN_SD)
        joint += share * np.trapezoid(
            q.pdf(x) * (np.log(share) + q.logpdf(x) - np.log(1 / 4) - p.logpdf(x)), x
        )
    assert found == pytest.approx(joint, abs=1e-6)
    circle = np.linspace(0, 4, 4001)
    density = sum(
        share * stats.norm(k + BIN_SD * mean + 4 * turns, BIN_SD * sd).pdf(circle)
        for turns in range(-3, 4)
        for k, share in enumerate(shares)
    )
    alone = np.trapezoid(density * np.log(np.maximum(density, 1e-300) * 4), circle)
    assert 0 < alone <= found + 0.01


def test_divergence_of_classes():
    shares = np.array([0.7, 0.2, 0.1])
    found = categorical_divergence(torch.log(tensor(shares))[None])
    assert float(found[0]) == pytest.approx(stats.entropy(shares, [1 / 3] * 3))


def test_schedules():
    shares = np.linspace(0, 1, 101)
    assert all(kl_weight("constant", one, 0.5, 4) == 1 for one in shares)
    linear = [kl_weight("linear", one, 0.5, 4) for one in shares]
    assert linear[25] == pytest.approx(0.5)
    assert linear[50:] == [1.0] * 51
    cyclic = np.array([kl_weight("cyclic", one, 0.5, 4) for one in shares])
    assert (np.diff(cyclic) < -0.5).sum() == 3
    assert cyclic[-1] == 1.0
    assert capacity(0.25, 0.5, 8.0) == pytest.approx(4.0)
