"""What a mask's contour says about the matting around it, in plate pixels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.refiners.region import Region, resample


def contour_distance(
    logits: NDArray[np.float32], size: tuple[int, int], region: Region
) -> NDArray[np.float32]:
    """Measure the distance to the zero crossing of a mask's log-odds.

    Parameters
    ----------
    logits : (mh, mw) log-odds, finite.
    size : (width, height) of the plate, px.
    region : the part of it that is wanted, (h, w).

    Returns
    -------
    (h, w) in px of the plate, sub-pixel, > 0 inside the subject.
    """
    soft = resample(np.tanh(0.5 * logits), size, region)
    scale = max(1.0, 0.5 * (size[0] / logits.shape[1] + size[1] / logits.shape[0]))
    soft = cv2.GaussianBlur(soft, (0, 0), 0.6 * scale, borderType=cv2.BORDER_REPLICATE)
    return signed_distance(soft)


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
