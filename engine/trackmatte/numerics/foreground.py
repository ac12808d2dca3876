"""Straight foreground colour where a matte is soft: the plate's pixel without its share of background.

A soft pixel is ``I = a F + (1 - a) B``; given I and alpha a, F and B are sought. ``multilevel`` and
``unclamped`` minimise, over pixels i and their four neighbours j (Germer, Uelwer, Conrad, Harmeling, "Fast
multi-level foreground estimation", ICPR 2020),

    (a_i F_i + (1 - a_i) B_i - I_i)^2 + (epsilon + |a_i - a_j|) ((F_i - F_j)^2 + (B_i - B_j)^2)

pixel by pixel, from a picture of one pixel up to full size. ``multilevel`` is pymatting's, which holds
colours to [0, 1]; ``unclamped`` is our own, with three additions for scene-linear light, idle where colours
stay in [0, 1]:

- An edge weighs less towards a neighbour brighter than white, by the squared ratio of their brightnesses: a
  highlight of 500 does not outvote the pixels around it.
- Between levels, a colour above white that stands out from its 5 x 5 neighbours is dimmed to their median: a
  speck of glare does not stand for the large area that a small level's pixel covers.
- A colour above white leaves some light to the other: ``a F <= I - (1 - a) low``, where low is 0, or the
  lowest value of a plate that holds negative colours. Neither F nor B is lower than that.

``blur_fusion`` is Forte, "Approximate fast foreground colour estimation", ICIP 2021, two passes.

Mixing is a sum of light. The caller therefore brings a logarithmic plate to linear before it comes here, and
gets a linear foreground: code values of a log plate do not mix along straight lines.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from trackmatte.color import Colour
from trackmatte.errors import UsageError
from trackmatte.numerics.samples import nearest

F32 = NDArray[np.float32]

Method = Literal["multilevel", "unclamped", "blur_fusion"]
"""How the colour of soft pixels is found."""
REFERENCE_WIDTH, WINDOWS = 1920, (90, 6)
"""Window widths of the two passes of blur fusion, px of a plate of that width."""
MARGIN, LEAST_MARGIN, SNAP = 48, 16, 64
"""Surroundings of the soft pixels that are looked at: px of a plate of that width, px at least, and the
multiple of px on which the edges of the crop lie, so that it does not change from frame to frame."""
MOST_PIXELS = 9_000_000
"""Crop size above which ``multilevel`` leaves pymatting, which holds many pictures, for our own solver."""
EPSILON = 1e-5
"""Smoothness of the colours where alpha is level."""
SMALL, SWEEPS_SMALL, SWEEPS = 32, 10, 2
"""Largest side in px of a small level, sweeps over such a level and over a larger one."""
STANDS_OUT, LOWEST = 3.0, -1.0
"""How many times the median around it a colour between levels may be, and its lowest value in any case."""
STRIP, STRIP_PIXELS, HALO = 256, 4_000_000, 16
"""Rows converted or blurred at a time, pixels solved at a time, and rows that solved strips share: in two
sweeps an error falls below 1e-7 of itself over them."""

_one_at_a_time = threading.Lock()  # pymatting compiles with parallel=True: not every threading layer is safe


def default_method(colour: Colour) -> Method:
    """Return the method for a plate: ``multilevel`` on display code, ``unclamped`` on linear or log."""
    return "multilevel" if colour.coded_for_display else "unclamped"


def estimate_foreground(rgb: NDArray[Any], alpha: NDArray[Any], *, method: Method) -> F32:
    """Estimate the straight (unpremultiplied) foreground of a plate from its matte.

    Parameters
    ----------
    rgb : (H, W, 3) uint8, uint16 (full range stands for [0, 1]) or floating. NaN and infinities are missing
        pixels: they take the colour of the nearest finite pixel.
    alpha : (H, W) coverage in [0, 1], or integers of full range, or bool; clipped, NaN counts as 0.
    method : ``multilevel`` (a plate in [0, 1]; a float plate is clipped in the soft pixels), ``unclamped``
        (any values) or ``blur_fusion`` (any values; colours stay within the plate's range).

    Returns
    -------
    (H, W, 3) float32, in the plate's own values, integers scaled to [0, 1]. Where alpha is 1 it is the
    plate, untouched. Where alpha is 0 it is the smooth continuation of the foreground near soft pixels, and
    0 far from them.

    Raises
    ------
    UsageError
        When the shapes do not fit or the method is unknown.

    Notes
    -----
    Only the rectangle around the soft pixels is solved, the largest pictures strip by strip: an 8K frame that
    is soft everywhere takes 1.7 GB beside its inputs, the result included.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or alpha.shape != rgb.shape[:2]:
        raise UsageError(f"a plate (H, W, 3) and alpha (H, W) are needed, not {rgb.shape} and {alpha.shape}")
    if method not in get_args(Method):
        raise UsageError(f"{method!r} is no foreground method; there are {', '.join(get_args(Method))}")
    coverage = _unit(alpha)
    np.clip(coverage, 0, 1, out=coverage)
    coverage[np.isnan(coverage)] = 0
    plate = _filled(rgb)
    out = np.zeros(rgb.shape, np.float32)
    box = _soft_crop(coverage)
    if box is not None:
        inner = np.ascontiguousarray(coverage[box])
        out[box] = _soft_colours(_unit(plate[box]), inner, method, rgb.shape[1])
    for rows in _strips(rgb.shape[0]):
        solid = coverage[rows] == 1
        out[rows][solid] = _unit(plate[rows][solid])
    return out


def _soft_colours(plate: F32, alpha: F32, method: Method, width: int) -> F32:
    if method == "blur_fusion":
        scale = width / REFERENCE_WIDTH
        return _blur_fusion(plate, alpha, [max(1, round(w * scale / 2)) for w in WINDOWS])
    if method == "unclamped":
        return solve_levels(plate, alpha, ceiling=np.inf)
    np.clip(plate, 0, 1, out=plate)
    if alpha.size == 1 or alpha.size > MOST_PIXELS or alpha.max() <= 0.9:
        # pymatting does not take a single pixel, and starts from black without a solid core.
        return solve_levels(plate, alpha, ceiling=1.0)
    import pymatting

    with _one_at_a_time:
        return np.asarray(pymatting.estimate_foreground_ml(plate, alpha), np.float32)


def solve_levels(plate: F32, alpha: F32, *, ceiling: float) -> F32:
    """Return the foreground of a finite (h, w, 3) plate of any range; ``ceiling``, or infinity, bounds it."""
    last = max(1, int(np.ceil(np.log2(max(alpha.shape)))))
    low, glaring = _lowest(plate), max(plate.max(), -plate.min()) > 1
    fore = _mean_colour(plate, alpha, alpha > 0.9)
    back = _mean_colour(plate, 1 - alpha, alpha < 0.1)
    for level in range(last + 1):
        h, w = (round(side ** (level / last)) for side in alpha.shape)
        ys, xs = _sources(h, alpha.shape[0])[:, None], _sources(w, alpha.shape[1])
        rows, columns = _sources(h, fore.shape[0])[:, None], _sources(w, fore.shape[1])
        before, fore, back = (fore, back), np.empty((h, w, 3), np.float32), np.empty((h, w, 3), np.float32)
        step = h if h * w <= STRIP_PIXELS else max(HALO, STRIP_PIXELS // w)
        for y in range(0, h, step):
            part = slice(max(0, y - HALO), y + step + HALO)
            image, (f, b) = plate[ys[part], xs], (x[rows[part], columns] for x in before)
            sweeps = SWEEPS_SMALL if max(h, w) <= SMALL else SWEEPS
            _sweep(image, alpha[ys[part], xs], _brightness(image), f, b, sweeps, low, ceiling)
            inner = slice(y - part.start, y - part.start + step)
            fore[y : y + step], back[y : y + step] = f[inner], b[inner]
        if glaring and level < last:
            _calm(fore)
            _calm(back)
    return fore


def _brightness(image: F32) -> F32:
    """Return the largest channel of every pixel, by absolute value, or 1 where that is more: (h, w)."""
    return np.asarray(np.maximum(np.abs(image).max(-1), np.float32(1)), np.float32)


def _lowest(plate: F32) -> F32:
    """Return, per channel, 0 or the lowest value that more than a speck of the picture has: (3,)."""
    if plate.min() >= 0:
        return np.zeros(3, np.float32)
    channels = [cv2.medianBlur(np.ascontiguousarray(plate[..., c]), 3).min() for c in range(3)]
    return np.clip(np.array(channels, np.float32), LOWEST, 0)


def _calm(colours: F32) -> None:
    """Dim, in place, what stands out from the (h, w, 3) colours of a level."""
    bright = _brightness(colours)
    usual = cv2.medianBlur(bright, 5).reshape(bright.shape)
    colours *= np.where(bright > STANDS_OUT * usual, usual / bright, np.float32(1))[..., None]


def _mean_colour(plate: F32, weight: F32, sure: NDArray[np.bool_]) -> F32:
    """Return the (1, 1, 3) mean of the sure pixels, or without any the weighted mean."""
    chosen = sure.astype(np.float32) if sure.any() else weight
    total = max(float(chosen.sum(dtype=np.float64)), 1e-5)
    channels = [(plate[..., c] * chosen).sum(dtype=np.float64) / total for c in range(3)]
    return np.array([[channels]], np.float32)


def _sources(to: int, of: int) -> NDArray[np.intp]:
    """Return the ``to`` places in a row of ``of`` pixels that nearest-neighbour resizing reads."""
    return np.arange(to) * of // to


def _blur_fusion(plate: F32, alpha: F32, radii: list[int]) -> F32:
    """Return F of a crop; strips carry the reach of both windows (half widths, px), so they show no seams."""
    low, high = min(0.0, float(plate.min())), max(1.0, float(plate.max()))
    out = np.empty_like(plate)
    reach = sum(radii)
    for rows in _strips(len(plate)):
        grown = slice(max(0, rows.start - reach), rows.stop + reach)
        image, a = plate[grown], alpha[grown]
        fore = back = image
        for radius in radii:
            fore, back = _fused(image, fore, back, a, radius)
            np.clip(fore, low, high, out=fore)
        first = rows.start - grown.start
        out[rows] = fore[first : first + rows.stop - rows.start]
    return out


def _fused(image: F32, fore: F32, back: F32, alpha: F32, radius: int) -> tuple[F32, F32]:
    a = alpha[..., None]

    def mean(x: F32) -> F32:
        return np.asarray(cv2.blur(x, (2 * radius + 1,) * 2), np.float32)

    share = mean(alpha)[..., None]
    blurred_fore = mean(fore * a) / (share + np.float32(1e-5))
    blurred_back = mean(back * (1 - a)) / (1 - share + np.float32(1e-5))
    rest = image - a * blurred_fore - (1 - a) * blurred_back
    return blurred_fore + a * rest, blurred_back


def _soft_crop(alpha: F32) -> tuple[slice, slice] | None:
    """Return the rectangle of the soft pixels with its margin, or None when there are none."""
    soft = (alpha > 0) & (alpha < 1)
    margin = max(LEAST_MARGIN, round(MARGIN * alpha.shape[1] / REFERENCE_WIDTH))

    def side(hit: NDArray[np.bool_]) -> slice:
        places = np.flatnonzero(hit)
        start = max(0, int(places[0]) - margin) // SNAP * SNAP
        return slice(start, min(len(hit), -(-(int(places[-1]) + 1 + margin) // SNAP) * SNAP))

    if not soft.any():
        return None
    return side(np.any(soft, axis=1)), side(np.any(soft, axis=0))


def _filled(rgb: NDArray[Any]) -> NDArray[Any]:
    """Return the plate with its missing pixels filled from the nearest finite one; itself if none is."""
    if not np.issubdtype(rgb.dtype, np.floating):
        return rgb
    known = np.ones(rgb.shape[:2], bool)
    for rows in _strips(len(rgb)):
        known[rows] = np.isfinite(_unit(rgb[rows])).all(-1)
    if known.all() or not known.any():
        return rgb if known.all() else np.zeros_like(rgb)
    out = rgb.copy()
    source = nearest(known)
    out[~known] = rgb[source[0][~known], source[1][~known]]
    return out


def _unit(values: NDArray[Any]) -> F32:
    """Return a float32 copy, integers scaled to [0, 1]; what float32 cannot hold becomes infinite."""
    if np.issubdtype(values.dtype, np.integer):
        return np.asarray(values / np.float32(np.iinfo(values.dtype).max), np.float32, order="C")
    with np.errstate(over="ignore"):
        return values.astype(np.float32, order="C")


def _strips(height: int) -> Iterator[slice]:
    return (slice(y, min(y + STRIP, height)) for y in range(0, height, STRIP))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _sweep(
    image: Any, alpha: Any, bright: Any, fore: Any, back: Any, sweeps: int, low: Any, ceiling: float
) -> None:  # pragma: no cover - compiled
    h, w = alpha.shape
    f, b = np.empty(3), np.empty(3)
    for _ in range(sweeps):
        for y in range(h):
            for x in range(w):
                a = float(alpha[y, x])
                rest = 1.0 - a
                ff, bb = a * a, rest * rest
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
                    fore[y, x, c], back[y, x, c] = f_c, b_c
