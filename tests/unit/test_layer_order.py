"""The order of layers from frame to frame: against all orders, and where layers are empty."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from trackmatte.select.order import NEAR, Known, known, order_after

F32 = NDArray[np.float32]
COLOURS = np.array([[200, 40, 40], [40, 160, 60], [50, 60, 210], [230, 220, 90]], np.uint8)


def layered(seed: int, shift: int = 0) -> tuple[NDArray[np.uint8], F32]:
    """A picture of four upright stripes of random widths and its layers, (40, 60, 3) and (40, 60, 4)."""
    rng = np.random.default_rng(seed)
    ends = np.sort(rng.choice(np.arange(6, 54), 3, replace=False)) + shift
    index = np.searchsorted(ends, np.arange(60), side="right")
    layers = (index[None, :, None] == np.arange(4)).repeat(40, 0).astype(np.float32)
    return COLOURS[index][None].repeat(40, 0), layers


def test_shuffled_layers_of_a_moved_picture_are_put_back() -> None:
    for seed in range(8):
        rng = np.random.default_rng(seed)
        before = known(*layered(seed))
        shown, layers = layered(seed, shift=3)
        shuffled = layers[..., rng.permutation(4)]
        order = order_after(before, known(shown, shuffled))
        np.testing.assert_array_equal(shuffled[..., order], layers)


def test_the_order_is_the_best_of_all() -> None:
    rng = np.random.default_rng(1)
    for _ in range(6):
        a, b = (Known(rng.random((4, 50), np.float32), 40 * rng.random((4, 3), np.float32)) for _ in range(2))

        def likeness(i: int, j: int, a: Known = a, b: Known = b) -> float:
            x, y = a.covers[i], b.covers[j]
            apart = np.linalg.norm(a.colours[i] - b.colours[j])
            return float(np.minimum(x, y).sum() / np.maximum(x, y).sum() + np.exp(-((apart / NEAR) ** 2)))

        best = max(permutations(range(4)), key=lambda p: sum(likeness(i, j) for i, j in enumerate(p)))
        assert order_after(a, b).tolist() == list(best)


def test_colour_decides_where_nothing_overlaps() -> None:
    shown, layers = layered(0)
    turned = np.ascontiguousarray(shown[:, ::-1])
    order = order_after(known(shown, layers), known(turned, np.ascontiguousarray(layers[:, ::-1])))
    assert order.tolist() == [0, 1, 2, 3]


def test_an_empty_layer_takes_the_place_that_is_left() -> None:
    shown, layers = layered(0)
    fewer = layers.copy()
    fewer[..., 0] += fewer[..., 2]
    fewer[..., 2] = 0
    shuffled = np.ascontiguousarray(fewer[..., [2, 3, 1, 0]])
    order = order_after(known(shown, layers), known(shown, shuffled))
    np.testing.assert_array_equal(shuffled[..., order], fewer)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (700, 2)])
def test_pictures_of_any_shape_have_an_order(shape: tuple[int, int]) -> None:
    shown = np.zeros((*shape, 3), np.uint8)
    layers = np.zeros((*shape, 2), np.float32)
    layers[..., 1] = 1
    assert order_after(known(shown, layers), known(shown, layers[..., ::-1].copy())).tolist() == [1, 0]
