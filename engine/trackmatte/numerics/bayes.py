"""Bayesian matting: colour, foreground, background and alpha of one pixel at its most probable.

Chuang, Curless, Salesin and Szeliski, "A Bayesian approach to digital matting", CVPR 2001. Unknown pixels
are solved from both sides inwards. Each one looks at the colours around it, those of pixels solved before
included, weighted by their alpha and by a Gaussian of their distance; splits the colours of each side into
clusters (Orchard and Bouman, "Color quantization of images", 1991); and finds for every pair of clusters the
foreground F, background B and alpha with the largest posterior

    - |C - alpha F - (1 - alpha) B|^2 / (2 sigma^2) - (F - mean_F)' S_F^-1 (F - mean_F) / 2 - (same of B).

In turn: F and B at fixed alpha, which is a linear system of six equations; alpha at fixed F and B, which is a
projection. The pair with the largest posterior wins. The lecture and the paper write the first term without
its 1/2 but derive the six equations with it; so do we, and both steps climb the same hill.

Six equations become three: with ``S = alpha^2 S_F + (1 - alpha)^2 S_B + sigma^2 I`` and
``r = C - alpha mean_F - (1 - alpha) mean_B`` the solution is ``F = mean_F + alpha S_F S^-1 r`` and
``B = mean_B + (1 - alpha) S_B S^-1 r`` (matrix inversion lemma); the posterior there is ``-r' S^-1 r / 2``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from trackmatte.errors import UsageError
from trackmatte.numerics.samples import nearest

CAPACITY = 256
"""Samples of one side that one pixel looks at, at most."""
LEAST_ALPHA = 0.1
"""A solved pixel below it says nothing about the foreground; above 1 - it nothing about the background."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """What decides a Bayesian matte; colours are in [0, 1], lengths in px."""

    sigma: float = 0.0025
    """Standard deviation of the plate's colour."""
    spread: float = 8.0
    """Standard deviation of the Gaussian that weighs samples by distance."""
    enough: float = 96.0
    """The window grows until the squared shares of its samples come to this, on each side."""
    reach: int = 48
    """It does not grow beyond this radius; then the nearest known pixel alone counts."""
    clusters: int = 3
    """Of each side, at most."""
    tight: float = 0.08
    """Clusters whose largest standard deviation is below this are not split."""
    rounds: int = 50
    """Alternations, at most."""


class Solved(NamedTuple):
    """What Bayesian matting finds."""

    alpha: NDArray[np.float32]
    """(H, W) in [0, 1]; 1 and 0 on known pixels."""
    foreground: NDArray[np.float32]
    """(H, W, 3) in [0, 1]; the plate where alpha is known to be 1, 0 where it is known to be 0."""
    background: NDArray[np.float32]
    """(H, W, 3) likewise."""


def bayesian_matte(
    rgb: NDArray[np.float32],
    foreground: NDArray[np.bool_],
    background: NDArray[np.bool_],
    how: Sampling | None = None,
) -> Solved:
    """Solve the pixels that are neither sure foreground nor sure background.

    Parameters
    ----------
    rgb : (H, W, 3) float32 in [0, 1], finite.
    foreground, background : (H, W) bool, sure pixels; no pixel in both.
    how : settings; None = the defaults.

    Raises
    ------
    UsageError
        When unknown pixels are left and a side has no sure pixel.
    """
    alpha = foreground.astype(np.float32)
    fore = np.where(foreground[..., None], rgb, np.float32(0))
    back = np.where(background[..., None], rgb, np.float32(0))
    unknown = ~(foreground | background)
    if not unknown.any():
        return Solved(alpha, fore, back)
    if not (foreground.any() and background.any()):
        lacking = "background" if foreground.any() else "foreground"
        raise UsageError(f"Bayesian matting needs sure pixels of both sides; mark some {lacking} as well")
    how = how or Sampling()
    shares = np.stack([foreground, background]).astype(np.float32)
    near = np.stack([*nearest(foreground), *nearest(background)])
    steps, falloff = _window(how.reach, how.spread)
    numbers = np.array([how.sigma**2, how.enough, how.tight**2], np.float64)
    colours = np.stack([fore, back])
    for shell in shells(unknown):
        _solve_shell(
            rgb, shell, shares, colours, near, steps, falloff, numbers, how.clusters, how.rounds, alpha
        )
        a = alpha[shell[:, 0], shell[:, 1]]
        shares[0, shell[:, 0], shell[:, 1]] = np.where(a >= LEAST_ALPHA, a, 0)
        shares[1, shell[:, 0], shell[:, 1]] = np.where(a <= 1 - LEAST_ALPHA, 1 - a, 0)
    return Solved(alpha, colours[0], colours[1])


