# SPDX-License-Identifier: GPL-3.0-or-later
"""From pixels to splines: the outline of a mask."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
"""Right, down, left, up."""


def trace(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the outer outline of the largest piece of a mask, along pixel edges.

    Parameters
    ----------
    mask : (H, W), row 0 on top.

    Returns
    -------
    (N, 2) corners in pixels, x right and y down, the subject on the right hand; (0, 2) for an empty mask.
    """
    edges = _edges(mask)
    best: list[tuple[int, int]] = []
    largest = 0.0
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
        size = area(np.asarray(walk, float))
        if size > largest:
            best, largest = walk, size
    return np.asarray(best, float).reshape(-1, 2)


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


def resample(
    outline: NDArray[np.float64], count: int, like: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return ``count`` points at even distances on a closed outline.

    Parameters
    ----------
    like : (count, 2) the points of the frame before: the start is chosen so that points wander least.
    """
    closed = np.vstack([outline, outline[:1]])
    # Pixel edges are stairs: their middles lie on the true edge.
    closed = (closed[1:] + closed[:-1]) / 2
    closed = np.vstack([closed, closed[:1]])
    length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    at = np.linspace(0, length[-1], count, endpoint=False)
    points = np.stack([np.interp(at, length, closed[:, i]) for i in (0, 1)], axis=1)
    if like is None:
        return points
    moved = points - points.mean(0) + like.mean(0)
    costs = [float(np.sum((np.roll(moved, -k, axis=0) - like) ** 2)) for k in range(count)]
    return np.roll(points, -int(np.argmin(costs)), axis=0)


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
