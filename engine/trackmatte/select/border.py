"""Border matting: a soft step along a cut's contour, by dynamic programming.

Rother, Kolmogorov & Blake, "GrabCut", SIGGRAPH 2004, section 4: in a ribbon of +-w px around the contour
alpha is ``g(r; Delta_t, sigma_t)``, r the signed distance, t the nearest contour point, and centre and
width of the step minimise ::

    E = sum_n -log N(z_n; mu_t(alpha_n), Sigma_t(alpha_n))
        + sum_t lambda1 (Delta_t - Delta_t+1)^2 + lambda2 (sigma_t - sigma_t+1)^2

with ``mu(a) = (1 - a) mu_B + a mu_F`` and ``Sigma(a) = (1 - a)^2 Sigma_B + a^2 Sigma_F`` of the colours in a
41 px window beyond the ribbon. g is the normal distribution's step.
"""

from __future__ import annotations

import cv2
import numba
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from trackmatte.errors import UsageError
from trackmatte.numerics.samples import nearest
from trackmatte.select.evidence import Bool
from trackmatte.select.grabcut import signed_distance

Floats = NDArray[np.float64]
_CENTRES, _WIDTHS = 30, 10  # the paper's levels
_SMOOTH_CENTRE, _SMOOTH_WIDTH = 50.0, 1e3  # the paper's lambda 1 and 2, per (share of w) squared
_WINDOW = 41  # px, the paper's L
_LEVELS = 33  # alphas at which a pixel's cost is tabled
_FLOOR = 16.0  # variance added to both sides' colours, code values squared


def border_matte(rgb: NDArray[np.uint8], labels: Bool, *, width: float = 6.0) -> NDArray[np.float32]:
    """Return alpha of a cut.

    Parameters
    ----------
    rgb : (h, w, 3) uint8.
    labels : (h, w), True = subject.
    width : px, half width of the ribbon; outside of it alpha stays 0 or 1.

    Returns
    -------
    (h, w) float32 in [0, 1].

    Raises
    ------
    UsageError : the shapes differ, or the ribbon has no width.
    """
    if rgb.shape[:2] != labels.shape or not width >= 1:
        raise UsageError(
            f"a ribbon of {width:g} px on {rgb.shape} with {labels.shape} labels; give 1 px or more"
        )
    alpha = labels.astype(np.float32)
    distance = signed_distance(labels)
    ribbon = np.abs(distance) <= width
    chains, closest = _contours(labels)
    if not chains or not ribbon.any():
        return alpha
    ys, xs = np.nonzero(ribbon)
    t, r = closest[ribbon], distance[ribbon].astype(np.float64)
    points = np.concatenate(chains)
    means, covariances = _colours(rgb, labels, ribbon, points)
    table = _pixel_costs(rgb[ys, xs].astype(np.float64), t, means, covariances, _LEVELS)
    centres = np.linspace(-1, 1, _CENTRES) * width
    widths = np.linspace(0.05, 0.5, _WIDTHS) * width
    steps = (r[:, None, None] - centres[:, None]) / widths
    costs = _profile_costs(table, t, ndtr(steps), len(points))
    first = 0
    for chain in chains:
        here = slice(first, first + len(chain))
        path = best_profiles(costs[here], centres / width, widths / width)
        mine = (t >= here.start) & (t < here.stop)
        chosen = path[t[mine] - first]
        alpha[ys[mine], xs[mine]] = ndtr((r[mine] - centres[chosen[:, 0]]) / widths[chosen[:, 1]])
        first = here.stop
    return alpha


def best_profiles(
    costs: Floats, centres: Floats, widths: Floats, *, closed: bool = True
) -> NDArray[np.int64]:
    """Return the (T, 2) indices of centre and width of least total cost along a chain.

    Parameters
    ----------
    costs : (T, C, S) of each profile at each point.
    centres : (C,), widths : (S,), whose squared differences between neighbouring points cost
        `_SMOOTH_CENTRE` and `_SMOOTH_WIDTH`.
    closed : whether the last point is the first one's neighbour. The chain is then run one and a half times
        more and its middle kept.
    """
    count = len(costs)
    if closed and count > 1:
        half = count // 2
        costs = np.concatenate([costs[-half:] if half else costs[:0], costs, costs[: count - half]])
    step_c = _SMOOTH_CENTRE * (centres[:, None] - centres) ** 2
    step_s = _SMOOTH_WIDTH * (widths[:, None] - widths) ** 2
    path: NDArray[np.int64] = _best_path(np.ascontiguousarray(costs), step_c, step_s)
    if closed and count > 1:
        return path[half : half + count]
    return path


