"""Where matting happens: the region around a mask's contour, in plate pixels.

Everything is cut to the contour's bounding box first, so a small subject costs little on a large plate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.mask import Mask
from trackmatte.matte import Matte


@dataclass(frozen=True, slots=True, eq=False)
class Contour:
    """A mask's contour on a grid of ``size``, cut to what lies within reach of it."""

    size: tuple[int, int]
    """(width, height) of the whole grid, px."""
    roi: tuple[slice, slice]
    """Rows and columns of the box on that grid."""
    distance: NDArray[np.float32]
    """(h, w) signed distance to the contour within the box, px, sub-pixel, > 0 inside the subject."""
    logits: NDArray[np.float32]
    """(h, w) the mask's log-odds within the box, clipped to +-8."""
    outer: NDArray[np.bool_]
    """(mask's h, w) the mask itself, for what lies outside the box."""


def find_contour(logits: NDArray[Any], size: tuple[int, int], reach: float) -> Contour | None:
    """Measure the distance to the zero crossing of ``logits`` on a grid of ``size``.

    Parameters
    ----------
    logits : (h, w) log-odds; non-finite ones count as background.
    size : (width, height) of the grid wanted, px.
    reach : how far around the contour the box must extend, px of that grid.

    Returns
    -------
    Contour, or None where the mask has none (empty, or the whole frame).
    """
    width, height = size
    logits = np.clip(np.nan_to_num(logits, nan=-8.0, posinf=8.0, neginf=-8.0), -8, 8).astype(np.float32)
    inside = (logits > 0).astype(np.uint8)
    if not inside.size or inside.all() or not inside.any():
        return None
    sx, sy = width / logits.shape[1], height / logits.shape[0]
    around = cv2.dilate(inside, np.ones((3, 3), np.uint8)) - cv2.erode(inside, np.ones((3, 3), np.uint8))
    rows, columns = np.flatnonzero(around.any(1)), np.flatnonzero(around.any(0))
    y0, y1 = _span(rows, sy, reach, height)
    x0, x1 = _span(columns, sx, reach, width)
    soft = _resample(np.tanh(0.5 * logits), (sx, sy), (x0, y0, x1, y1))
    scale = max(1.0, 0.5 * (sx + sy))
    soft = cv2.GaussianBlur(soft, (0, 0), 0.6 * scale, borderType=cv2.BORDER_REPLICATE)
    return Contour(
        size,
        (slice(y0, y1), slice(x0, x1)),
        signed_distance(soft),
        _resample(logits, (sx, sy), (x0, y0, x1, y1)),
        inside > 0,
    )


def paste(alpha: NDArray[np.float32], contour: Contour) -> NDArray[np.float32]:
    """Put the box's alpha back into a whole frame, exactly 0 or 1 outside the box.

    Parameters
    ----------
    alpha : (h, w) alpha of the box.
    contour : where the box lies.

    Returns
    -------
    (H, W) float32.
    """
    whole = cv2.resize(contour.outer.astype(np.uint8), contour.size, interpolation=cv2.INTER_NEAREST)
    out = np.asarray(whole, np.float32)
    out[contour.roi] = alpha
    return out


def _span(found: NDArray[np.intp], scale: float, reach: float, length: int) -> tuple[int, int]:
    first = int(np.floor(found[0] * scale - reach - 2))
    last = int(np.ceil((found[-1] + 1) * scale + reach + 2))
    return max(0, first), min(length, last)


