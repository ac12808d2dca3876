"""The metrics of video matting, as RobustVideoMatting's evaluation scripts define them.

Mattes are (H, W) uint8 or (H, W) float in [0, 1]; the published numbers are of mattes stored in 8 bits.
Connectivity and gradient error: Rhemann et al., "A perceptually motivated online benchmark for image
matting", CVPR 2009. dtSSD: Erofeev et al., "Perceptually motivated benchmark for video matting", BMVC 2015.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

METRICS = ("MAD", "MSE", "Grad", "Conn", "dtSSD")

Alpha = NDArray[Any]


def decoded(alpha: Alpha) -> NDArray[np.float32]:
    """Return alpha as (H, W) float32 in [0, 1]; the scripts compute in single precision, and so do we."""
    if alpha.dtype == np.uint8:
        return alpha.astype(np.float32) / np.float32(255)
    return alpha.astype(np.float32)


def quantised(alpha: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Return alpha as an 8-bit image holds it, what the scripts read from disk."""
    return np.rint(np.clip(alpha, 0, 1) * 255).astype(np.uint8)


def mad(prediction: Alpha, truth: Alpha) -> float:
    """Mean absolute difference x 1000."""
    return float(np.mean(np.abs(decoded(prediction) - decoded(truth))) * 1e3)


def mse(prediction: Alpha, truth: Alpha) -> float:
    """Mean squared difference x 1000."""
    return float(np.mean((decoded(prediction) - decoded(truth)) ** 2) * 1e3)


def grad(prediction: Alpha, truth: Alpha, *, normalise: bool = True) -> float:
    """Squared difference of gradient magnitudes, summed, / 1000.

    Parameters
    ----------
    prediction, truth : (H, W) mattes.
    normalise : stretch both mattes to [0, 1] first, as the low-resolution script does.
    """
    kernel = _gaussian_derivative(1.4)
    p, t = (_magnitude(a, kernel, normalise) for a in (prediction, truth))
    return float(np.sum((p - t) ** 2) / 1e3)


def conn(prediction: Alpha, truth: Alpha, *, step: float = 0.1, theta: float = 0.15) -> float:
    """Difference of connectivity to the largest common opaque region, summed, / 1000.

    Parameters
    ----------
    prediction, truth : (H, W) mattes.
    step : distance of the levels at which connectedness is looked at.
    theta : differences below it do not count.
    """
    p, t = decoded(prediction), decoded(truth)
    levels = np.arange(0, 1 + step, step)
    connected = np.full(p.shape, -1, np.float32)
    for below, level in pairwise(levels):
        common = ((p >= level) & (t >= level)).astype(np.uint8)
        _, label, stats, _ = cv2.connectedComponentsWithStats(common, connectivity=4)
        sizes = stats[1:, cv2.CC_STAT_AREA]
        inside = label == 1 + int(np.argmax(sizes)) if len(sizes) else np.zeros(p.shape, bool)
        connected[(connected == -1) & ~inside] = below
    connected[connected == -1] = 1
    dp, dt = p - connected, t - connected
    return float(np.sum(np.abs(dp * (dp >= theta) - dt * (dt >= theta))) / 1e3)


def dtssd(prediction: Sequence[Alpha], truth: Sequence[Alpha]) -> float:
    """Root mean squared difference of the changes from the first to the second of two frames x 100."""
    p0, p1, t0, t1 = (decoded(a) for a in (*prediction, *truth))
    return float(np.sqrt(np.mean(((p1 - p0) - (t1 - t0)) ** 2)) * 1e2)


def score_clip(predictions: Iterable[Alpha], truths: Iterable[Alpha]) -> NDArray[np.float64]:
    """Score every frame of a clip.

    Parameters
    ----------
    predictions, truths : mattes of consecutive frames.

    Returns
    -------
    (frames, 5) in the order of ``METRICS``; dtSSD of the first frame is 0 and counts in the average.
    """
    rows = []
    before: tuple[Alpha, Alpha] | None = None
    for p, t in zip(predictions, truths, strict=True):
        change = dtssd((before[0], p), (before[1], t)) if before else 0.0
        rows.append((mad(p, t), mse(p, t), grad(p, t), conn(p, t), change))
        before = (p, t)
    return np.array(rows)


def average(clips: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Average clips of unequal length: per frame index first, then over the indices.

    Parameters
    ----------
    clips : (frames, 5) scores of each clip.

    Returns
    -------
    (5,) averages.
    """
    longest = max(len(c) for c in clips)
    return np.mean([np.mean([c[i] for c in clips if i < len(c)], axis=0) for i in range(longest)], axis=0)


def _gaussian_derivative(sigma: float, negligible: float = 1e-2) -> NDArray[np.float64]:
    """Return the first derivative along x of a Gaussian, unit L2 norm; 9 x 9 for sigma 1.4."""
    half = int(np.ceil(sigma * np.sqrt(-2 * np.log(np.sqrt(2 * np.pi) * sigma * negligible))))
    x = np.arange(-half, half + 1, dtype=np.float64)
    bell = np.exp(-(x**2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
    kernel = np.outer(bell, -x * bell / sigma**2)
    return np.asarray(kernel / np.sqrt(np.sum(kernel**2)))


def _magnitude(alpha: Alpha, kernel: NDArray[np.float64], normalise: bool) -> NDArray[np.float64]:
    a = decoded(alpha)
    if normalise:
        spread = a.max() - a.min()
        a = (a - a.min()) / spread if spread > 0 else np.zeros_like(a)
    gx = cv2.filter2D(a, -1, kernel, borderType=cv2.BORDER_REPLICATE)
    gy = cv2.filter2D(a, -1, kernel.T, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(np.hypot(gx, gy))