def _contours(labels: Bool) -> tuple[list[NDArray[np.int32]], NDArray[np.int64]]:
    """Chains of contour pixels (x, y), and (h, w) the nearest one's place in their concatenation."""
    found, _ = cv2.findContours(labels.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    chains = [c[:, 0] for c in found]
    if not chains:
        return [], np.zeros(labels.shape, np.int64)
    x, y = np.concatenate(chains).T
    place = np.full(labels.shape, -1, np.int64)
    place[y, x] = np.arange(len(x))
    return chains, place[nearest(place >= 0)]


def _colours(
    rgb: NDArray[np.uint8], labels: Bool, ribbon: Bool, points: NDArray[np.int32]
) -> tuple[Floats, Floats]:
    """(T, 2, 3) means and (T, 2, 3, 3) covariances of background and subject around each contour point."""
    image = rgb.astype(np.float64)
    products = np.concatenate([image[..., i : i + 1] * image[..., i:] for i in range(3)], axis=2)
    values = np.concatenate([np.ones_like(image[..., :1]), image, products], axis=2)
    means, covariances = [], []
    for side in (~labels, labels):
        sums = [_window_sums(values * m[..., None], points) for m in (side & ~ribbon, side)]
        total = np.where(sums[0][:, :1] > 0.5, sums[0], sums[1])  # thin parts lie in the ribbon whole
        whole = values[side].sum(0) if side.any() else values.sum((0, 1))
        total = np.where(total[:, :1] > 0.5, total, whole)
        mean = total[:, 1:4] / total[:, :1]
        square = np.empty((len(points), 3, 3))
        upper = np.triu_indices(3)
        square[:, upper[0], upper[1]] = square[:, upper[1], upper[0]] = total[:, 4:] / total[:, :1]
        means.append(mean)
        covariances.append(square - mean[:, :, None] * mean[:, None, :] + _FLOOR * np.eye(3))
    return np.stack(means, 1), np.stack(covariances, 1)


def _window_sums(values: Floats, points: NDArray[np.int32]) -> Floats:
    """(T, c) sums over the window around each point."""
    height, width, channels = values.shape
    integral = np.zeros((height + 1, width + 1, channels))
    integral[1:, 1:] = values.cumsum(0).cumsum(1)
    x0, y0 = np.maximum(points - _WINDOW // 2, 0).T
    x1, y1 = np.minimum(points.T + _WINDOW // 2 + 1, [[width], [height]])
    sums: Floats = integral[y1, x1] - integral[y0, x1] - integral[y1, x0] + integral[y0, x0]
    return sums


@numba.njit(cache=True)
def _pixel_costs(colours, t, means, covariances, levels):  # type: ignore[no-untyped-def]
    """(N, levels) negative log-likelihood of each ribbon pixel at alphas 0..1."""
    out = np.empty((len(colours), levels))
    for n in range(len(colours)):
        p = t[n]
        for k in range(levels):
            a = k / (levels - 1)
            s = (1 - a) ** 2 * covariances[p, 0] + a * a * covariances[p, 1]
            d = colours[n] - (1 - a) * means[p, 0] - a * means[p, 1]
            c00 = s[1, 1] * s[2, 2] - s[1, 2] * s[1, 2]
            c01 = s[0, 2] * s[1, 2] - s[0, 1] * s[2, 2]
            c02 = s[0, 1] * s[1, 2] - s[0, 2] * s[1, 1]
            det = s[0, 0] * c00 + s[0, 1] * c01 + s[0, 2] * c02
            square = c00 * d[0] * d[0] + (s[0, 0] * s[2, 2] - s[0, 2] * s[0, 2]) * d[1] * d[1]
            square += (s[0, 0] * s[1, 1] - s[0, 1] * s[0, 1]) * d[2] * d[2]
            square += 2 * (c01 * d[0] * d[1] + c02 * d[0] * d[2])
            square += 2 * (s[0, 1] * s[0, 2] - s[0, 0] * s[1, 2]) * d[1] * d[2]
            out[n, k] = 0.5 * (square / det + np.log(det))
    return out


@numba.njit(cache=True)
def _profile_costs(table, t, alphas, count):  # type: ignore[no-untyped-def]
    """(count, C, S) sums of the pixels' tabled costs, between levels linearly."""
    _, centres, widths = alphas.shape
    top = table.shape[1] - 1
    out = np.zeros((count, centres, widths))
    for n in range(len(t)):
        for i in range(centres):
            for j in range(widths):
                at = alphas[n, i, j] * top
                k = min(int(at), top - 1)
                out[t[n], i, j] += table[n, k] + (at - k) * (table[n, k + 1] - table[n, k])
    return out


@numba.njit(cache=True)
def _best_path(costs, step_c, step_s):  # type: ignore[no-untyped-def]
    """Viterbi over (centre, width); the step's cost is a sum, so each is minimised on its own."""
    count, centres, widths = costs.shape
    back = np.empty((count, centres, widths, 2), np.int16)
    best = costs[0].copy()
    half = np.empty((centres, widths))
    by_width = np.empty((centres, widths), np.int16)
    for t in range(1, count):
        for i in range(centres):
            for j in range(widths):
                half[i, j] = np.inf
                for q in range(widths):
                    total = best[i, q] + step_s[q, j]
                    if total < half[i, j]:
                        half[i, j], by_width[i, j] = total, q
        for i in range(centres):
            for j in range(widths):
                least, which = np.inf, 0
                for p in range(centres):
                    total = half[p, j] + step_c[p, i]
                    if total < least:
                        least, which = total, p
                best[i, j] = least + costs[t, i, j]
                back[t, i, j, 0], back[t, i, j, 1] = which, by_width[which, j]
    path = np.empty((count, 2), np.int64)
    flat = best.argmin()
    i, j = flat // widths, flat % widths
    for t in range(count - 1, -1, -1):
        path[t, 0], path[t, 1] = i, j
        if t > 0:
            i, j = back[t, i, j, 0], back[t, i, j, 1]
    return path
