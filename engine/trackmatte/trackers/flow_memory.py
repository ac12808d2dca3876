"""Remembered frames of the flow tracker: the last one, and the prompted ones for ever."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.trackers.flow_motion import positions, sample

F32 = NDArray[np.float32]
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Remembered:
    """One frame an object's tracker can ask, on the analysis grid."""

    index: int
    """0-based position in the clip."""
    features: F32
    """(rows, cols, d) projected descriptor."""
    labels: F32
    """(rows, cols) in [0, 1], the object."""
    where: F32
    """(rows, cols, 2) (x, y): where each pixel of the present frame was in this one."""

    def advance(self, at: F32) -> None:
        """Chain ``where`` through one frame of motion; ``at`` (rows, cols, 2) is where pixels come from."""
        self.where = sample(self.where, at)

    def anchor(self) -> None:
        """Declare the present frame to be this very frame."""
        self.where = positions(*self.features.shape[:2])

    def correct(self, ys: NDArray[np.int32], xs: NDArray[np.int32], shift: F32, cost: F32) -> None:
        """Pull ``where`` half way towards the places that matched, smoothed and weighted by quality.

        Parameters
        ----------
        ys, xs : (n,) pixels that were matched.
        shift : (n, 2) from the predicted to the matched position.
        cost : (n,) of the match, in nuisance units.
        """
        weight = np.zeros(self.where.shape[:2], np.float32)
        weight[ys, xs] = (1 + cost) ** -2
        moved = np.zeros_like(self.where)
        moved[ys, xs] = shift * weight[ys, xs][:, None]
        num = cv2.GaussianBlur(moved, (0, 0), 4.0)
        den = cv2.GaussianBlur(weight, (0, 0), 4.0)
        self.where = (self.where + 0.5 * num / (den[..., None] + 0.05)).astype(np.float32)


def spread(items: list[T], most: int) -> list[T]:
    """Choose at most ``most`` of ``items``, evenly over their order, ends included."""
    if len(items) <= most:
        return items
    return [items[i] for i in sorted({round(k) for k in np.linspace(0, len(items) - 1, most)})]


def nearest(indices: list[int], present: int, most: int) -> list[int]:
    """Choose the ``most`` useful of ``indices``: the closest before, the closest after, then by distance."""
    before = [i for i in indices if i <= present]
    after = [i for i in indices if i > present]
    first = ([max(before)] if before else []) + ([min(after)] if after else [])
    rest = sorted((i for i in indices if i not in first), key=lambda i: (abs(i - present), i))
    return (first + rest)[:most]


def dilate(mask: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    """Return the pixels within ``radius`` of an (h, w) mask."""
    if not mask.any():
        return mask
    distance = cv2.distanceTransform(1 - mask.astype(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(distance <= radius, dtype=np.bool_)


def centre(plane: F32) -> F32:
    """Return the centroid (x, y) of an (h, w) plane of labels; the middle when it is empty."""
    ys, xs = np.nonzero(plane > 0.5)
    if len(ys) == 0:
        ys, xs = np.array([(plane.shape[0] - 1) / 2]), np.array([(plane.shape[1] - 1) / 2])
    return np.array([xs.mean(), ys.mean()], np.float32)
