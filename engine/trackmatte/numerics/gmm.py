"""Gaussian mixtures with full covariances: in closed form, by EM in the log domain, or by hard assignment.

A single Gaussian is a mixture of one. With known classes the estimate is closed (`fit_labelled`).

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

    def likeliest(self, x: NDArray[np.floating]) -> tuple[NDArray[np.int64], Array]:
        """Return (N,) the component of largest `component_log_densities` of each sample, and that value."""
        index, logs = _likeliest(np.ascontiguousarray(x, np.float64), self.means, *self._factors())
        return index, logs

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
    UsageError : there are no samples, none has weight, or not all are finite.
    """
    samples = np.asarray(x, np.float64)
    weights = np.ones(len(samples)) if sample_weights is None else np.asarray(sample_weights, np.float64)
    if samples.ndim != 2 or len(samples) == 0 or not weights.sum() > 0:
        raise UsageError(f"a mixture needs (N, D) samples with weight; got shape {samples.shape}")
    _check_finite(samples)
    model = start if start is not None else _start(samples, weights, components, floor, seed)
    for _ in range(rounds):
        logs = model.component_log_densities(samples)
        if hard:
            shares = (logs.argmax(1)[:, None] == np.arange(logs.shape[1])).astype(np.float64)
        else:
            shares = np.exp(logs - log_sum_exp(logs)[:, None])
        model = _estimate(samples, shares * weights[:, None], floor)
    return model


def fit_labelled(x: NDArray[np.floating], labels: NDArray[np.integer], *, floor: float = 0.0) -> Mixture:
    """Return the maximum likelihood mixture of samples whose component is known.

    Parameters
    ----------
    x : (N, D) samples, N >= 1, finite.
    labels : (N,) component of each sample, >= 0; those without samples are left out, order kept.
    floor : least variance in any direction, squared units of ``x``. Smaller eigenvalues are raised to it,
        which is the maximum likelihood under that bound.

    Raises
    ------
    UsageError : there are no samples, not one label each, or not all are finite.
    """
    samples = np.ascontiguousarray(x, np.float64)
    if samples.ndim != 2 or len(samples) == 0 or labels.shape != (len(samples),):
        raise UsageError(
            f"labels {labels.shape} for samples {samples.shape}; it takes one per sample, and some"
        )
    _check_finite(samples)
    used, index = np.unique(labels, return_inverse=True)
    shares = (index[:, None] == np.arange(used.size)).astype(np.float64)
    mass, means, covariances = _moments(samples, shares)
    if floor > 0:
        values, vectors = np.linalg.eigh(covariances)
        covariances = (vectors * np.maximum(values, floor)[:, None, :]) @ vectors.transpose(0, 2, 1)
    return Mixture(mass / mass.sum(), means, covariances)


def _check_finite(samples: Array) -> None:
    if bad := int((~np.isfinite(samples)).any(axis=1).sum()):
        raise UsageError(f"{bad} of {len(samples)} samples are not finite numbers; leave them out")


def choose_mixture(
    x: NDArray[np.floating], *, most: int = 8, rounds: int = 30, floor: float = 1e-3, seed: int = 0
) -> Mixture:
    """Fit mixtures of 1 to ``most`` components by EM and return the one of least `bic`.

    Raises
    ------
    UsageError : ``most`` is below 1; see also `fit_mixture`.
    """
    if most < 1:
        raise UsageError(f"a mixture of at most {most} components; it takes one or more")
    models = [fit_mixture(x, components=k, rounds=rounds, floor=floor, seed=seed) for k in range(1, most + 1)]
    return min(models, key=lambda model: bic(model, x))