def _resample(
    image: NDArray[np.float32], scale: tuple[float, float], box: tuple[int, int, int, int]
) -> NDArray[np.float32]:
    """Read the box of an enlarged (or reduced) image, pixel centres kept."""
    (sx, sy), (x0, y0, x1, y1) = scale, box
    back = np.array([[1 / sx, 0, (x0 + 0.5) / sx - 0.5], [0, 1 / sy, (y0 + 0.5) / sy - 0.5]])
    flags = cv2.WARP_INVERSE_MAP | (cv2.INTER_LINEAR if sx < 1 else cv2.INTER_CUBIC)
    out: NDArray[np.float32] = cv2.warpAffine(
        image, back, (x1 - x0, y1 - y0), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return out


def signed_distance(soft: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distance in px to where ``soft`` crosses zero, positive where it is positive."""
    inside = (soft > 0).astype(np.uint8)
    if not inside.any():
        return np.full(soft.shape, -1e3, np.float32)
    if inside.all():
        return np.full(soft.shape, 1e3, np.float32)
    d = _distance(inside) - _distance(1 - inside)
    d -= np.where(inside, np.float32(0.5), np.float32(-0.5))
    smooth: NDArray[np.float32] = cv2.GaussianBlur(d, (0, 0), 1.0, borderType=cv2.BORDER_REPLICATE)
    return smooth


def _distance(inside: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Distance to the nearest 0, px, at most 1000.

    OpenCV's last bit depends on where the image lies in memory; squared distances are whole numbers, so
    rounding them gives the same bytes on every run.
    """
    d = np.minimum(cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32(1000))
    return np.asarray(np.sqrt(np.rint(d * d)), np.float32)


def constant_matte(mask: Mask, size: tuple[int, int]) -> Matte:
    """Return the matte of a mask without a contour: all 0, or all 1 when the subject fills the frame."""
    full = bool(mask.logits.size) and bool((mask.logits > 0).all())
    return Matte(mask.index, mask.object, np.full((size[1], size[0]), float(full), np.float32))


def hairiness(alpha: NDArray[np.float32], distance: NDArray[np.float32], unit: float) -> NDArray[np.float32]:
    """Measure how much fine structure crosses the contour.

    A clean edge changes alpha across the contour only and within few pixels. Strands change it along the
    contour as well, over a wide rim: the share of the gradient's energy along the contour times the width
    of the soft rim tells them apart.

    Parameters
    ----------
    alpha : (h, w) first estimate of the matte.
    distance : (h, w) signed distance to the mask's contour, px.
    unit : px that one pixel of a 960-wide frame spans here.

    Returns
    -------
    (h, w) in units: below .25 on clean edges, above .5 on fur and hair.
    """
    level = _blur(distance, 4 * unit)
    nx, ny = cv2.Scharr(level, -1, 1, 0), cv2.Scharr(level, -1, 0, 1)
    length = np.sqrt(nx * nx + ny * ny) + np.float32(1e-6)
    smooth = _blur(alpha, 0.7 * unit)
    ax, ay = (cv2.Scharr(smooth, -1, *d) * np.float32(unit / 32) for d in ((1, 0), (0, 1)))
    energy = ax * ax + ay * ay
    along = ((ax * ny - ay * nx) / length) ** 2
    wide = 8 * unit
    share = _blur(along, wide) / (_blur(energy, wide) + np.float32(1e-4))
    width = _blur(4 * alpha * (1 - alpha), wide) / (_blur(np.sqrt(energy), wide) + np.float32(1e-3))
    rim = np.exp(-((distance / np.float32(unit)) ** 2) / 18)
    spread: NDArray[np.float32] = _blur(share * width * rim, wide) / (_blur(rim, wide) + np.float32(1e-6))
    return spread


def undecided(logits: NDArray[np.float32], distance: NDArray[np.float32], unit: float) -> NDArray[np.float32]:
    """Say where the tracker doubts its own contour: weak log-odds well away from it.

    Parameters
    ----------
    logits : (h, w) the mask's log-odds.
    distance : (h, w) signed distance to the mask's contour, px.
    unit : px that one pixel of a 960-wide frame spans here.

    Returns
    -------
    (h, w) in [0, 1]; 0 for masks that are hard or whose log-odds grow by .5 per px or more.
    """
    weak = ((np.abs(logits) < 1) & (np.abs(distance) > 3 * unit)).astype(np.float32)
    return np.asarray(np.minimum(4 * _blur(weak, 4 * unit), 1), np.float32)


def doubt(logits: NDArray[np.float32], distance: NDArray[np.float32], pixel: float) -> NDArray[np.float32]:
    """Say how much a tracker doubts its mask, from how slowly its log-odds grow away from the contour.

    Parameters
    ----------
    logits : (h, w) the mask's log-odds.
    distance : (h, w) signed distance to the mask's contour, px.
    pixel : px that one pixel of the tracker's mask spans here.

    Returns
    -------
    (h, w) in [0, 1]; 0 where they grow by 1 or more per pixel of the mask, 1 at half of that.
    """
    sure = np.clip(np.abs(distance) / np.float32(pixel) - 0.5, 0, 7.75) + np.float32(0.25)
    lack = (1 - np.clip(np.abs(logits) / sure, 0.5, 1)) / 0.5
    return _blur(lack.astype(np.float32), 2 * pixel)


def _blur(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    out: NDArray[np.float32] = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return out