def shells(unknown: NDArray[np.bool_]) -> list[NDArray[np.int32]]:
    """Return the (n, 2) rows and columns of unknown pixels, shell by shell from the known ones inwards.

    A shell holds the pixels that are equally many steps (left, right, up, down) away from a known one.
    """
    padded = np.pad(unknown.astype(np.uint8), 1, constant_values=1)  # the frame's border knows nothing
    depth = cv2.distanceTransform(padded, cv2.DIST_L1, 3)[1:-1, 1:-1][unknown].astype(np.int32)
    places = np.argwhere(unknown).astype(np.int32)
    order = np.argsort(depth, kind="stable")
    ends = np.flatnonzero(np.diff(depth[order])) + 1
    return [np.ascontiguousarray(s) for s in np.split(places[order], ends)]


def _window(reach: int, spread: float) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return (n, 2) steps within a disc, the nearest first, and the weights of their distances."""
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    squared = (y * y + x * x).ravel()
    order = np.argsort(squared, kind="stable")
    order = order[(squared[order] > 0) & (squared[order] <= reach * reach)]
    steps = np.stack([y.ravel()[order], x.ravel()[order]], 1).astype(np.int32)
    return steps, np.exp(-squared[order] / (2 * spread**2))


@njit(cache=True)  # type: ignore[untyped-decorator]
def _gather(
    y: int, x: int, shares: Any, colours: Any, steps: Any, falloff: Any, enough: float, out: Any
) -> int:  # pragma: no cover - compiled
    """Fill ``out`` (n, 4), weight and colour, with one side's samples around a pixel; return how many."""
    height, width = shares.shape
    found, mass = 0, 0.0
    for k in range(steps.shape[0]):
        yy, xx = y + steps[k, 0], x + steps[k, 1]
        if yy < 0 or xx < 0 or yy >= height or xx >= width or shares[yy, xx] == 0:
            continue
        squared = shares[yy, xx] * shares[yy, xx]
        out[found, 0] = squared * falloff[k]
        for c in range(3):
            out[found, 1 + c] = colours[yy, xx, c]
        found += 1
        mass += squared
        if mass >= enough or found == out.shape[0]:
            break
    return found


@njit(cache=True)  # type: ignore[untyped-decorator]
def _describe(samples: Any, label: Any, which: int, noise: float, mean: Any, cov: Any) -> float:
    # pragma: no cover - compiled
    """Weighted mean and covariance of the samples of one cluster; return its weight.

    One pass: colours are in [0, 1] and sums in float64, so what cancels is 1e-16 beside a noise of 1e-7.
    """
    total = m0 = m1 = m2 = c00 = c01 = c02 = c11 = c12 = c22 = 0.0
    for n in range(label.size):
        if label[n] == which:
            w, r, g, b = samples[n, 0], samples[n, 1], samples[n, 2], samples[n, 3]
            wr, wg = w * r, w * g
            total += w
            m0 += wr
            m1 += wg
            m2 += w * b
            c00 += wr * r
            c01 += wr * g
            c02 += wr * b
            c11 += wg * g
            c12 += wg * b
            c22 += w * b * b
    share = 1 / max(total, 1e-300)
    m0, m1, m2 = m0 * share, m1 * share, m2 * share
    mean[0], mean[1], mean[2] = m0, m1, m2
    cov[0, 0] = max(c00 * share - m0 * m0, 0.0) + noise
    cov[1, 1] = max(c11 * share - m1 * m1, 0.0) + noise
    cov[2, 2] = max(c22 * share - m2 * m2, 0.0) + noise
    cov[0, 1] = cov[1, 0] = c01 * share - m0 * m1
    cov[0, 2] = cov[2, 0] = c02 * share - m0 * m2
    cov[1, 2] = cov[2, 1] = c12 * share - m1 * m2
    return total


