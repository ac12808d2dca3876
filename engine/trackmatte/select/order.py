"""One order for the layers of neighbouring frames: each goes on where the layer it resembles was.

The best one-to-one assignment (Kuhn, 1955) by overlap and colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

F32 = NDArray[np.float32]

WIDE = 256
"""Layers are compared at this many px of the longer side at most."""
NEAR = 25.0
"""Mean colours so far apart in Lab (CIE 1976) are a third as alike as equal ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is kept of a frame's layers to know the next frame's by."""

    covers: F32
    """(n, pixels) the layers, reduced."""
    colours: F32
    """(n, 3) the picture's mean Lab under each, 0 under one that is empty."""


def known(shown: NDArray[np.uint8], layers: F32) -> Known:
    """Return what to know layers by.

    Parameters
    ----------
    shown : (H, W, 3) sRGB.
    layers : (H, W, n) in [0, 1].
    """
    height, width = shown.shape[:2]
    factor = min(1.0, WIDE / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = cv2.resize(shown, size, interpolation=cv2.INTER_AREA).astype(np.float32) / np.float32(255)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).reshape(-1, 3)
    planes = (np.ascontiguousarray(layers[..., i]) for i in range(layers.shape[2]))
    covers = np.stack([cv2.resize(p, size, interpolation=cv2.INTER_AREA).ravel() for p in planes])
    mass = covers.sum(1, keepdims=True)
    return Known(covers, np.asarray(covers @ lab / np.maximum(mass, 1e-6), np.float32))


def order_after(before: Known, now: Known) -> NDArray[np.int64]:
    """Return (n,) which layer of ``now`` goes on with each of ``before``; both have n of the same size.

    Likeness is the overlap (soft intersection over union) plus ``exp(-(d / NEAR)^2)`` of the distance d of
    both colours; an empty layer is like no other.
    """
    n = len(before.covers)
    alike = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            alike[i, j] = _likeness(before, i, now, j)
    chosen: NDArray[Any] = linear_sum_assignment(alike, maximize=True)[1]
    return chosen.astype(np.int64)


def _likeness(before: Known, i: int, now: Known, j: int) -> float:
    a, b = before.covers[i], now.covers[j]
    union = float(np.maximum(a, b).sum())
    if not (a.any() and b.any()):
        return 0.0
    apart = float(np.square(before.colours[i] - now.colours[j]).sum())
    return float(np.minimum(a, b).sum()) / union + float(np.exp(-apart / NEAR**2))