def bic(model: Mixture, x: NDArray[np.floating]) -> float:
    """Return Schwarz's criterion (1978), ``parameters log N - 2 log likelihood``: less is better."""
    count, dimensions = model.means.shape
    parameters = count * (dimensions + dimensions * (dimensions + 1) // 2) + count - 1
    return float(parameters * np.log(len(x)) - 2 * model.log_density(x).sum())


def kmeans(
    x: NDArray[np.floating], count: int, *, sample_weights: Array | None = None, seed: int = 0
) -> Array:
    """Return (K, D) centres of (N, D) samples, K <= count: k-means++ and Lloyd's rounds on a sample.

    Parameters
    ----------
    x : N >= 1, finite.
    count : centres wanted; fewer come back when there are fewer distinct samples.
    sample_weights : (N,) >= 0 with a positive sum, or None for equal ones.
    """
    rng = np.random.default_rng(seed)
    some = np.asarray(x, np.float64)
    mass = np.ones(len(some)) if sample_weights is None else sample_weights
    if len(some) > _START_SAMPLES:
        pick = rng.choice(len(some), _START_SAMPLES, p=mass / mass.sum())
        some, mass = some[pick], np.ones(_START_SAMPLES)
    centres = some[[rng.choice(len(some), p=mass / mass.sum())]]
    nearest = _squared_distances(some, centres)[:, 0]
    while len(centres) < count:
        cost = mass * nearest
        if not cost.sum() > 0:  # fewer distinct samples than centres
            break
        centres = np.vstack([centres, some[rng.choice(len(some), p=cost / cost.sum())]])
        nearest = np.minimum(nearest, _squared_distances(some, centres[-1:])[:, 0])
    for _ in range(_LLOYD_ROUNDS):
        owner = nearest_centre(some, centres)
        for k in range(len(centres)):
            if (mine := mass * (owner == k)).sum() > 0:
                centres[k] = mine @ some / mine.sum()
    return centres


def _estimate(x: Array, shares: Array, floor: float) -> Mixture:
    """Maximum likelihood of (N, K) weighted shares; components without any are dropped."""
    mass, means, covariances = _moments(x, np.ascontiguousarray(shares))
    kept = mass > 1e-9 * mass.sum()
    mass, means, covariances = mass[kept], means[kept], covariances[kept]
    return Mixture(mass / mass.sum(), means, covariances + floor * np.eye(x.shape[1]))


@numba.njit(cache=True)
def _square(x, mean, whiten):  # type: ignore[no-untyped-def]
    """Squared Mahalanobis distance; ``whiten`` is the inverse Cholesky factor."""
    square = 0.0
    for i in range(mean.size):
        t = 0.0
        for j in range(i + 1):
            t += whiten[i, j] * (x[j] - mean[j])
        square += t * t
    return square


@numba.njit(cache=True)
def _log_densities(x, means, whiten, offsets):  # type: ignore[no-untyped-def]
    """(N, K) log densities; ``whiten`` (K, D, D) are inverse Cholesky factors."""
    count = len(means)
    out = np.empty((x.shape[0], count))
    for n in range(x.shape[0]):
        for k in range(count):
            out[n, k] = offsets[k] - 0.5 * _square(x[n], means[k], whiten[k])
    return out


@numba.njit(cache=True)
def _likeliest(x, means, whiten, offsets):  # type: ignore[no-untyped-def]
    """(N,) component and its log density, without keeping the others."""
    index, logs = np.zeros(x.shape[0], np.int64), np.full(x.shape[0], -np.inf)
    for n in range(x.shape[0]):
        for k in range(means.shape[0]):
            value = offsets[k] - 0.5 * _square(x[n], means[k], whiten[k])
            if value > logs[n]:
                index[n], logs[n] = k, value
    return index, logs


@numba.njit(cache=True)
def _log_density(x, means, whiten, offsets):  # type: ignore[no-untyped-def]
    """(N,) log-sum-exp of the (N, K) log densities, without keeping them."""
    count = len(means)
    out = np.empty(x.shape[0])
    logs = np.empty(count)
    for n in range(x.shape[0]):
        top = -np.inf
        for k in range(count):
            logs[k] = offsets[k] - 0.5 * _square(x[n], means[k], whiten[k])
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
    """One estimate from all samples, each at the nearest centre of `kmeans`."""
    centres = kmeans(x, components, sample_weights=weights, seed=seed)
    nearest = nearest_centre(x, centres)
    return _estimate(x, (nearest[:, None] == np.arange(len(centres))) * weights[:, None], floor)


def nearest_centre(x: NDArray[np.floating], centres: Array) -> NDArray[np.int64]:
    """Return (N,) the number of the nearest of (K, D) centres to each of (N, D) samples."""
    nearest: NDArray[np.int64] = _squared_distances(np.asarray(x, np.float64), centres).argmin(1)
    return nearest


def _squared_distances(x: Array, centres: Array) -> Array:
    """Return (N, K)."""
    squares: Array = np.zeros((len(x), len(centres)))
    for d in range(x.shape[1]):
        squares += (x[:, d, None] - centres[:, d]) ** 2
    return squares
