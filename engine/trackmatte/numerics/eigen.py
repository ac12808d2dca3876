"""Smallest eigenvectors of a sparse symmetric matrix: exact for small pictures, lifted for large ones.

The eigenvectors of the matting Laplacian that belong to its smallest eigenvalues are the soft regions of a
picture: Levin, Rav-Acha and Lischinski, "Spectral matting", PAMI 2008. Elimination and Lanczos on all pixels
cost seconds at 320 px and minutes above; the large scale of an eigenvector is known from a smaller picture,
and what is missing is its detail, which a polynomial in the large matrix puts in: Zhou, Saad, Tiago and
Chelikowsky, "Self-consistent-field calculations using Chebyshev-filtered subspace iteration", 2006.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, eigsh

from trackmatte.errors import UsageError
from trackmatte.numerics.guided import guided_filter
from trackmatte.numerics.solve import factorised
from trackmatte.numerics.watch import Watch, unwatched

Apply = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(n, k) -> the matrix times it."""

SHIFT = 1e-6
"""Added to the diagonal before elimination, since the Laplacian is singular."""
MOST_UNKNOWNS = 200_000
"""Rows that are eliminated at most: about 5 kB each."""


def smallest_eigenvectors(
    matrix: sp.csr_array, count: int, watch: Watch = unwatched
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the eigenvalues nearest to zero, ascending, and their eigenvectors.

    Parameters
    ----------
    matrix : (n, n) symmetric, its eigenvalues at least about 0.
    count : wanted, at least 1; never more than n come back.
    watch : called at every step of Lanczos' method; how many there will be is guessed.

    Returns
    -------
    (k,) values and (n, k) orthonormal vectors; the same matrix gives the same ones.

    Raises
    ------
    UsageError
        When the matrix is too large for elimination, or ``count`` is not positive.
    """
    n = int(matrix.shape[0])
    if count < 1:
        raise UsageError(f"{count} eigenvectors cannot be meant; ask for 1 or more")
    if n > MOST_UNKNOWNS:
        raise UsageError(
            f"eigenvectors of {n} pixels would take more than {MOST_UNKNOWNS * 5 // 1_000_000} GB; "
            "reduce the picture, or lift those of a smaller one"
        )
    if n <= max(64, 3 * count):
        values, vectors = eigh(matrix.toarray())
        return values[:count], vectors[:, :count]
    factors = factorised(sp.csc_matrix(matrix + SHIFT * sp.eye_array(n)))
    watch(0.2)
    steps = itertools.count(1)

    def shifted(x: NDArray[np.float64]) -> NDArray[np.float64]:
        watch(0.2 + 0.8 * (1 - np.exp(-next(steps) / (1.5 * count))))
        return np.asarray(factors.solve(x))

    solve = LinearOperator((n, n), matvec=shifted, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(n)
    values, vectors = eigsh(matrix, count, sigma=-SHIFT, OPinv=solve, v0=start, tol=1e-6)
    order = np.argsort(values)
    return values[order], vectors[:, order]


def enlarge(
    small: NDArray[Any], small_shape: tuple[int, int], guide: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Bring vectors of a reduced picture to a larger one along its colours.

    Parameters
    ----------
    small : (n, k) vectors on the n pixels of a picture of ``small_shape``, (h, w).
    guide : (H, W, 3) the larger picture, in [0, 1].

    Returns
    -------
    (H * W, k): local linear functions of colour, fitted on the reduced picture.
    """
    height, width = guide.shape[:2]
    out = np.empty((height * width, small.shape[1]), np.float32)
    scale = max(1, round(width / small_shape[1]))
    for i in range(small.shape[1]):
        plane = np.ascontiguousarray(small[:, i].reshape(small_shape), np.float32)
        rough = cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
        size = max(1e-12, float(np.abs(plane).max()))
        out[:, i] = size * guided_filter(guide, rough / np.float32(size), 1.5 * scale, 1e-4, 1).ravel()
    return out


def smoothed(
    apply: Apply, x: NDArray[np.float32], cut: float, top: float, degree: int
) -> NDArray[np.float32]:
    """Damp what the matrix is large on: a Chebyshev polynomial of it, 1 at eigenvalue 0.

    Parameters
    ----------
    apply : the matrix.
    x : (n, k).
    cut, top : eigenvalues between them are damped, by about ``2 exp(-2 degree sqrt(cut / top))``.
    degree : products with the matrix.
    """
    middle, half = (top + cut) / 2, (top - cut) / 2
    sigma = -half / middle  # reciprocal of the polynomial's argument at eigenvalue 0
    first = sigma
    before = x
    now = (apply(x) - np.float32(middle) * x) * np.float32(sigma / half)
    for _ in range(1, degree):
        following = 1 / (2 / first - sigma)
        step = (apply(now) - np.float32(middle) * now) * np.float32(2 * following / half)
        before, now = now, step - np.float32(sigma * following) * before
        sigma = following
    return now


def rayleigh_ritz(apply: Apply, x: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return the best eigenvalues and eigenvectors that the span of (n, k) columns holds, ascending."""
    basis = np.asarray(np.linalg.qr(x)[0], np.float32)
    small = (basis.T @ apply(basis)).astype(np.float64)
    values, turn = np.linalg.eigh((small + small.T) / 2)
    return values, basis @ turn.astype(np.float32)