@njit(cache=True)  # type: ignore[untyped-decorator]
def _principal(cov: Any, axis: Any) -> float:  # pragma: no cover - compiled
    """Write the main axis of a covariance (power iteration) and return the variance along it."""
    best = 0
    for c in range(1, 3):
        if cov[c, c] > cov[best, best]:
            best = c
    axis[:] = cov[best]
    length = 0.0
    for _ in range(12):
        length = np.sqrt(axis[0] ** 2 + axis[1] ** 2 + axis[2] ** 2)
        if length == 0.0:
            return 0.0
        u0, u1, u2 = axis[0] / length, axis[1] / length, axis[2] / length
        for c in range(3):
            axis[c] = cov[c, 0] * u0 + cov[c, 1] * u1 + cov[c, 2] * u2
    return float(np.sqrt(axis[0] ** 2 + axis[1] ** 2 + axis[2] ** 2))


@njit(cache=True)  # type: ignore[untyped-decorator]
def _cluster(
    samples: Any, label: Any, most: int, tight: float, noise: float, means: Any, covs: Any
) -> int:  # pragma: no cover - compiled
    """Split samples at the mean across the widest cluster's main axis, again and again; return how many."""
    label[:] = 0
    # An underflow of all weights would leave no mean: the largest becomes 1.
    top = 0.0
    for n in range(label.size):
        top = max(top, samples[n, 0])
    for n in range(label.size):
        samples[n, 0] = samples[n, 0] / top if top > 0 else 1.0
    axis, widest = np.empty(3), np.empty(3)
    _describe(samples, label, 0, noise, means[0], covs[0])
    count = 1
    while count < most:
        pick, variance = -1, tight
        for k in range(count):
            v = _principal(covs[k], axis)
            if v > variance:
                pick, variance = k, v
                widest[:] = axis
        if pick < 0:
            break
        middle = means[pick, 0] * widest[0] + means[pick, 1] * widest[1] + means[pick, 2] * widest[2]
        moved = 0
        for n in range(label.size):
            along = samples[n, 1] * widest[0] + samples[n, 2] * widest[1] + samples[n, 3] * widest[2]
            if label[n] == pick and along > middle:
                label[n] = count
                moved += 1
        if moved == 0:
            break
        _describe(samples, label, pick, noise, means[pick], covs[pick])
        _describe(samples, label, count, noise, means[count], covs[count])
        count += 1
    return count


