"""Dense motion between neighbouring frames, and what it says about subject and background."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

_SMALLEST = 32
"""Below this side in px no flow is estimated (DIS has no pyramid left)."""


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Where every pixel of a frame was in the frame before it in the pass."""

    back: F32
    """(h, w, 2) (dx, dy) px: pixel p was at p + back[p]."""
    trust: F32
    """(h, w) in [0, 1], forward-backward consistency."""


def estimate(previous: U8, present: U8) -> Motion:
    """Dense inverse search flow, both ways (Kroeger et al., ECCV 2016).

    Parameters
    ----------
    previous, present : (h, w) uint8 luma.
    """
    h, w = present.shape
    if min(h, w) < _SMALLEST:
        return Motion(np.zeros((h, w, 2), np.float32), np.ones((h, w), np.float32))
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    back = dis.calc(present, previous, None)
    ahead = dis.calc(previous, present, None)
    there = sample(ahead, positions(h, w) + back)
    gap = ((back + there) ** 2).sum(-1)
    slack = 0.7 + 0.05 * np.sqrt((back**2).sum(-1))
    trust = np.exp(-0.5 * gap / slack**2)
    return Motion(back, cv2.GaussianBlur(trust.astype(np.float32), (0, 0), 2.0))


def positions(h: int, w: int) -> F32:
    """Return the (h, w, 2) pixel coordinates (x, y)."""
    x, y = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
    return np.stack([x, y], axis=-1)


def sample(image: F32, at: F32) -> F32:
    """Sample an (h, w) or (h, w, c <= 4) image bilinearly at (h', w', 2) positions, edges replicated."""
    out: F32 = cv2.remap(image, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return out


def resize_flow(flow: F32, size: tuple[int, int]) -> F32:
    """Bring an (h, w, 2) flow to ``size`` (rows, columns), vectors rescaled."""
    h, w = flow.shape[:2]
    rows, cols = size
    out: F32 = cv2.resize(flow, (cols, rows), interpolation=cv2.INTER_AREA)
    return out * np.array([cols / w, rows / h], np.float32)


def background_residual(back: F32, background: F32) -> F32:
    """Flow relative to a homography of the background (the camera's own motion).

    RANSAC with OpenCV's fixed seed, so equal inputs give equal models.

    Parameters
    ----------
    back : (h, w, 2) flow on the analysis grid.
    background : (h, w); pixels above .5 are fitted.

    Returns
    -------
    (h, w, 2) residual flow; the flow itself when nothing could be fitted.
    """
    h, w = background.shape
    yy, xx = np.nonzero(background > 0.5)
    if len(yy) < 30:
        return back
    pick = np.linspace(0, len(yy) - 1, min(len(yy), 1500)).astype(int)
    src = np.stack([xx[pick], yy[pick]], 1).astype(np.float32)
    m, _ = cv2.findHomography(src, src + back[yy[pick], xx[pick]], cv2.RANSAC, 1.0, maxIters=300)
    if m is None or not np.isfinite(m).all():
        return back
    p = positions(h, w)
    q = cv2.perspectiveTransform(p.reshape(-1, 1, 2), m).reshape(h, w, 2)
    gap = np.nan_to_num(p + back - q, nan=0.0, posinf=1e3, neginf=-1e3)
    return np.asarray(np.clip(gap, -1e3, 1e3), np.float32)


_BINS = 41
_REACH = 5.0
"""Residual vectors are binned in a log-polar-like plane, |r| -> log(1 + |r| / .5), up to this value."""
_BLEED = 2
"""Flow is estimated on patches of 8 px at half scale, so it cannot place a motion boundary better than this
many analysis pixels: nearer to one, motion says nothing (else the mask grows a rim of carried background)."""


def motion_cue(gap: F32, trust: F32, subject: F32, background: F32) -> F32:
    """Log-odds that a pixel moves like the subject rather than like the background.

    Both densities of the residual flow are histograms of this very frame, smoothed; their ratio is zero
    by itself when the subject moves with its background, and the background's may have several modes
    (parallax).

    Parameters
    ----------
    gap : (h, w, 2) flow relative to the camera's motion, `background_residual`.
    trust : (h, w) in [0, 1], consistency of the flow.
    subject, background : (h, w) weights of what is predicted to be either.
    """
    if not ((subject > 0.5).any() and (background > 0.5).any()):
        return np.zeros(trust.shape, np.float32)
    size = np.sqrt((gap**2).sum(-1)) + 1e-6
    plane = gap * (np.log1p(size / 0.5) / size)[..., None]
    bins = np.clip((plane + _REACH) * ((_BINS - 1) / (2 * _REACH)) + 0.5, 0, _BINS - 1).astype(np.int32)
    flat = (bins[..., 1] * _BINS + bins[..., 0]).ravel()
    log_density = []
    for weight in (subject * trust, background * trust):
        hist = np.bincount(flat, weights=weight.ravel(), minlength=_BINS * _BINS).reshape(_BINS, _BINS)
        hist = cv2.GaussianBlur(hist / max(hist.sum(), 1e-6), (0, 0), 1.5)
        log_density.append(np.log(hist + 0.05 / _BINS**2))
    ratio = np.clip(log_density[0] - log_density[1], -3, 3).astype(np.float32)
    cue = ratio.ravel()[flat].reshape(trust.shape)
    patch = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _BLEED + 1, 2 * _BLEED + 1))
    least, most = cv2.erode(cue, patch), cv2.dilate(cue, patch)
    return np.asarray((np.maximum(least, 0) + np.minimum(most, 0)) * trust, np.float32)


def luma(rgb: U8) -> U8:
    """Return the (h, w) uint8 luma of an (h, w, 3) image."""
    out: U8 = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return out
