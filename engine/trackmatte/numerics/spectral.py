"""Soft components of a picture from its matting Laplacian's smallest eigenvectors.

Levin, Rav-Acha and Lischinski, "Spectral matting", PAMI 2008: where each colour cluster lies on a line in
every small window, the matting components span the null space of the Laplacian. Among all combinations of the
eigenvectors those are sought whose values are near 0 or 1: the least of

    sum |alpha|^gamma + |1 - alpha|^gamma,   alpha_i = E y_i,   sum of alpha_i = 1,

found by Newton's method on quadratics that touch it from above, from k-means on the eigenvectors.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import UsageError
from trackmatte.numerics.blas import single_blas
from trackmatte.numerics.eigen import enlarge, rayleigh_ritz, smallest_eigenvectors, smoothed
from trackmatte.numerics.gmm import kmeans, nearest_centre
from trackmatte.numerics.laplacian import Operator, full_laplacian
from trackmatte.numerics.rgb8 import rgb8
from trackmatte.numerics.watch import Watch, part_of, unwatched

EXACT = 60_000
"""Pixels up to which eigenvectors come from elimination, in 5 to 10 s; beyond, they are lifted."""
MOST_PIXELS = 1_000_000
"""Pixels of a picture: fifty vectors of them are held several times."""
THRESHOLD = 1e-3
"""Below it |alpha|^gamma is a parabola, so that it has a slope everywhere."""


def sparsity(alpha: NDArray[Any], gamma: float | NDArray[Any]) -> NDArray[Any]:
    """Return |alpha|^gamma + |1 - alpha|^gamma per value, rounded off below `THRESHOLD`."""

    def part(x: NDArray[Any]) -> NDArray[Any]:
        size, bend = np.abs(x), THRESHOLD ** (np.asarray(gamma) - 2)
        round_off = gamma / 2 * bend * size**2 + (1 - gamma / 2) * THRESHOLD ** np.asarray(gamma)
        return np.asarray(np.where(size < THRESHOLD, round_off, size**gamma))

    return np.asarray(part(alpha) + part(1 - alpha))


def pulls(
    alpha: NDArray[np.float32], gamma: float | NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return weights of the parabola ``u alpha^2 + v (1 - alpha)^2`` that touches `sparsity` from above."""
    power = np.asarray(gamma, np.float32) - np.float32(2)
    half = np.asarray(gamma, np.float32) / np.float32(2)
    floor = np.float32(THRESHOLD)
    u = half * np.maximum(np.abs(alpha), floor) ** power
    v = half * np.maximum(np.abs(1 - alpha), floor) ** power
    return np.asarray(u, np.float32), np.asarray(v, np.float32)


def sparse_components(
    vectors: NDArray[Any],
    labels: NDArray[np.integer[Any]],
    *,
    gamma: float = 0.9,
    rounds: int = 20,
    least: float = 0.1,
    watch: Watch = unwatched,
) -> NDArray[np.float32]:
    """Combine eigenvectors into components that are nearly 0 or 1.

    Parameters
    ----------
    vectors : (n, k) orthonormal, a constant within their span.
    labels : (n,) the component that each pixel begins in.
    gamma : below 1; the smaller, the harder the components.
    rounds : of Newton's method.
    least : components that nowhere reach it are dropped.
    watch : called after every round.

    Returns
    -------
    (n, m) components; every row sums to 1 as well as the span can. Values may leave [0, 1] a little. The same
    bytes on any number of threads, which are those of the compiled kernels.
    """
    basis = np.ascontiguousarray(vectors, np.float32)
    whole = basis.T.astype(np.float64).sum(1)  # the combination that is 1 everywhere
    one_hot = labels[:, None] == np.unique(labels)[None]
    alpha = basis @ (basis.T @ one_hot.astype(np.float32))
    with single_blas(), ThreadPoolExecutor(numba.get_num_threads()) as pool:
        for turn in range(rounds):
            if turn:
                kept = alpha.max(0) > least
                alpha = alpha[:, kept] if kept.any() else alpha[:, :1]
            if alpha.shape[1] == 1:
                return np.ones_like(alpha)
            u, v = pulls(alpha, gamma)
            alpha = basis @ _newton(pool, basis, u, v, whole).astype(np.float32)
            watch((turn + 1) / rounds)
    return np.asarray(alpha, np.float32)


