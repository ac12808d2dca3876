"""The bounded working scale of the flow tracker."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

AREA = 960 * 540
"""Most pixels worked on; larger frames are area-averaged down, so cost does not grow with them."""
SIDE = 1280
"""Longest side worked on (very wide frames)."""


def working_size(height: int, width: int) -> tuple[int, int]:
    """Return (rows, columns) of the working image for a frame of ``height`` x ``width``."""
    f = min(1.0, (AREA / (height * width)) ** 0.5, SIDE / max(height, width))
    return max(1, round(height * f)), max(1, round(width * f))


def to_working(rgb: NDArray[Any]) -> U8:
    """Bring an (H, W, 3) or grey (H, W[, 1]) uint8 image to (h, w, 3) at working scale."""
    if rgb.ndim == 2:
        rgb = rgb[..., None]
    if rgb.shape[2] == 1:
        rgb = np.repeat(rgb, 3, axis=2)
    rows, cols = working_size(*rgb.shape[:2])
    rgb = rgb[..., :3]
    if (rows, cols) != rgb.shape[:2]:
        rgb = cv2.resize(np.ascontiguousarray(rgb), (cols, rows), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(rgb)


def resize_map(a: F32, size: tuple[int, int]) -> F32:
    """Bring an (h, w) float map to ``size`` (rows, columns): averaged when smaller, bilinear when larger."""
    rows, cols = size
    if a.shape == size:
        return a
    smaller = rows * cols < a.shape[0] * a.shape[1]
    mode = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    out: F32 = cv2.resize(a, (cols, rows), interpolation=mode)
    return out


def sigmoid(x: F32) -> F32:
    """Return 1 / (1 + exp(-x))."""
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -30, 30))), np.float32)


def logit(p: F32, limit: float) -> F32:
    """Return log(p / (1 - p)) clipped to +-``limit``."""
    q = np.clip(p, 1e-6, 1 - 1e-6)
    return np.asarray(np.clip(np.log(q / (1 - q)), -limit, limit), np.float32)
