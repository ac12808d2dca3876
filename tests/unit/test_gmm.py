"""Mixtures recover what made the samples, and stay finite on degenerate ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from trackmatte.errors import UsageError
from trackmatte.numerics.gmm import (
    Mixture,
    bic,
    choose_mixture,
    fit_labelled,
    fit_mixture,
    kmeans,
    log_sum_exp,
)


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


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_told(value):
    x = np.ones((5, 3))
    x[2, 1] = value
    for fit in (fit_mixture, choose_mixture, lambda bad: fit_labelled(bad, np.zeros(5, int))):
        with pytest.raises(UsageError, match="1 of 5 samples are not finite"):
            fit(x)


@pytest.mark.parametrize("components", [1, 3, 5])
def test_em_is_that_of_scikit_learn(components):
    x, _ = _samples(400, seed=3)
    start = fit_mixture(x, components=components, rounds=0, floor=1e-3)
    theirs = GaussianMixture(
        components,
        reg_covar=1e-3,
        tol=0,
        max_iter=25,
        weights_init=start.weights,
        means_init=start.means,
        precisions_init=np.linalg.inv(start.covariances),
    )
    with pytest.warns(Warning, match="converge"):
        theirs.fit(x)
    ours = fit_mixture(x, start=start, rounds=theirs.n_iter_, floor=1e-3)
    assert np.allclose(ours.means, theirs.means_, atol=1e-6)
    assert np.allclose(ours.covariances, theirs.covariances_, atol=1e-5)
    assert np.allclose(ours.weights, theirs.weights_, atol=1e-8)
    assert np.allclose(ours.log_density(x), theirs.score_samples(x), atol=1e-6)
    assert np.allclose(ours.responsibilities(x), theirs.predict_proba(x), atol=1e-6)
    assert bic(ours, x) == pytest.approx(theirs.bic(x))


def test_the_number_of_components_is_found():
    x, _ = _samples(300, seed=5)
    assert len(choose_mixture(x, most=6).weights) == 3
    one = np.random.default_rng(0).normal(0, 1, (300, 2))
    assert len(choose_mixture(one, most=4).weights) == 1
    with pytest.raises(UsageError, match="one or more"):
        choose_mixture(one, most=0)


def test_known_classes_give_counts_means_and_covariances():
    x, _ = _samples(50, seed=2)
    labels = np.repeat([7, 2, 4], 50)
    model = fit_labelled(x, labels)
    assert np.allclose(model.weights, 1 / 3)
    for k, label in enumerate([2, 4, 7]):
        mine = x[labels == label]
        assert np.allclose(model.means[k], mine.mean(0))
        assert np.allclose(model.covariances[k], np.cov(mine.T, bias=True))
    with pytest.raises(UsageError, match="one per sample"):
        fit_labelled(x, labels[1:])


def test_a_bounded_estimate_is_the_likeliest_bounded_one():
    rng = np.random.default_rng(0)
    x = rng.normal(0, [3, 0.1, 0.01], (200, 3)) @ np.linalg.qr(rng.normal(0, 1, (3, 3)))[0]
    model = fit_labelled(x, np.zeros(200, int), floor=0.25)
    best = model.log_density(x).sum()
    assert np.linalg.eigvalsh(model.covariances[0]).min() == pytest.approx(0.25)
    for _ in range(200):  # any other covariance above the bound
        root = rng.normal(0, rng.choice([0.01, 0.3]), (3, 3))
        values, vectors = np.linalg.eigh(model.covariances[0] + root + root.T)
        other = (vectors * np.maximum(values, 0.25)) @ vectors.T
        assert Mixture(model.weights, model.means, other[None]).log_density(x).sum() <= best + 1e-9


def test_centres_are_as_good_as_those_of_scikit_learn():
    x = np.random.default_rng(4).normal(0, 1, (1500, 3))

    def cost(centres):
        return ((x[:, None] - centres[None]) ** 2).sum(-1).min(1).sum()

    theirs = KMeans(32, n_init=1, random_state=0).fit(x).cluster_centers_
    assert cost(kmeans(x, 32)) <= 1.05 * cost(theirs)
    assert len(kmeans(np.repeat(x[:3], 9, axis=0), 8)) == 3
