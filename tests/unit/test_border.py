"""Border matting: the chain's optimum by brute force, and soft edges that come back."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import multivariate_normal

from trackmatte.errors import UsageError
from trackmatte.select.border import _pixel_costs, best_profiles, border_matte


@pytest.mark.parametrize("seed", range(5))
def test_the_chain_is_solved_exactly(seed):
    rng = np.random.default_rng(seed)
    centres, widths = np.linspace(-1, 1, 3), np.array([0.1, 0.3])
    costs = rng.normal(0, 30, (4, 3, 2))

    def total(path):
        cost = sum(costs[t, i, j] for t, (i, j) in enumerate(path))
        for (i, j), (k, m) in itertools.pairwise(path):
            cost += 50 * (centres[i] - centres[k]) ** 2 + 1000 * (widths[j] - widths[m]) ** 2
        return cost

    found = best_profiles(costs, centres, widths, closed=False)
    states = list(itertools.product(range(3), range(2)))
    assert total(found.tolist()) == pytest.approx(min(map(total, itertools.product(states, repeat=4))))


def test_a_closed_chain_does_not_depend_on_where_it_begins():
    costs = np.random.default_rng(0).normal(0, 20, (40, 5, 3))
    centres, widths = np.linspace(-1, 1, 5), np.linspace(0.05, 0.5, 3)
    found = best_profiles(costs, centres, widths)
    turned = best_profiles(np.roll(costs, 13, axis=0), centres, widths)
    assert (np.roll(turned, -13, axis=0) == found).all()
    assert best_profiles(costs[:1], centres, widths).shape == (1, 2)


def test_a_pixels_cost_is_the_gaussian_of_its_mixture():
    rng = np.random.default_rng(2)
    means, roots = rng.uniform(20, 220, (2, 2, 3)), rng.normal(0, 12, (2, 2, 3, 3))
    covariances = roots @ roots.transpose(0, 1, 3, 2) + 16 * np.eye(3)
    colours, t = rng.uniform(0, 255, (6, 3)), np.array([0, 1, 0, 1, 1, 0])
    costs = _pixel_costs(colours, t, means, covariances, 5)
    for n, k in itertools.product(range(6), range(5)):
        a, (back, ours), (cov_b, cov_f) = k / 4, means[t[n]], covariances[t[n]]
        mixed = multivariate_normal((1 - a) * back + a * ours, (1 - a) ** 2 * cov_b + a * a * cov_f)
        assert costs[n, k] == pytest.approx(-mixed.logpdf(colours[n]) - 1.5 * np.log(2 * np.pi))


def _soft_disc(sigma, seed=0, shift=0.0):
    y, x = np.mgrid[:90, :100]
    r = 28 - np.hypot(x - 50, y - 45)
    alpha = ndtr((r - shift) / sigma)
    rng = np.random.default_rng(seed)
    ours = np.array([200, 120, 60]) + rng.normal(0, 5, (90, 100, 3))
    theirs = np.array([40, 80, 140]) + rng.normal(0, 5, (90, 100, 3))
    image = alpha[..., None] * ours + (1 - alpha[..., None]) * theirs
    return np.clip(image, 0, 255).astype(np.uint8), alpha, r > 0


@pytest.mark.parametrize(("sigma", "shift"), [(0.7, 0.0), (2.0, 0.0), (1.5, 1.5), (1.5, -1.5)])
def test_soft_edges_come_back(sigma, shift):
    image, alpha, labels = _soft_disc(sigma, shift=shift)
    found = border_matte(image, labels)
    assert np.abs(found - alpha).mean() < 0.35 * np.abs(labels - alpha).mean() + 1e-3
    assert np.abs(found - alpha).max() < 0.3
    assert found.dtype == np.float32


def test_degenerate_masks():
    image, _, labels = _soft_disc(1.0)
    assert (border_matte(image, np.zeros_like(labels)) == 0).all()
    assert (border_matte(image, np.ones_like(labels)) == 1).all()
    dot = np.zeros_like(labels)
    dot[3, 3] = True
    alpha = border_matte(image, dot)
    assert np.isfinite(alpha).all()
    assert (alpha[12:] == 0).all()
    assert border_matte(image[:1, :1], np.ones((1, 1), bool)).shape == (1, 1)
    with pytest.raises(UsageError, match="ribbon"):
        border_matte(image, labels, width=0)
    with pytest.raises(UsageError, match="ribbon"):
        border_matte(image, labels[1:])
