"""The matting Laplacian of the pixels of a band or of a whole picture, and nothing else.

Levin, Lischinski, Weiss, "A closed-form solution to natural image matting", PAMI 2008: over every 3 x 3
window alpha is an affine function of colour, and the energy of leaving that model is ``alpha' L alpha``.
Only windows that touch the band matter to it, so the cost and the memory grow with the band, not with the
frame. A row of ``L`` never reaches further than 5 x 5 pixels; it is stored as 25 coefficients and the 25
positions they act on, in the band's own numbering.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import scipy.sparse as sp
from numba import njit, prange
from numpy.typing import NDArray

REACH = 25
"""Pixels in a row of the Laplacian: 5 x 5."""
CENTRE = 12
"""Place of the diagonal among them."""


@dataclass(frozen=True, slots=True, eq=False)
class BandSystem:
    """``matrix x = constant`` of the n pixels of a band, in row-major order of the image."""

    values: NDArray[Any]
    """(n, 25) float32 or float64 coefficients; column 12 is the diagonal."""
    columns: NDArray[np.int32]
    """(n, 25) numbers of the pixels they act on; n stands for a pixel outside the band."""
    constant: NDArray[Any]
    """(n,) what the fixed pixels around the band add on the right-hand side."""

    def matrix(self) -> sp.csr_array:
        """Return the (n, n) symmetric matrix as SciPy keeps it."""
        n = len(self.constant)
        inside = self.columns < n
        begin = np.concatenate([[0], np.cumsum(np.count_nonzero(inside, axis=1))])
        return sp.csr_array((self.values[inside], self.columns[inside], begin), shape=(n, n))


def full_laplacian(
    rgb: NDArray[Any], epsilon: float, dtype: type[np.floating[Any]] = np.float64
) -> BandSystem:
    """Assemble the matting Laplacian of all pixels of an (H, W, 3) picture; see `band_laplacian`."""
    shape = rgb.shape[:2]
    return band_laplacian(rgb, np.ones(shape, np.bool_), np.zeros(shape), epsilon, dtype)


def band_laplacian(
    rgb: NDArray[Any],
    unknown: NDArray[np.bool_],
    fixed: NDArray[Any],
    epsilon: float,
    dtype: type[np.floating[Any]] = np.float64,
) -> BandSystem:
    """Assemble the matting Laplacian of the unknown pixels, others held at ``fixed``.

    Parameters
    ----------
    rgb : (H, W, 3) float32 or float64 in [0, 1], finite; H and W at least 3.
    unknown : (H, W) bool, the band.
    fixed : (H, W) float, alpha of the pixels outside the band.
    epsilon : regularisation of the colour covariance, colour units squared.
    dtype : precision of the stored system; the windows are computed in float64.

    Returns
    -------
    BandSystem of the n = unknown.sum() pixels.

    Raises
    ------
    ValueError
        When the image is smaller than one window.
    """
    if min(unknown.shape) < 3:
        raise ValueError(f"an image of {unknown.shape[1]}x{unknown.shape[0]} holds no 3x3 window")
    touched = cv2.dilate(unknown.astype(np.uint8), np.ones((3, 3), np.uint8))
    n = int(np.count_nonzero(unknown))
    number = np.full(unknown.shape, -1, np.int32)
    number[unknown] = np.arange(n, dtype=np.int32)
    values = np.zeros((n, REACH), dtype)
    columns = np.full((n, REACH), n, np.int32)
    constant = np.zeros(n, dtype)
    _assemble(rgb, touched, number, fixed, epsilon, values, columns, constant)
    return BandSystem(values, columns, constant)


class Operator:
    """The matting Laplacian of all pixels with links between some of them.

    Parameters
    ----------
    system : the matting Laplacian of n pixels, float32.
    links : (m, m) Laplacian of the links, and the (m,) pixels that they act on. Optional.
    """

    def __init__(
        self, system: BandSystem, links: tuple[sp.csr_array, NDArray[np.int64]] | None = None
    ) -> None:
        self.system = system
        empty = sp.csr_array((0, 0), dtype=np.float32), np.empty(0, np.int64)
        linked, nodes = links or empty
        self.nodes: NDArray[np.int64] = nodes
        self.links = sp.csr_array(linked.astype(np.float32))
        self.diagonal = np.array(system.values[:, CENTRE])
        np.add.at(self.diagonal, self.nodes, self.links.diagonal())

    def __call__(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the matrix times (n, k) columns."""
        padded = np.zeros((len(x) + 1, x.shape[1]), np.float32)
        padded[:-1] = x
        out = np.empty_like(x)
        _product(self.system.values, self.system.columns, padded, out)
        if len(self.nodes):
            np.add.at(out, self.nodes, self.links @ x[self.nodes])
        return out

    def largest(self) -> float:
        """Return a bound on the eigenvalues (Gershgorin)."""
        bound = float(np.abs(self.system.values).sum(1).max())
        linked = np.asarray(abs(self.links).sum(axis=1))
        return bound + float(linked.max(initial=0.0))