def _newton(
    pool: ThreadPoolExecutor,
    basis: NDArray[np.float32],
    u: NDArray[np.float32],
    v: NDArray[np.float32],
    whole: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return (k, m) the minimum of one round's parabolas under ``sum y_i = whole`` (Lagrange multipliers)."""
    weight = np.sqrt(u + v)

    def inverted(i: int) -> NDArray[np.float64]:
        half = basis * weight[:, i, None]
        gram = (half.T @ half).astype(np.float64)  # of one array with itself: half the work
        gram[np.diag_indices_from(gram)] += 1e-6 * np.trace(gram) / len(gram)
        return np.linalg.inv(gram)

    inverses = list(pool.map(inverted, range(u.shape[1])))
    pulled = (basis.T @ v).astype(np.float64)
    free = [inverse @ pulled[:, i] for i, inverse in enumerate(inverses)]
    force = np.linalg.solve(np.sum(inverses, 0), whole - np.sum(free, 0))
    return np.stack([f + inverse @ force for f, inverse in zip(free, inverses, strict=True)], 1)


def clusters(points: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Return (n,) cluster numbers 0..m-1 of (n, d) points, m at most ``count``; k-means++, seeded."""
    nearest = nearest_centre(points, kmeans(points, count))
    return np.unique(nearest, return_inverse=True)[1].astype(np.int64)


def embedding(values: NDArray[Any], vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Return (n, k - 1) eigenvectors as k-means sees them: divided by the roots of their eigenvalues."""
    floor = max(1e-12, float(np.abs(values).max()) * 1e-4)
    scale = 1 / np.sqrt(np.maximum(np.abs(values[1:]), floor))
    return np.asarray(vectors[:, 1:] * scale / scale.max(initial=1e-30), np.float32)


def picture_eigenvectors(
    rgb: NDArray[Any],
    count: int = 50,
    *,
    epsilon: float = 1e-7,
    exact: int = EXACT,
    watch: Watch = unwatched,
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Return the smallest eigenvalues of a picture's matting Laplacian, ascending, and the eigenvectors.

    Parameters
    ----------
    rgb : (H, W, 3) uint8, or floating in [0, 1]; at least 3 x 3 and at most `MOST_PIXELS` pixels.
    count : wanted.
    epsilon : regularisation of the colour covariance.
    exact : pictures with more pixels get the eigenvectors of one reduced to so many, lifted: the best that
        those, enlarged along the colours and smoothed, span together.
    watch : called between steps.

    Returns
    -------
    (k,) values and (H * W, k) orthonormal vectors.

    Raises
    ------
    UsageError
        When the picture is too large or too small, or holds values that are not numbers.
    """
    shown = rgb8(rgb, most=MOST_PIXELS)
    picture = np.asarray(rgb if rgb.dtype != np.uint8 else shown / np.float64(255), np.float64)
    height, width = picture.shape[:2]
    if min(height, width) < 3:
        raise UsageError(f"a picture of {width}x{height} has no eigenvectors to show; 3x3 is the least")
    if height * width <= exact:
        return smallest_eigenvectors(full_laplacian(picture, epsilon).matrix(), count, watch)
    factor = (exact / (height * width)) ** 0.5
    size = (max(3, int(width * factor)), max(3, int(height * factor)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    _, coarse = smallest_eigenvectors(full_laplacian(small, epsilon).matrix(), count, watch)
    operator = Operator(full_laplacian(picture, epsilon, np.float32))
    lifted = enlarge(coarse, (size[1], size[0]), picture.astype(np.float32))
    lifted[:, 0] = 1  # the constant is one of them, whatever the filter makes of it
    top = operator.largest()
    return rayleigh_ritz(operator, smoothed(operator, lifted, 0.02 * top, top, 16))


def spectral_components(
    rgb: NDArray[Any],
    count: int = 10,
    *,
    eigenvectors: int = 50,
    epsilon: float = 1e-7,
    gamma: float = 0.9,
    watch: Watch = unwatched,
) -> NDArray[np.float32]:
    """Split a picture into soft components.

    Parameters
    ----------
    rgb : (H, W, 3) uint8, or floating in [0, 1]; at least 3 x 3 and at most `MOST_PIXELS` pixels.
    count : components to begin with; fewer may remain.
    eigenvectors : that components are combined from.
    epsilon : regularisation of the colour covariance.
    gamma : of the sparsity.
    watch : called between steps with the part that is done.

    Returns
    -------
    (H, W, m) float32 in [0, 1], every pixel summing to 1, the largest component first.

    Raises
    ------
    UsageError
        When the picture is too large, has less pixels than components, or holds values that are not numbers.
    """
    height, width = rgb.shape[:2]
    if count < 1 or count > height * width:
        raise UsageError(f"{count} components of {width}x{height} pixels cannot be; ask for fewer")
    sought = min(eigenvectors, height * width)
    values, vectors = picture_eigenvectors(rgb, sought, epsilon=epsilon, watch=part_of(watch, 0, 0.8))
    labels = clusters(embedding(values, vectors), count)
    alpha = as_layers(sparse_components(vectors, labels, gamma=gamma, watch=part_of(watch, 0.8, 1)))
    return alpha.reshape(height, width, -1)


def as_layers(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Clip (n, m) components to [0, 1], let every row sum to 1, and sort them, the largest first."""
    alpha = np.clip(alpha, 0, 1)
    total = alpha.sum(1, keepdims=True)
    alpha = np.where(total > 1e-6, alpha / np.maximum(total, 1e-6), np.float32(1 / alpha.shape[1]))
    return np.ascontiguousarray(alpha[:, np.argsort(-alpha.sum(0), kind="stable")], np.float32)
