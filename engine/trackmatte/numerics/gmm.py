"""Gaussian mixtures with full covariances, fitted by EM in the log domain or by hard assignment.

EM: Dempster, Laird & Rubin 1977. Hard assignment: Rother, Kolmogorov & Blake, "GrabCut", SIGGRAPH 2004, where
each sample belongs to its likeliest component. Start: k-means++ (Arthur & Vassilvitskii 2007), seeded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import UsageError

Array = NDArray[np.float64]
_START_SAMPLES = 2000
_LLOYD_ROUNDS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """A mixture of K Gaussians in D dimensions."""

    weights: Array
    """(K,) shares, sum 1."""
    means: Array
    """(K, D)."""
    covariances: Array
    """(K, D, D), positive definite."""

    def component_log_densities(self, x: NDArray[np.floating]) -> Array:
        """Return (N, K) ``log(weight_k N(x | mean_k, covariance_k))`` of (N, D) samples."""
        logs: Array = _log_densities(np.ascontiguousarray(x, np.float64), self.means, *self._factors())
        return logs

    def log_density(self, x: NDArray[np.floating]) -> Array:
        """Return (N,) log densities of (N, D) samples, by log-sum-exp."""
        logs: Array = _log_density(np.ascontiguousarray(x, np.float64), self.means, *self._factors())
        return logs

    def _factors(self) -> tuple[Array, Array]:
        """Inverse Cholesky factors (K, D, D) and log offsets (K,)."""
        roots = np.linalg.cholesky(self.covariances)
        norms = np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(1)
        norms += 0.5 * self.means.shape[1] * np.log(2 * np.pi)
        return np.linalg.inv(roots), np.log(np.maximum(self.weights, 1e-300)) - norms

    def responsibilities(self, x: NDArray[np.floating]) -> Array:
        """Return (N, K) posterior shares of the components, rows summing to 1."""
        logs = self.component_log_densities(x)
        shares: Array = np.exp(logs - log_sum_exp(logs)[:, None])
        return shares


def log_sum_exp(logs: Array) -> Array:
    """Return ``log(sum(exp(logs), axis=1))`` of (N, K) values without overflow."""
    top = logs.max(axis=1)
    total: Array = top + np.log(np.exp(logs - top[:, None]).sum(axis=1))
    return total


def fit_mixture(
    x: NDArray[np.floating],
    sample_weights: NDArray[np.floating] | None = None,
    *,
    components: int = 5,
    rounds: int = 10,
    hard: bool = False,
    floor: float = 1e-3,
    start: Mixture | None = None,
    seed: int = 0,
) -> Mixture:
    """Fit a mixture to samples.

    Parameters
    ----------
    x : (N, D) samples, N >= 1, finite.
    sample_weights : (N,) >= 0, or None for equal ones.
    components : K at most; fewer when there are fewer distinct samples.
    rounds : EM rounds, or rounds of hard assignment; 0 keeps the start.
    hard : assign each sample to its likeliest component (GrabCut) instead of sharing it (EM).
    floor : variance added to every direction, in squared units of ``x``.
    start : where to begin; None = k-means++ and Lloyd's rounds on a sample.
    seed : of the start's random draws; the same input gives the same mixture.

    Raises
    ------
    UsageError : there are no samples, or none has weight.
    """
    samples = np.asarray(x, np.float64)
    weights = np.ones(len(samples)) if sample_weights is None else np.asarray(sample_weights, np.float64)
    if samples.ndim != 2 or len(samples) == 0 or not weights.sum() > 0:
        raise UsageError(f"a mixture needs (N, D) samples with weight; got shape {samples.shape}")
    model = start if start is not None else _start(samples, weights, components, floor, seed)
    for _ in range(rounds):
        logs = model.component_log_densities(samples)
        if hard:
            shares = (logs.argmax(1)[:, None] == np.arange(logs.shape[1])).astype(np.float64)
        else:
            shares = np.exp(logs - log_sum_exp(logs)[:, None])
        model = _estimate(samples, shares * weights[:, None], floor)
    return model


def _estimate(x: Array, shares: Array, floor: float) -> Mixture:
    """Maximum likelihood of (N, K) weighted shares; components without any are dropped."""
    mass, means, covariances = _moments(x, np.ascontiguousarray(shares))
    kept = mass > 1e-9 * mass.sum()
    mass, means, covariances = mass[kept], means[kept], covariances[kept]
    return Mixture(mass / mass.sum(), means, covariances + floor * np.eye(x.shape[1]))


@numba.njit(cache=True)
def _log_densities(x, means, whiten, offsets):  # type: ignore[no-untyped-def]
    """(N, K) log densities; ``whiten`` (K, D, D) are inverse Cholesky factors."""
    count, dimensions = means.shape
    out = np.empty((x.shape[0], count))
    for n in range(x.shape[0]):
        for k in range(count):
            square = 0.0
            for i in range(dimensions):
                t = 0.0
                for j in range(i + 1):
                    t += whiten[k, i, j] * (x[n, j] - means[k, j])
                square += t * t
            out[n, k] = offsets[k] - 0.5 * square
    return out


@numba.njit(cache=True)
def _log_density(x, means, whiten, offsets):  # type: ignore[no-untyped-def]
    """(N,) log-sum-exp of the (N, K) log densities, without keeping them."""
    count, dimensions = means.shape
    out = np.empty(x.shape[0])
    logs = np.empty(count)
    for n in range(x.shape[0]):
        top = -np.inf
        for k in range(count):
            square = 0.0
            for i in range(dimensions):
                t = 0.0
                for j in range(i + 1):
                    t += whiten[k, i, j] * (x[n, j] - means[k, j])
                square += t * t
            logs[k] = offsets[k] - 0.5 * square
            top = max(top, logs[k])
        total = 0.0
        for k in range(count):
            if logs[k] > top - 40:
                total += np.exp(logs[k] - top)
        out[n] = top + np.log(total)
    return out


@numba.njit(cache=True)
def _moments(x, shares):  # type: ignore[no-untyped-def]
    """Mass (K,), means (K, D) and covariances (K, D, D) of (N, K) weighted shares, in two passes."""
    samples, dimensions = x.shape
    count = shares.shape[1]
    mass = np.zeros(count)
    means = np.zeros((count, dimensions))
    covariances = np.zeros((count, dimensions, dimensions))
    for n in range(samples):
        for k in range(count):
            mass[k] += shares[n, k]
            for i in range(dimensions):
                means[k, i] += shares[n, k] * x[n, i]
    for k in range(count):
        means[k] /= max(mass[k], 1e-300)
    for n in range(samples):
        for k in range(count):
            share = shares[n, k]
            if share > 0:
                for i in range(dimensions):
                    for j in range(i + 1):
                        covariances[k, i, j] += share * (x[n, i] - means[k, i]) * (x[n, j] - means[k, j])
    for k in range(count):
        for i in range(dimensions):
            for j in range(i + 1):
                covariances[k, i, j] /= max(mass[k], 1e-300)
                covariances[k, j, i] = covariances[k, i, j]
    return mass, means, covariances


def _start(x: Array, weights: Array, components: int, floor: float, seed: int) -> Mixture:
    """k-means++ centres and Lloyd's rounds on at most `_START_SAMPLES` samples, one estimate on all."""
    rng = np.random.default_rng(seed)
    some, mass = x, weights
    if len(x) > _START_SAMPLES:
        pick = rng.choice(len(x), _START_SAMPLES, p=weights / weights.sum())
        some, mass = x[pick], np.ones(_START_SAMPLES)
    centres = some[[rng.choice(len(some), p=mass / mass.sum())]]
    while len(centres) < components:
        cost = mass * _squared_distances(some, centres).min(1)
        if not cost.sum() > 0:  # fewer distinct samples than components
            break
        centres = np.vstack([centres, some[rng.choice(len(some), p=cost / cost.sum())]])
    for _ in range(_LLOYD_ROUNDS):
        nearest = _squared_distances(some, centres).argmin(1)
        for k in range(len(centres)):
            if (mine := mass * (nearest == k)).sum() > 0:
                centres[k] = mine @ some / mine.sum()
    nearest = _squared_distances(x, centres).argmin(1)
    return _estimate(x, (nearest[:, None] == np.arange(len(centres))) * weights[:, None], floor)


def _squared_distances(x: Array, centres: Array) -> Array:
    """Return (N, K)."""
    squares: Array = ((x[:, None] - centres[None]) ** 2).sum(-1)
    return squares