@njit(cache=True, fastmath={"contract", "reassoc"}, boundscheck=False)  # type: ignore[untyped-decorator]
def one_product(values: Any, columns: Any, x: Any, out: Any) -> None:  # pragma: no cover - compiled
    """Write the rows' product with one column, (n + 1,) with a last 0, to (n,) ``out``."""
    for i in range(values.shape[0]):
        s = values[i, 0] * x[columns[i, 0]]
        for k in range(1, 25):
            s += values[i, k] * x[columns[i, k]]
        out[i] = s


@njit(cache=True, parallel=True, fastmath={"contract", "reassoc"})  # type: ignore[untyped-decorator]
def _product(values: Any, columns: Any, x: Any, out: Any) -> None:  # pragma: no cover - compiled
    for i in prange(values.shape[0]):
        for k in range(x.shape[1]):
            out[i, k] = 0.0
        for j in range(25):
            w, at = values[i, j], columns[i, j]
            for k in range(x.shape[1]):
                out[i, k] += w * x[at, k]


@njit(cache=True, fastmath={"contract"})  # type: ignore[untyped-decorator]
def _assemble(  # noqa: PLR0912
    rgb: Any,
    touched: Any,
    number: Any,
    fixed: Any,
    epsilon: float,
    values: Any,
    columns: Any,
    constant: Any,
) -> None:  # pragma: no cover - compiled
    height, width = number.shape
    d = np.empty((9, 3))
    g = np.empty((9, 3))
    ids = np.empty(9, np.int32)
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            if touched[y, x] == 0:
                continue
            m0 = m1 = m2 = 0.0
            for k in range(9):
                py, px = y + k // 3 - 1, x + k % 3 - 1
                ids[k] = number[py, px]
                for c in range(3):
                    d[k, c] = rgb[py, px, c]
                m0 += d[k, 0]
                m1 += d[k, 1]
                m2 += d[k, 2]
            m0 /= 9.0
            m1 /= 9.0
            m2 /= 9.0
            s00 = s11 = s22 = epsilon
            s01 = s02 = s12 = 0.0
            for k in range(9):
                d[k, 0] -= m0
                d[k, 1] -= m1
                d[k, 2] -= m2
                s00 += d[k, 0] * d[k, 0]
                s01 += d[k, 0] * d[k, 1]
                s02 += d[k, 0] * d[k, 2]
                s11 += d[k, 1] * d[k, 1]
                s12 += d[k, 1] * d[k, 2]
                s22 += d[k, 2] * d[k, 2]
            # Inverse of the scatter matrix 9 cov + eps: its 1/9 cancels the one in front of the window.
            a00 = s11 * s22 - s12 * s12
            a01 = s02 * s12 - s01 * s22
            a02 = s01 * s12 - s02 * s11
            a11 = s00 * s22 - s02 * s02
            a12 = s01 * s02 - s00 * s12
            a22 = s00 * s11 - s01 * s01
            det = s00 * a00 + s01 * a01 + s02 * a02
            for k in range(9):
                g[k, 0] = (a00 * d[k, 0] + a01 * d[k, 1] + a02 * d[k, 2]) / det
                g[k, 1] = (a01 * d[k, 0] + a11 * d[k, 1] + a12 * d[k, 2]) / det
                g[k, 2] = (a02 * d[k, 0] + a12 * d[k, 1] + a22 * d[k, 2]) / det
            for i in range(9):
                row = ids[i]
                if row < 0:
                    continue
                for j in range(9):
                    w = -1.0 / 9.0 - (d[i, 0] * g[j, 0] + d[i, 1] * g[j, 1] + d[i, 2] * g[j, 2])
                    if i == j:
                        w += 1.0
                    if ids[j] < 0:
                        constant[row] -= w * fixed[y + j // 3 - 1, x + j % 3 - 1]
                    else:
                        place = (j // 3 - i // 3 + 2) * 5 + j % 3 - i % 3 + 2
                        values[row, place] += w
                        columns[row, place] = ids[j]