@njit(cache=True)  # type: ignore[untyped-decorator]
def solve_pair(
    colour: Any,
    mean_f: Any,
    cov_f: Any,
    mean_b: Any,
    cov_b: Any,
    variance: float,
    start: float,
    rounds: int,
    f: Any,
    b: Any,
) -> tuple[float, float]:  # pragma: no cover - compiled
    """Alternate between F, B and alpha for one pair of clusters.

    Parameters
    ----------
    colour : (3,) of the pixel.
    mean_f, mean_b, cov_f, cov_b : (3,) and (3, 3) of the clusters, covariances positive definite.
    variance : of the plate's noise.
    start : first alpha.
    rounds : at most.
    f, b : (3,) receive F and B, not clipped.

    Returns
    -------
    alpha in [0, 1] and the posterior, a logarithm without its constant.
    """
    alpha, posterior = start, -np.inf
    r, t = np.empty(3), np.empty(3)
    for _ in range(rounds):
        beta = 1 - alpha
        for c in range(3):
            r[c] = colour[c] - alpha * mean_f[c] - beta * mean_b[c]
        s00 = alpha * alpha * cov_f[0, 0] + beta * beta * cov_b[0, 0] + variance
        s01 = alpha * alpha * cov_f[0, 1] + beta * beta * cov_b[0, 1]
        s02 = alpha * alpha * cov_f[0, 2] + beta * beta * cov_b[0, 2]
        s11 = alpha * alpha * cov_f[1, 1] + beta * beta * cov_b[1, 1] + variance
        s12 = alpha * alpha * cov_f[1, 2] + beta * beta * cov_b[1, 2]
        s22 = alpha * alpha * cov_f[2, 2] + beta * beta * cov_b[2, 2] + variance
        a00, a01, a02 = s11 * s22 - s12 * s12, s02 * s12 - s01 * s22, s01 * s12 - s02 * s11
        a11, a12, a22 = s00 * s22 - s02 * s02, s01 * s02 - s00 * s12, s00 * s11 - s01 * s01
        det = s00 * a00 + s01 * a01 + s02 * a02
        t[0] = (a00 * r[0] + a01 * r[1] + a02 * r[2]) / det
        t[1] = (a01 * r[0] + a11 * r[1] + a12 * r[2]) / det
        t[2] = (a02 * r[0] + a12 * r[1] + a22 * r[2]) / det
        posterior = -0.5 * (r[0] * t[0] + r[1] * t[1] + r[2] * t[2])
        along, apart = 0.0, 1e-12
        for c in range(3):
            f[c] = mean_f[c] + alpha * (cov_f[c, 0] * t[0] + cov_f[c, 1] * t[1] + cov_f[c, 2] * t[2])
            b[c] = mean_b[c] + beta * (cov_b[c, 0] * t[0] + cov_b[c, 1] * t[1] + cov_b[c, 2] * t[2])
            along += (colour[c] - b[c]) * (f[c] - b[c])
            apart += (f[c] - b[c]) ** 2
        new = min(max(along / apart, 0.0), 1.0)
        if abs(new - alpha) < 1e-5:
            break
        alpha = new
    return alpha, posterior


@njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def _solve_shell(
    rgb: Any,
    shell: Any,
    shares: Any,
    colours: Any,
    near: Any,
    steps: Any,
    falloff: Any,
    numbers: Any,
    clusters: int,
    rounds: int,
    alpha: Any,
) -> None:  # pragma: no cover - compiled
    variance, enough, tight = numbers[0], numbers[1], numbers[2]
    height, width = alpha.shape
    for n in prange(shell.shape[0]):
        y, x = shell[n, 0], shell[n, 1]
        means = np.empty((2, clusters, 3))
        covs = np.empty((2, clusters, 3, 3))
        counts = np.zeros(2, np.int64)
        samples = np.empty((CAPACITY, 4))
        for side in range(2):
            found = _gather(y, x, shares[side], colours[side], steps, falloff, enough, samples)
            if found == 0:
                found = 1
                samples[0, 0] = 1.0
                for c in range(3):
                    samples[0, 1 + c] = rgb[near[2 * side, y, x], near[2 * side + 1, y, x], c]
            label = np.zeros(found, np.int64)
            counts[side] = _cluster(
                samples[:found], label, clusters, tight, 0.1 * variance, means[side], covs[side]
            )
        around, seen = 0.0, 0
        for k in range(9):
            yy, xx = y + k // 3 - 1, x + k % 3 - 1
            if 0 <= yy < height and 0 <= xx < width and shares[0, yy, xx] + shares[1, yy, xx] > 0:
                around += alpha[yy, xx]
                seen += 1
        start = around / seen if seen > 0 else 0.5
        best = -np.inf
        colour, f, b = np.empty(3), np.empty(3), np.empty(3)
        for c in range(3):
            colour[c] = rgb[y, x, c]
        for i in range(counts[0]):
            for j in range(counts[1]):
                a, posterior = solve_pair(
                    colour,
                    means[0, i],
                    covs[0, i],
                    means[1, j],
                    covs[1, j],
                    variance,
                    start,
                    rounds,
                    f,
                    b,
                )
                if posterior > best:
                    best = posterior
                    alpha[y, x] = a
                    for c in range(3):
                        colours[0, y, x, c] = min(max(f[c], 0.0), 1.0)
                        colours[1, y, x, c] = min(max(b[c], 0.0), 1.0)
