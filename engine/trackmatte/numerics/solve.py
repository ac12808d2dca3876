"""Solving the band's linear system: by elimination when it must be exact, by iteration in a video."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray
from scipy.sparse.linalg import SuperLU, splu

from trackmatte.numerics.laplacian import CENTRE, BandSystem, one_product

MOST_ELIMINATED = 400_000
"""Unknowns above which elimination would take too much memory (about 3 kB each) and iteration takes over."""


def solve_exactly(system: BandSystem) -> NDArray[np.float64]:
    """Solve ``L x = constant``, the band between fixed pixels and no prior.

    Parameters
    ----------
    system : the matting Laplacian of n pixels, float64.

    Returns
    -------
    (n,) solution.

    Notes
    -----
    A band is long and thin, so elimination in minimum-degree order fills in little: it is faster than one
    incomplete factorisation and its iterations, and exact. Beyond ``MOST_ELIMINATED`` pixels it is conjugate
    gradients with incomplete Cholesky after all.
    """
    matrix = sp.csc_matrix(system.matrix())
    if matrix.shape[0] > MOST_ELIMINATED:
        import pymatting

        shifts = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # without any the factorisation fails, and says so on stdout
        factor = pymatting.ichol(matrix, discard_threshold=1e-4, shifts=shifts)
        return np.asarray(pymatting.cg(matrix.tocsr(), system.constant, M=factor, rtol=1e-9))
    return np.asarray(factorised(matrix).solve(system.constant))


def factorised(matrix: sp.csc_matrix) -> SuperLU:
    """Eliminate a sparse symmetric matrix in minimum-degree order, without pivoting; it has a ``solve``."""
    return splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})


def conjugate_gradient(
    system: BandSystem,
    weight: NDArray[Any],
    target: NDArray[Any],
    start: NDArray[Any],
    tolerance: float,
    iterations: int,
) -> tuple[NDArray[Any], int]:
    """Solve ``(L + diag(weight)) x = constant + weight * target`` from ``start``.

    Parameters
    ----------
    system : the matting Laplacian of n pixels and what the fixed pixels add.
    weight, target : (n,) strength of the prior per pixel and the alpha it asks for.
    start : (n,) first guess.
    tolerance : stop when the residual's norm has fallen to this fraction of the right-hand side's.
    iterations : stop after so many in any case.

    Returns
    -------
    (n,) solution and the number of iterations made.

    Notes
    -----
    Jacobi preconditioning (Saad, "Iterative methods for sparse linear systems", 2003, algorithm 9.1).
    """
    n = len(start)
    values = system.values.copy()
    values[:, CENTRE] += weight
    values[:, CENTRE] = np.maximum(values[:, CENTRE], 1e-12)
    right = (system.constant + weight * target).astype(values.dtype)
    x = np.zeros(n + 1, values.dtype)
    x[:n] = start
    done = _pcg(values, system.columns, right, x, tolerance, iterations)
    return x[:n], int(done)


@njit(cache=True, fastmath={"contract", "reassoc"})  # type: ignore[untyped-decorator]
def _pcg(
    values: Any, columns: Any, right: Any, x: Any, tolerance: float, iterations: int
) -> int:  # pragma: no cover - compiled
    n = values.shape[0]
    q = np.empty_like(right)
    p = np.zeros_like(x)
    one_product(values, columns, x, q)
    r = right - q
    goal = 0.0
    rz = 0.0
    for i in range(n):
        goal += float(right[i]) ** 2
        p[i] = r[i] / values[i, 12]
        rz += float(r[i]) * float(p[i])
    goal *= tolerance * tolerance
    for step in range(iterations):
        rr = 0.0
        for i in range(n):
            rr += float(r[i]) ** 2
        if rr <= goal or rz == 0.0:
            return step
        one_product(values, columns, p, q)
        pq = 0.0
        for i in range(n):
            pq += float(p[i]) * float(q[i])
        a = values.dtype.type(rz / pq)
        new = 0.0
        for i in range(n):
            x[i] += a * p[i]
            r[i] -= a * q[i]
            new += float(r[i]) * float(r[i]) / float(values[i, 12])
        b = values.dtype.type(new / rz)
        rz = new
        for i in range(n):
            p[i] = r[i] / values[i, 12] + b * p[i]
    return iterations
