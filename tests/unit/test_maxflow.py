"""The grid cut is exact, honours fixed pixels and is deterministic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from trackmatte.errors import UsageError
from trackmatte.numerics.maxflow import contrast_beta, energy, grid_cut


def _problem(seed, height, width, scale=3.0):
    rng = np.random.default_rng(seed)
    unary = rng.normal(0, scale, (height, width)).astype(np.float32)
    guide = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return unary, guide


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("smoothness", [0.3, 2.0, 9.0])
def test_no_labelling_of_a_tiny_grid_has_less_energy(seed, smoothness):
    unary, guide = _problem(seed, 3, 4)
    cut = grid_cut(unary, guide, smoothness=smoothness)
    bits = (np.arange(4096)[:, None] >> np.arange(12)) & 1
    best = min(energy(b.astype(bool).reshape(3, 4), unary, guide, smoothness=smoothness) for b in bits)
    assert energy(cut, unary, guide, smoothness=smoothness) == pytest.approx(best, abs=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 20), st.floats(0.1, 0.9))
def test_fixed_pixels_keep_their_sign_and_the_rest_is_optimal(seed, smoothness, share):
    unary, guide = _problem(seed, 3, 4)
    free = np.random.default_rng(seed + 1).random((3, 4)) < share
    cut = grid_cut(unary, guide, smoothness=smoothness, free=free)
    fixed = unary > 0
    assert (cut[~free] == fixed[~free]).all()
    where = np.flatnonzero(free)
    best = np.inf
    for code in range(1 << where.size):
        labels = fixed.copy()
        labels.ravel()[where] = (code >> np.arange(where.size)) & 1
        best = min(best, energy(labels, unary, guide, smoothness=smoothness))
    assert energy(cut, unary, guide, smoothness=smoothness) == pytest.approx(best, abs=1e-4)


def test_beta_is_half_the_reciprocal_of_the_mean_squared_contrast():
    image = np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)
    z, far = image.astype(float), []
    for y in range(5):
        for x in range(7):
            for v, u in ((y, x + 1), (y + 1, x - 1), (y + 1, x), (y + 1, x + 1)):
                if v < 5 and 0 <= u < 7:
                    far.append(((z[y, x] - z[v, u]) ** 2).sum())
    assert contrast_beta(image) == pytest.approx(1 / (2 * np.mean(far)))
    assert contrast_beta(np.full((4, 4, 3), 9, np.uint8)) == 0


def _scipy_energy(unary, guide, smoothness, scale=2000):
    """Least energy by scipy's maximum flow on the same graph."""
    height, width = unary.shape
    n = height * width
    beta, image = contrast_beta(guide), guide.astype(float)
    rows, cols, caps = [], [], []
    for y in range(height):
        for x in range(width):
            i = y * width + x
            for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
                v, u = y + dy, x + dx
                if v < height and 0 <= u < width:
                    w = np.exp(-beta * ((image[y, x] - image[v, u]) ** 2).sum()) / np.hypot(dy, dx)
                    rows += [i, v * width + u]
                    cols += [v * width + u, i]
                    caps += [smoothness * w] * 2
            rows += [n, i]
            cols += [i, n + 1]
            caps += [max(unary[y, x], 0), max(-unary[y, x], 0)]
    graph = csr_array((np.rint(np.array(caps) * scale).astype(np.int32), (rows, cols)), (n + 2, n + 2))
    return maximum_flow(graph.tocsr(), n, n + 1).flow_value / scale


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("smoothness", [1.0, 6.0])
def test_min_cut_equals_max_flow_of_scipy(seed, smoothness):
    unary, guide = _problem(seed, 31, 27)
    guide //= 16  # weaker contrast couples pixels more
    unary += np.linspace(-3, 3, 27, dtype=np.float32)
    cut = grid_cut(unary, guide, smoothness=smoothness)
    got = energy(cut, unary, guide, smoothness=smoothness)
    assert got == pytest.approx(_scipy_energy(unary, guide, smoothness), rel=2e-3)


def test_smooths_noise_and_follows_edges():
    guide = np.zeros((40, 60, 3), np.uint8)
    guide[:, 31:] = 255
    rng = np.random.default_rng(0)
    unary = (np.where(np.arange(60) > 30, 1.0, -1.0) + rng.normal(0, 1.5, (40, 60))).astype(np.float32)
    assert (grid_cut(unary, guide, smoothness=3.0) == (np.arange(60) > 30)).all()


def test_infinite_unaries_are_hard_and_nan_says_nothing():
    unary = np.full((5, 5), np.nan, np.float32)
    unary[0], unary[4] = np.inf, -np.inf
    cut = grid_cut(unary, np.zeros((5, 5, 3), np.uint8), smoothness=1.0)
    assert cut[0].all()
    assert not cut[4].any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (3, 40)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_degenerate_shapes_and_constant_images(shape, dtype):
    unary = np.full(shape, 0.5, np.float32)
    cut = grid_cut(unary, np.zeros((*shape, 3), dtype), smoothness=2.0)
    assert cut.shape == shape
    assert cut.all()
    assert not grid_cut(-unary, np.zeros((*shape, 3), dtype), smoothness=2.0).any()


def test_no_smoothness_is_the_sign_and_repeats_agree():
    unary, guide = _problem(3, 17, 13)
    assert (grid_cut(unary, guide, smoothness=0) == (unary > 0)).all()
    first = grid_cut(unary, guide, smoothness=4.0)
    assert (first == grid_cut(unary, guide, smoothness=4.0)).all()


def test_bad_input_is_told():
    unary, guide = _problem(0, 4, 5)
    with pytest.raises(UsageError, match="must be"):
        grid_cut(unary, guide[:3], smoothness=1)
    with pytest.raises(UsageError, match="smoothness"):
        grid_cut(unary, guide, smoothness=-1)
    with pytest.raises(UsageError, match="free"):
        grid_cut(unary, guide, smoothness=1, free=np.ones((2, 2), bool))
