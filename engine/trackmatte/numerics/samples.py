"""Alpha from pairs of sampled colours: what each pixel itself says about its coverage."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray


def nearest(known: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return, for every pixel, row and column of the nearest known pixel.

    Parameters
    ----------
    known : (H, W) bool, at least one true.

    Returns
    -------
    Two (H, W) int32 maps.
    """
    _, label = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.nonzero(known)
    table = np.zeros((int(label.max()) + 1, 2), np.int32)
    table[label[rows, columns]] = np.stack([rows, columns], 1)
    return table[:, 0][label], table[:, 1][label]


def ring(radius: float) -> NDArray[np.int32]:
    """Return (7, 2) steps (rows, columns) at which neighbours are asked for their samples, px."""
    turns = [(0.0, 0.0)]
    turns += [(radius, k * np.pi * 2 / 3) for k in range(3)]
    turns += [(2 * radius, (k + 0.5) * np.pi * 2 / 3) for k in range(3)]
    return np.array([(round(r * np.sin(t)), round(r * np.cos(t))) for r, t in turns], np.int32)


def sample_alpha(
    rgb: NDArray[np.float32],
    unknown: NDArray[np.bool_],
    foreground: NDArray[np.bool_],
    background: NDArray[np.bool_],
    radius: float,
    noise: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimate alpha of the unknown pixels from nearby sure colours.

    Every pixel tries the pairs of foreground and background colours that are nearest to it and to six
    places around it; a pair weighs by how well some mixture of it explains the pixel and by how far its two
    colours are apart. Where good pairs disagree, or none explains the pixel, confidence falls.

    Parameters
    ----------
    rgb : (H, W, 3) float32 in [0, 1].
    unknown : (H, W) bool, n pixels asked for.
    foreground, background : (H, W) bool, sure pixels, at least one each.
    radius : distance of the inner places around a pixel, px; the outer ones are twice as far.
    noise : standard deviation of a plate's colour, in [0, 1].

    Returns
    -------
    (n,) alpha and (n,) confidence, both in [0, 1].

    Notes
    -----
    After Wang and Cohen, "Optimized color sampling for robust matting", CVPR 2007, and Gastal and Oliveira,
    "Shared sampling for real-time alpha matting", Eurographics 2010; the average over pairs is ours.
    """
    rows, columns = np.nonzero(unknown)
    alpha, confidence = np.empty(len(rows)), np.empty(len(rows))
    _sample(
        rgb,
        rows,
        columns,
        nearest(foreground),
        nearest(background),
        ring(radius),
        noise**2,
        alpha,
        confidence,
    )
    return alpha, confidence


@njit(cache=True, fastmath={"contract", "reassoc"})  # type: ignore[untyped-decorator]
def _sample(
    rgb: Any,
    rows: Any,
    columns: Any,
    near_f: Any,
    near_b: Any,
    steps: Any,
    variance: float,
    alpha: Any,
    confidence: Any,
) -> None:  # pragma: no cover - compiled
    height, width = rgb.shape[:2]
    many = steps.shape[0]
    f = np.empty((many, 3))
    b = np.empty((many, 3))
    for n in range(rows.size):
        y, x = rows[n], columns[n]
        for k in range(many):
            yy = min(max(y + steps[k, 0], 0), height - 1)
            xx = min(max(x + steps[k, 1], 0), width - 1)
            for c in range(3):
                f[k, c] = rgb[near_f[0][yy, xx], near_f[1][yy, xx], c]
                b[k, c] = rgb[near_b[0][yy, xx], near_b[1][yy, xx], c]
        weight = mean = square = best = 0.0
        for i in range(many):
            for j in range(many):
                apart = 1e-6
                along = 0.0
                for c in range(3):
                    u = f[i, c] - b[j, c]
                    apart += u * u
                    along += u * (rgb[y, x, c] - b[j, c])
                a = min(max(along / apart, 0.0), 1.0)
                left = 0.0
                for c in range(3):
                    u = rgb[y, x, c] - b[j, c] - a * (f[i, c] - b[j, c])
                    left += u * u
                if left > 20.0 * variance:
                    continue
                w = np.exp(-0.5 * left / variance) * apart / (apart + 4.0 * variance)
                weight += w
                mean += w * a
                square += w * a * a
                best = max(best, w)
        alpha[n] = 0.5
        confidence[n] = 0.0
        if weight > 1e-12:
            mean /= weight
            spread = max(square / weight - mean * mean, 0.0)
            alpha[n] = mean
            confidence[n] = best / (1.0 + 50.0 * spread)
