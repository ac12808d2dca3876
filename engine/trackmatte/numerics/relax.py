"""Layers that are nearly 0 or 1, yet soft where the picture is: sparsification pixel by pixel.

Aksoy et al., "Semantic soft segmentation", SIGGRAPH 2018, section 3.4. The least of

    sum_i a_i' L a_i + .3 sum |a|^g + |1 - a|^g + .1 sum (a - a0)^2 + 100 sum (1 - sum_i a_i)^2

over all layers a_i, where a0 is what they begin as and g = min(.9 + |gradient of the picture|, 1): where the
picture changes, g is 1 and the second term asks for nothing between 0 and 1.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.numerics.laplacian import Operator
from trackmatte.numerics.spectral import pulls, sparsity
from trackmatte.numerics.watch import Watch, unwatched

SPARSE, FAITHFUL, WHOLE = 0.3, 0.1, 100.0
"""Weights of sparsity, of the first estimate, and of summing to 1."""

F32 = NDArray[np.float32]


def softness(rgb: F32) -> F32:
    """Return (H, W) the exponent of the sparsity, from .9 to 1 where the picture changes.

    Derivatives: Farid and Simoncelli, "Differentiation of discrete multidimensional signals", 2004, 5 taps.
    """
    prefilter = np.array([0.037659, 0.249153, 0.426375, 0.249153, 0.037659], np.float32)
    derivative = np.array([0.109604, 0.276691, 0.0, -0.276691, -0.109604], np.float32)
    dx = cv2.sepFilter2D(rgb, -1, derivative, prefilter, borderType=cv2.BORDER_REPLICATE)
    dy = cv2.sepFilter2D(rgb, -1, prefilter, derivative, borderType=cv2.BORDER_REPLICATE)
    change = np.sqrt((dx * dx + dy * dy).sum(-1))
    return np.asarray(np.minimum(np.float32(0.9) + change, 1), np.float32)


def energy(operator: Operator, alpha: F32, first: F32, gamma: F32) -> float:
    """Return what is minimised; (n, k) layers, (n, k) first estimates, (n,) exponents."""
    a, f = alpha.astype(np.float64), first.astype(np.float64)
    smooth = float((a * operator(alpha)).sum())
    sparse = float(sparsity(a, gamma[:, None].astype(np.float64)).sum())
    return (
        smooth
        + SPARSE * sparse
        + FAITHFUL * float(((a - f) ** 2).sum())
        + WHOLE * float(((1 - a.sum(1)) ** 2).sum())
    )


def relax(
    operator: Operator,
    first: F32,
    gamma: F32,
    *,
    rounds: int = 8,
    inner: int = 25,
    tolerance: float = 1e-3,
    watch: Watch = unwatched,
) -> F32:
    """Minimise the energy from its first estimate.

    Parameters
    ----------
    operator : L of n pixels.
    first : (n, k) layers to begin with.
    gamma : (n,) exponents of the sparsity.
    rounds : parabolas that touch the energy from above; each is minimised by conjugate gradients.
    inner : their iterations, at most.
    tolerance : relative residual at which they end.
    watch : called after every round.

    Returns
    -------
    (n, k) layers, not clipped.
    """
    alpha = np.ascontiguousarray(first, np.float32)
    for turn in range(rounds):
        u, v = pulls(alpha, gamma[:, None])
        weight = np.float32(SPARSE) * (u + v) + np.float32(FAITHFUL)
        right = np.float32(SPARSE) * v + np.float32(FAITHFUL) * first + np.float32(WHOLE)
        alpha = _conjugate_gradient(operator, weight, right, alpha, inner, tolerance)
        watch((turn + 1) / rounds)
    return alpha


def _conjugate_gradient(
    operator: Operator, weight: F32, right: F32, x: F32, most: int, tolerance: float
) -> F32:
    """Solve ``L x_i + weight_i x_i + 100 sum_j x_j = right_i`` for all layers together.

    The preconditioner is, pixel by pixel, the diagonal plus the coupling of the layers, inverted exactly
    (Sherman and Morrison).
    """

    def times(p: F32) -> F32:
        return np.asarray(operator(p) + weight * p + np.float32(WHOLE) * p.sum(1, keepdims=True), np.float32)

    inverse = 1 / (weight + np.maximum(operator.diagonal, 0)[:, None])
    coupling = np.float32(WHOLE) / (1 + np.float32(WHOLE) * inverse.sum(1, keepdims=True))

    def precondition(r: F32) -> F32:
        z = r * inverse
        return np.asarray(z - inverse * (coupling * z.sum(1, keepdims=True)), np.float32)

    residual = right - times(x)
    z = precondition(residual)
    p, rz = z, float(np.vdot(residual, z))
    goal = tolerance**2 * float(np.vdot(right, precondition(right)))
    for _ in range(most):
        if rz <= goal:
            break
        q = times(p)
        step = np.float32(rz / float(np.vdot(p, q)))
        x = x + step * p
        residual = residual - step * q
        z = precondition(residual)
        new = float(np.vdot(residual, z))
        p = z + np.float32(new / rz) * p
        rz = new
    return x
