"""ICM and alpha-expansion against brute force, and the energies they report."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackmatte.errors import UsageError
from trackmatte.numerics.mrf import _move, expansion, gibbs_energy, icm, segment_mrf


def _by_definition(labels, costs, beta):
    total = 0.0
    height, width = labels.shape
    for y, x in itertools.product(range(height), range(width)):
        total += costs[y, x, labels[y, x]]
        for v, u in ((y + 1, x), (y, x + 1)):
            if v < height and u < width:
                total += beta if labels[y, x] != labels[v, u] else -beta
    return total


def _least(costs, beta):
    height, width, count = costs.shape
    return min(
        _by_definition(np.array(c, np.int32).reshape(height, width), costs, beta)
        for c in itertools.product(range(count), repeat=height * width)
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("beta", [0.0, 0.3, 1.5])
def test_two_labels_are_cut_exactly(seed, beta):
    costs = np.random.default_rng(seed).normal(0, 2, (3, 3, 2))
    labels, energies = expansion(costs, beta)
    assert energies[-1] == pytest.approx(_least(costs, beta), abs=1e-4)
    assert energies[-1] == pytest.approx(_by_definition(labels, costs, beta))


@pytest.mark.parametrize("seed", range(8))
def test_each_move_is_the_best_of_all_moves(seed):
    rng = np.random.default_rng(seed)
    costs, labels = rng.normal(0, 1, (3, 3, 3)), rng.integers(0, 3, (3, 3)).astype(np.int32)
    beta, alpha = (0.3, 0.6, 1.5)[seed % 3], seed % 3
    taken = _move(costs, labels, alpha, 2 * beta)
    moves = [np.array(c).reshape(3, 3) for c in itertools.product((False, True), repeat=9)]
    least = min(_by_definition(np.where(m, alpha, labels), costs, beta) for m in moves)
    assert _by_definition(np.where(taken, alpha, labels), costs, beta) == pytest.approx(least, abs=1e-4)


def test_expansion_keeps_its_bound_and_mostly_finds_the_minimum():
    exact = 0
    for seed in range(8):
        costs = np.abs(np.random.default_rng(seed).normal(0, 2, (2, 4, 3)))
        beta = (0.3, 0.8)[seed % 2]
        labels, energies = expansion(costs, beta)
        least, pairs = _least(costs, beta), 10
        found = _by_definition(labels, costs, beta)
        assert energies[-1] == pytest.approx(found)
        # The bound is for costs of 0 (same) and 2 beta (different).
        assert found + beta * pairs <= 2 * (least + beta * pairs) + 1e-6
        exact += found <= least + 1e-4
    assert exact >= 6


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5), st.floats(0, 5))
def test_icm_ends_where_no_pixel_can_improve_and_expansion_is_as_good(seed, count, beta):
    costs = np.random.default_rng(seed).normal(0, 2, (5, 6, count))
    labels, energies = icm(costs, beta)
    assert (np.diff(energies) < 0).all()
    assert energies[-1] == pytest.approx(_by_definition(labels, costs, beta))
    for y, x, k in itertools.product(range(5), range(6), range(count)):
        other = labels.copy()
        other[y, x] = k
        assert gibbs_energy(other, costs, beta) >= energies[-1] - 1e-6
    better, trace = expansion(costs, beta, labels)
    assert trace[0] == pytest.approx(energies[-1])
    assert (np.diff(trace) <= 1e-9).all()
    assert trace[-1] == pytest.approx(_by_definition(better, costs, beta))


@pytest.mark.parametrize("minimise", [icm, expansion])
def test_small_gains_are_taken(minimise):
    costs = np.zeros((1, 2, 2))
    costs[0, :, 0] = 1e-3, -1e-3
    labels, energies = minimise(costs, 0.0, np.array([[0, 1]], np.int32))
    assert labels.tolist() == [[1, 0]]
    assert energies[-1] == pytest.approx(-1e-3)


@pytest.mark.parametrize("solver", ["icm", "cut"])
def test_noisy_regions_are_found(solver):
    truth = np.zeros((40, 60), int)
    truth[:, 20:] = 1
    truth[15:30, 30:50] = 2
    rng = np.random.default_rng(0)
    colours = np.array([[60, 60, 60], [130, 120, 90], [90, 150, 160]])
    image = np.clip(colours[truth] + rng.normal(0, 25, (40, 60, 3)), 0, 255).astype(np.uint8)
    labels, energies = segment_mrf(image, 3, beta=2.0, solver=solver)
    assert (np.diff(energies) <= 1e-6).all()
    assert len(energies) > 2
    names = [np.bincount(labels[truth == k]).argmax() for k in range(3)]
    assert sorted(names) == [0, 1, 2]
    right = (np.array(names)[truth] == labels).mean()
    assert right > (0.995 if solver == "cut" else 0.97)


def test_degenerate_images_and_bad_input():
    one = segment_mrf(np.zeros((1, 1, 3), np.uint8), 1)
    assert one[0].shape == (1, 1)
    flat, _ = segment_mrf(np.full((5, 7, 3), 9, np.uint8), 4)
    assert (flat == 0).all()
    with pytest.raises(UsageError, match="labels for 4 pixels"):
        segment_mrf(np.zeros((2, 2, 3), np.uint8), 5)
    for bad in (np.nan, np.inf):
        with pytest.raises(UsageError, match="4 pixels of the image are not finite"):
            segment_mrf(np.full((2, 2, 3), bad), 2)
    large = np.broadcast_to(np.uint8(0), (10_000, 10_000, 3))
    with pytest.raises(UsageError, match="100 megapixels"):
        segment_mrf(large, 2)
    with pytest.raises(UsageError, match="300 labels for 1 megapixels"):
        segment_mrf(large[:1000, :1000], 300)
    shown = np.random.default_rng(0).integers(0, 256, (6, 5, 3)).astype(np.uint8)
    assert (segment_mrf(shown / 255, 3)[0] == segment_mrf(shown, 3)[0]).all()
    with pytest.raises(UsageError, match="beta"):
        icm(np.zeros((2, 2, 2)), -1)
    with pytest.raises(UsageError, match="finite"):
        expansion(np.full((2, 2, 2), np.nan), 1)
