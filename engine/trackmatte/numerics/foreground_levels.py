"""Foreground and background of a soft picture, from one pixel up to full size, without bounds.

Germer, Uelwer, Conrad, Harmeling, "Fast multi-level foreground estimation", ICPR 2020. With colours I and
coverage a of a picture, sought are F and B that minimise, summed over pixels i and their four neighbours j,

    (a_i F_i + (1 - a_i) B_i - I_i)^2 + (epsilon + |a_i - a_j|) ((F_i - F_j)^2 + (B_i - B_j)^2)

Every pixel's two unknowns are solved for in turn while its neighbours stand still; the picture doubles in
size from level to level, and each starts from the one before. Two additions make it fit scene-linear light,
both without effect on a picture in [0, 1]:

- The terms of a pixel brighter than white count relative to its brightness: divided by max(1, |I|)^2, an edge
  by the larger of its two ends. A highlight of 500 then says as little about its neighbours as they say
  about it, instead of outvoting them.
- A foreground above white is held to what leaves some background: ``a F <= I - (1 - a) low``, where low is 0,
  or the picture's own lowest value where it holds negative colours. Likewise the background.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from trackmatte.numerics.samples import nearest

F32 = NDArray[np.float32]

EPSILON = 1e-5
"""Smoothness of the colours where alpha is level."""
SMALL = 32
"""Largest side, px, of the levels that are solved with more sweeps."""
SWEEPS_SMALL, SWEEPS = 10, 2
"""Sweeps over a small and over a larger level."""
STRIP_PIXELS = 4_000_000
"""The last level is solved in strips of about this many pixels."""
HALO = 16
"""Rows that a strip shares with the next: in two sweeps an error there falls below 1e-7 of itself."""


def solve_levels(plate: F32, alpha: F32, *, ceiling: float) -> F32:
    """Return the foreground of a picture.

    Parameters
    ----------
    plate : (h, w, 3) finite, any range.
    alpha : (h, w) in [0, 1].
    ceiling : upper bound of all colours, or infinity.

    Returns
    -------
    (h, w, 3) straight foreground; where alpha is 0, its smooth continuation.
    """
    h, w = alpha.shape
    low = lowest(plate)
    fore, back = (c[None, None] for c in _mean_colours(plate, alpha))
    last = max(1, int(np.ceil(np.log2(max(h, w)))))
    for level in range(last):
        size = round(h ** (level / last)), round(w ** (level / last))
        ys, xs = _sources(size[0], h), _sources(size[1], w)
        rows, columns = _sources(size[0], fore.shape[0]), _sources(size[1], fore.shape[1])
        fore, back = fore[rows[:, None], columns], back[rows[:, None], columns]
        _relax(plate[ys[:, None], xs], alpha[ys[:, None], xs], fore, back, _sweeps(size), low, ceiling)
    rows, columns = _sources(h, fore.shape[0]), _sources(w, fore.shape[1])
    out = np.empty_like(plate)
    step = h if h * w <= STRIP_PIXELS else max(HALO, STRIP_PIXELS // w)
    for y in range(0, h, step):
        start, stop = max(0, y - HALO), min(h, y + step + HALO)
        part = slice(start, stop)
        f, b = fore[rows[part, None], columns], back[rows[part, None], columns]
        _relax(plate[part], alpha[part], f, b, _sweeps((h, w)), low, ceiling)
        out[y : y + step] = f[y - start : y - start + step]
    return out


def lowest(plate: F32) -> F32:
    """Return, per channel, 0 or the lowest value that more than a speck of the picture has: (3,)."""
    if plate.min() >= 0:
        return np.zeros(3, np.float32)
    channels = [cv2.medianBlur(np.ascontiguousarray(plate[..., c]), 3).min() for c in range(3)]
    return np.minimum(0, np.array(channels, np.float32))


def extended(image: NDArray[Any], known: NDArray[np.bool_]) -> NDArray[Any]:
    """Return a copy of an image whose other pixels have the colour of the nearest known one.

    Parameters
    ----------
    image : (H, W, 3).
    known : (H, W) bool; where nothing is, the result is 0.
    """
    if not known.any():
        return np.zeros_like(image)
    out = image.copy()
    rows, columns = nearest(known)
    out[~known] = image[rows[~known], columns[~known]]
    return out


def _mean_colours(plate: F32, alpha: F32) -> tuple[F32, F32]:
    """Return the mean colours of what is nearly solid and nearly clear, or else the means by coverage."""

    def mean(weight: F32, sure: NDArray[np.bool_]) -> F32:
        chosen = np.where(sure, np.float32(1), np.float32(0)) if sure.any() else weight
        total = float(chosen.sum(dtype=np.float64))
        relative = plate if plate.max() <= 1 else np.minimum(plate, max(1.0, float(np.quantile(plate, 0.99))))
        return np.asarray(np.tensordot(chosen, relative, 2) / max(total, 1e-5), np.float32)

    return mean(alpha, alpha > 0.9), mean(1 - alpha, alpha < 0.1)


def _sources(to: int, of: int) -> NDArray[np.intp]:
    """Return the ``to`` places in a row of ``of`` pixels that nearest-neighbour resizing reads."""
    return np.arange(to) * of // to


def _sweeps(size: tuple[int, int]) -> int:
    return SWEEPS_SMALL if max(size) <= SMALL else SWEEPS


def _relax(image: F32, alpha: F32, fore: F32, back: F32, sweeps: int, low: F32, ceiling: float) -> None:
    bright = np.maximum(np.abs(image).max(-1), np.float32(1))
    _sweep(image, alpha, bright, fore, back, sweeps, low, ceiling)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _sweep(
    image: Any, alpha: Any, bright: Any, fore: Any, back: Any, sweeps: int, low: Any, ceiling: float
) -> None:  # pragma: no cover - compiled
    h, w = alpha.shape
    f = np.empty(3)
    b = np.empty(3)
    for _ in range(sweeps):
        for y in range(h):
            for x in range(w):
                a = float(alpha[y, x])
                rest = 1.0 - a
                ff = a * a
                bb = rest * rest
                for c in range(3):
                    f[c] = a * image[y, x, c]
                    b[c] = rest * image[y, x, c]
                for d in range(4):
                    y2 = max(0, min(h - 1, y + (d == 3) - (d == 2)))
                    x2 = max(0, min(w - 1, x + (d == 1) - (d == 0)))
                    tie = EPSILON + abs(a - alpha[y2, x2])
                    if bright[y2, x2] > bright[y, x]:
                        tie *= (float(bright[y, x]) / float(bright[y2, x2])) ** 2
                    ff += tie
                    bb += tie
                    for c in range(3):
                        f[c] += tie * fore[y2, x2, c]
                        b[c] += tie * back[y2, x2, c]
                fb = a * rest
                scale = 1.0 / (ff * bb - fb * fb)
                for c in range(3):
                    f_c = min(ceiling, max(low[c], scale * (bb * f[c] - fb * b[c])))
                    b_c = min(ceiling, max(low[c], scale * (ff * b[c] - fb * f[c])))
                    f_most = image[y, x, c] - rest * low[c]
                    b_most = image[y, x, c] - a * low[c]
                    if f_c > 1.0 and a * f_c > f_most:
                        f_c = max(1.0, f_most / a)
                    if b_c > 1.0 and rest * b_c > b_most:
                        b_c = max(1.0, b_most / rest)
                    fore[y, x, c] = f_c
                    back[y, x, c] = b_c
