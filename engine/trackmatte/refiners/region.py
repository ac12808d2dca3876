"""The part of the plate a refiner looks at, and how far from the contour it may go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.mask import Mask

Bounds = tuple[float, float, float, float]
"""x0, y0, x1, y1 of a mask in [0, 1] of the frame."""
PAD, LEAST = 0.12, 24
"""Padding around the subject: share of its size, and pixels at least."""
SNAP = 64
"""Edges of a region lie on multiples of this many pixels, so that small changes do not move it."""
GUARD, GUARD_LEAST = 0.1, 8.0
"""Distance from the contour up to which alpha may differ from the mask: share of the subject's size (the root
of its area), and pixels of a 960-wide frame at least."""

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of plate pixels, half open."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.x1 - self.x0, self.y1 - self.y0

    def crop(self, image: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return the region of an (H, W, ...) image, as a view."""
        return image[self.y0 : self.y1, self.x0 : self.x1]


def bounds_of(mask: Mask) -> Bounds | None:
    """Return the mask's bounding box in [0, 1], or None when it is empty."""
    ys, xs = np.flatnonzero(mask.binary.any(1)), np.flatnonzero(mask.binary.any(0))
    if not len(xs):
        return None
    h, w = mask.logits.shape
    return float(xs[0]) / w, float(ys[0]) / h, float(xs[-1] + 1) / w, float(ys[-1] + 1) / h


def region_of(boxes: Iterable[Bounds], size: tuple[int, int]) -> Region | None:
    """Return the region that holds a subject with all its hair over a range of frames.

    Parameters
    ----------
    boxes : bounds of its masks.
    size : (width, height) of the plate.
    """
    found = list(boxes)
    if not found:
        return None
    w, h = size
    x0, y0 = min(b[0] for b in found) * w, min(b[1] for b in found) * h
    x1, y1 = max(b[2] for b in found) * w, max(b[3] for b in found) * h
    dx, dy = max(LEAST, PAD * (x1 - x0)), max(LEAST, PAD * (y1 - y0))
    left, top = int((x0 - dx) // SNAP) * SNAP, int((y0 - dy) // SNAP) * SNAP
    right, bottom = -int(-(x1 + dx) // SNAP) * SNAP, -int(-(y1 + dy) // SNAP) * SNAP
    return Region(max(0, left), max(0, top), min(w, right), min(h, bottom))


def region_around(mask: Mask, size: tuple[int, int], reach: float) -> Region | None:
    """Return the region of one frame that holds the mask's contour and all within ``reach`` plate px of it.

    None where there is no contour: the mask is empty, or the whole frame.
    """
    inside = mask.binary.astype(np.uint8)
    if not inside.any() or inside.all():
        return None
    square = np.ones((3, 3), np.uint8)
    edge = cv2.dilate(inside, square) - cv2.erode(inside, square)
    spans = []
    for axis, length in ((1, size[0]), (0, size[1])):
        found = np.flatnonzero(edge.any(1 - axis))
        scale = length / inside.shape[axis]
        low = int((found[0] * scale - reach) // SNAP) * SNAP
        high = -int(-((found[-1] + 1) * scale + reach) // SNAP) * SNAP
        spans.append((max(0, low), min(length, high)))
    (x0, x1), (y0, y1) = spans
    return Region(x0, y0, x1, y1)


def resample(image: F32, size: tuple[int, int], region: Region) -> F32:
    """Read a region of a picture that is enlarged (cubic) or reduced (linear) to ``size``, centres kept.

    Parameters
    ----------
    image : (h, w).
    size : (width, height) that the whole of it comes to.
    region : what of that is wanted.
    """
    sx, sy = size[0] / image.shape[1], size[1] / image.shape[0]
    back = np.array([[1 / sx, 0, (region.x0 + 0.5) / sx - 0.5], [0, 1 / sy, (region.y0 + 0.5) / sy - 0.5]])
    flags = cv2.WARP_INVERSE_MAP | (cv2.INTER_LINEAR if sx < 1 else cv2.INTER_CUBIC)
    out: F32 = cv2.warpAffine(image, back, region.size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return out


def guard(
    alpha: F32,
    logits: F32,
    *,
    area: float,
    width: int,
    pixel: float = 1.0,
    free: NDArray[np.bool_] | None = None,
) -> F32:
    """Keep alpha to the mask away from its contour, so that no core is eaten and no background caught.

    Parameters
    ----------
    alpha : (h, w) in [0, 1].
    logits : (h, w) of the mask at the same scale.
    area : the subject's area in pixels of the same scale.
    width : of the whole frame at the same scale.
    pixel : px of that scale that one pixel of the tracker's mask spans; two of them are always within reach.
    free : (h, w) where the artist brushed hair: alpha stays. Optional.
    """
    inside = (logits > 0).astype(np.uint8)
    if not inside.any() or inside.all():
        return inside.astype(np.float32)
    reach = max(GUARD_LEAST * width / 960, 2 * pixel, GUARD * area**0.5)
    away = cv2.distanceTransform(inside, cv2.DIST_L2, 5) + cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    trust = np.clip((reach - away) / (0.25 * reach), 0, 1)  # the last quarter fades
    if free is not None:
        trust[free] = 1
    return np.asarray(trust * alpha + (1 - trust) * inside, np.float32)
