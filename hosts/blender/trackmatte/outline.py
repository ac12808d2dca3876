# SPDX-License-Identifier: GPL-3.0-or-later
"""From pixels to splines: the outlines of a mask."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
"""Right, down, left, up."""
_FINE = 16
"""Positions between two points of a spline at which it is compared with an outline."""


def trace(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Return the outlines of a mask's pieces and of their holes, along pixel edges, the largest first.

    Parameters
    ----------
    mask : (H, W), row 0 on top.

    Returns
    -------
    (N, 2) corners in pixels each, x right and y down, the subject on the right hand: `area` of a piece is
    positive, of a hole negative.
    """
    edges = _edges(mask)
    found = []
    while edges:
        start = next(iter(edges))
        walk, (x, y), heading = [], start, edges[start][0]
        while True:
            out = edges[(x, y)]
            # Where two pixels touch at a corner, turn right first: pieces stay apart.
            turn = next(h for h in ((heading + 1) % 4, heading, (heading + 3) % 4) if h in out)
            out.remove(turn)
            if not out:
                del edges[(x, y)]
            walk.append((x, y))
            heading = turn
            x, y = x + _STEPS[turn][0], y + _STEPS[turn][1]
            if (x, y) == start:
                break
        found.append(np.asarray(walk, float))
    return sorted(found, key=lambda line: -abs(area(line)))


def _edges(mask: NDArray[np.bool_]) -> dict[tuple[int, int], list[int]]:
    """Return the headings that leave each corner, going round the mask clockwise on screen."""
    padded = np.pad(mask, 1)
    inner = padded[1:-1, 1:-1]
    sides = (
        (~padded[:-2, 1:-1], 0, 0, 0),  # top side: from its left corner to the right
        (~padded[1:-1, 2:], 1, 0, 1),  # right side: down
        (~padded[2:, 1:-1], 1, 1, 2),  # bottom side: to the left
        (~padded[1:-1, :-2], 0, 1, 3),  # left side: up
    )
    found: dict[tuple[int, int], list[int]] = {}
    for free, dx, dy, heading in sides:
        for y, x in np.argwhere(inner & free):
            found.setdefault((int(x) + dx, int(y) + dy), []).append(heading)
    return found


def area(outline: NDArray[np.float64]) -> float:
    """Return the signed area of a polygon (N, 2), positive when clockwise on screen (shoelace formula)."""
    x, y = outline[:, 0], outline[:, 1]
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


def fitted(
    outline: NDArray[np.float64], count: int, like: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the points of the closed Catmull-Rom spline that is closest to an outline (least squares).

    Parameters
    ----------
    count : points.
    like : (count, 2) the points of the frame before: the start is chosen so that points wander least.
    """
    at = _even(outline, count * _FINE)
    points = np.linalg.lstsq(_catmull_rom(count), at, rcond=None)[0]
    if like is None:
        return points
    moved = points - points.mean(0) + like.mean(0)
    costs = [float(np.sum((np.roll(moved, -k, axis=0) - like) ** 2)) for k in range(count)]
    return np.roll(points, -int(np.argmin(costs)), axis=0)


def _even(outline: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return points (count, 2) at even distances on a closed outline."""
    closed = np.vstack([outline, outline[:1]])
    # Pixel edges are stairs: their middles lie on the true edge.
    closed = (closed[1:] + closed[:-1]) / 2
    closed = np.vstack([closed, closed[:1]])
    length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    at = np.linspace(0, length[-1], count, endpoint=False)
    return np.stack([np.interp(at, length, closed[:, i]) for i in (0, 1)], axis=1)


def _catmull_rom(count: int) -> NDArray[np.float64]:
    """Return the matrix (count * _FINE, count) from a closed spline's points to positions along it."""
    t = np.arange(_FINE) / _FINE
    leave, arrive = t**3 - 2 * t**2 + t, t**3 - t**2
    there = 3 * t**2 - 2 * t**3
    weights = (-leave / 2, 1 - there - arrive / 2, there + leave / 2, arrive / 2)
    matrix = np.zeros((count, _FINE, count))
    for here in range(count):
        for k, weight in enumerate(weights):
            matrix[here, :, (here + k - 1) % count] += weight
    return matrix.reshape(-1, count)


def png(mask: NDArray[np.floating]) -> str:
    """Return a mask (H, W) in [0, 1] as a grey PNG in base64."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = mask.shape
    rows = np.zeros((height, width + 1), np.uint8)
    rows[:, 1:] = np.rint(np.clip(np.nan_to_num(mask), 0, 1) * 255)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()
