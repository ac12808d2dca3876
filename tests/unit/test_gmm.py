"""Mixtures recover what made the samples, and stay finite on degenerate ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackmatte.errors import UsageError
from trackmatte.numerics.gmm import Mixture, fit_mixture, log_sum_exp


def _samples(count=1500, seed=0):
    rng = np.random.default_rng(seed)
    means = np.array([[0.0, 0, 0], [20, 0, 5], [-5, 25, 0]])
    return np.vstack([rng.normal(m, 1 + i, (count, 3)) for i, m in enumerate(means)]), means


@pytest.mark.parametrize("hard", [False, True])
def test_separate_clusters_are_found(hard):
    x, means = _samples()
    model = fit_mixture(x, components=3, hard=hard)
    order = [int(((model.means - m) ** 2).sum(1).argmin()) for m in means]
    assert sorted(order) == [0, 1, 2]
    assert np.allclose(model.means[order], means, atol=0.3)
    assert np.allclose(np.sqrt(model.covariances[order, 0, 0]), [1, 2, 3], rtol=0.1)
    assert np.allclose(model.weights, 1 / 3, atol=0.02)


def test_log_density_is_that_of_the_formula():
    covariance = np.array([[2.0, 0.5], [0.5, 1.0]])
    model = Mixture(np.array([0.3, 0.7]), np.array([[0.0, 0], [3, 1]]), np.array([covariance, np.eye(2)]))
    x = np.array([[0.5, -1.0], [40, 40]])
    for row, log in zip(x, model.log_density(x), strict=True):
        terms = []
        for w, m, c in zip(model.weights, model.means, model.covariances, strict=True):
            d = row - m
            terms.append(
                np.log(w) - np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(c)[1] - d @ np.linalg.inv(c) @ d / 2
            )
        assert log == pytest.approx(np.logaddexp(*terms))
    assert np.allclose(log_sum_exp(model.component_log_densities(x)), model.log_density(x))
    assert np.allclose(model.responsibilities(x).sum(1), 1)


def test_em_never_lowers_the_likelihood():
    x, _ = _samples(seed=1)
    model, last = fit_mixture(x, components=4, rounds=0), -np.inf
    for _ in range(8):
        now = model.log_density(x).mean()
        assert now >= last - 1e-6
        model, last = fit_mixture(x, rounds=1, start=model, floor=1e-9), now


def test_weights_select_samples():
    x, means = _samples()
    weights = np.r_[np.zeros(1500), np.ones(1500), np.zeros(1500)]
    model = fit_mixture(x, weights, components=1)
    assert np.allclose(model.means[0], means[1], atol=0.2)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(1, 4), st.booleans(), st.integers(0, 9))
def test_few_and_equal_samples_stay_finite(count, dimensions, equal, seed):
    x = np.random.default_rng(seed).integers(0, 3, (count, dimensions)).astype(np.uint8)
    if equal:
        x[:] = x[0]
    model = fit_mixture(x)
    assert np.isfinite(model.log_density(x)).all()
    assert model.weights.sum() == pytest.approx(1)
    again = fit_mixture(x)
    assert (again.means == model.means).all()


def test_no_samples_is_an_error():
    with pytest.raises(UsageError, match="samples"):
        fit_mixture(np.zeros((0, 3)))
    with pytest.raises(UsageError, match="weight"):
        fit_mixture(np.zeros((4, 3)), np.zeros(4))
