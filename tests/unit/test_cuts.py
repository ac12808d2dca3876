"""Cuts of any grid weights and any graph: brute force and networkx's flow."""

from __future__ import annotations

import itertools

import networkx
import numpy as np
import pytest

from trackmatte.errors import UsageError
from trackmatte.numerics.cuts import DIRECTIONS, arc_cut, graph_energy, sparse_cut


def _arc_energy(labels, unary, arcs):
    total = float(np.where(labels, np.maximum(-unary, 0), np.maximum(unary, 0)).sum())
    height, width = labels.shape
    for y, x, d in itertools.product(range(height), range(width), range(8)):
        v, u = y + DIRECTIONS[d][0], x + DIRECTIONS[d][1]
        if 0 <= v < height and 0 <= u < width and labels[y, x] and not labels[v, u]:
            total += arcs[y, x, d]
    return total


@pytest.mark.parametrize("seed", range(6))
def test_one_sided_arcs_are_cut_exactly(seed):
    rng = np.random.default_rng(seed)
    unary, arcs = rng.normal(0, 2, (3, 3)), rng.random((3, 3, 8)) * (rng.random((3, 3, 8)) < 0.7)
    cut = arc_cut(unary, arcs)
    best = min(
        _arc_energy(np.array(c, bool).reshape(3, 3), unary, arcs) for c in itertools.product((0, 1), repeat=9)
    )
    assert _arc_energy(cut, unary, arcs) == pytest.approx(best, abs=1e-4)


def test_arcs_without_weight_and_bad_ones():
    unary = np.array([[1.5, -1], [np.inf, -np.inf]])
    assert (arc_cut(unary, np.zeros((2, 2, 8))) == (unary > 0)).all()
    assert (arc_cut(unary, np.ones((2, 2, 8))) == [[1, 0], [1, 0]]).all()
    with pytest.raises(UsageError, match="negative"):
        arc_cut(unary, -np.ones((2, 2, 8)))
    with pytest.raises(UsageError, match="arcs"):
        arc_cut(unary, np.ones((2, 2, 4)))


@pytest.mark.parametrize("seed", range(5))
def test_flow_is_that_of_networkx_and_the_cut_costs_it(seed):
    rng = np.random.default_rng(seed)
    pairs = np.array([p for p in itertools.combinations(range(14), 2) if rng.random() < 0.3])
    weights, unary = rng.random(len(pairs)) * 3, rng.normal(0, 2, 14)
    unary[:2] = np.inf, -np.inf
    labels, flow = sparse_cut(unary, pairs, weights)
    graph = networkx.DiGraph()
    graph.add_nodes_from(range(16))
    for (a, b), w in zip(pairs.tolist(), weights.tolist(), strict=True):
        graph.add_edge(a, b, capacity=w)
        graph.add_edge(b, a, capacity=w)
    for i, u in enumerate(unary.tolist()):
        graph.add_edge(*((14, i) if u > 0 else (i, 15)), capacity=min(abs(u), 1e3))
    assert flow == pytest.approx(networkx.maximum_flow_value(graph, 14, 15), abs=1e-5)
    assert graph_energy(labels, unary, pairs, weights) == pytest.approx(flow, abs=1e-5)
    assert labels[0]
    assert not labels[1]


def test_a_graph_without_pairs_and_bad_ones():
    labels, flow = sparse_cut(np.array([2.0, -1, 0]), np.zeros((0, 2), int), np.zeros(0))
    assert labels.tolist() == [True, False, False]
    assert flow == 0
    with pytest.raises(UsageError, match="fit together"):
        sparse_cut(np.zeros(3), np.zeros((2, 2), int), np.zeros(3))
    with pytest.raises(UsageError, match="negative"):
        sparse_cut(np.zeros(3), np.array([[0, 1]]), np.array([-1.0]))
