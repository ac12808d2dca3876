"""Two small computations on pictures: a hash that survives scaling, and another size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

COLUMNS, ROWS = 9, 8
LUMA = np.array([0.2126, 0.7152, 0.0722])
"""Of Rec.709."""
SAME = 12
"""Bits in which the hashes of one picture may differ."""
BAND = 256
"""Rows of a scaled picture made at once."""


def look_hash(rgb: NDArray[Any]) -> str:
    """Return 16 hexadecimal digits that tell pictures apart, whatever their size or grade.

    The mean luma of 9 x 8 cells, and one bit for each pair of neighbours in a row: whether the left one is
    brighter by more than 1/1024 of the brightest cell (a difference hash after N. Krawetz, 2013).

    Parameters
    ----------
    rgb : (H, W, 3), any samples; what is not finite counts as 0.
    """
    h, w, _ = rgb.shape
    cells = np.empty((ROWS, COLUMNS))
    for row in range(ROWS):
        top, bottom = _cell(row, ROWS, h)
        with np.errstate(invalid="ignore"):  # some kinds of NaN complain when they are converted
            luma = rgb[top:bottom].astype(np.float64)
        luma = np.where(np.isfinite(luma), luma, 0.0) @ LUMA
        for column in range(COLUMNS):
            left, right = _cell(column, COLUMNS, w)
            cells[row, column] = luma[:, left:right].mean()
    bits = cells[:, :-1] - cells[:, 1:] > np.abs(cells).max() / 1024
    return np.packbits(bits.ravel()).tobytes().hex()


def _cell(i: int, count: int, size: int) -> tuple[int, int]:
    """Return the pixels (first, end) of one of ``count`` equal cells; at least one."""
    first = i * size // count
    return first, max(first + 1, (i + 1) * size // count)


def alike(one: str, other: str) -> bool:
    """Whether two hashes are of the same picture."""
    return (int(one, 16) ^ int(other, 16)).bit_count() <= SAME


def scaled(plane: NDArray[np.float32], size: tuple[int, int]) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield the rows of a plane at another size, each pixel the mean of the area it covers.

    Parameters
    ----------
    plane : (H, W) in [0, 1].
    size : (width, height) in pixels.

    Yields
    ------
    Rows of the result as a slice, and what they hold, (n, width); the plane itself where it has that size.
    """
    w, h = size
    if plane.shape == (h, w):
        yield slice(0, h), plane
        return
    across = (_areas(plane.shape[1], w) @ plane.T).T
    down = _areas(plane.shape[0], h)
    for top in range(0, h, BAND):
        rows = slice(top, min(h, top + BAND))
        yield rows, np.clip(down[rows] @ across, 0, 1, dtype=np.float32)


def _areas(size: int, wanted: int) -> Any:
    """Return (wanted, size) weights: which part of each pixel of a row lies in each of its new pixels."""
    edges = np.arange(wanted + 1) * (size / wanted)
    edges[-1] = size
    first = np.minimum(np.floor(edges[:-1]).astype(np.int64), size - 1)
    last = np.clip(np.ceil(edges[1:]).astype(np.int64), first + 1, size)
    counts = last - first
    starts = np.cumsum(counts) - counts
    rows = np.repeat(np.arange(wanted), counts)
    columns = np.arange(counts.sum()) - np.repeat(starts - first, counts)
    weights = np.minimum(columns + 1, edges[rows + 1]) - np.maximum(columns, edges[rows])
    weights = np.maximum(weights, 0) * (wanted / size)
    return sp.csr_matrix((weights.astype(np.float32), (rows, columns)), shape=(wanted, size))
