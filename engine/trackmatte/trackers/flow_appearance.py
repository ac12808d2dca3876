"""What the subject looks like, wherever it is: an online classifier of pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from trackmatte.trackers.flow_memory import dilate

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

_NEAR = 24
"""Pixels up to this far from the object (analysis grid) are sampled densely."""


class Appearance:
    """Ridge regression on random Fourier features, updated frame by frame in closed form.

    Rahimi and Recht, "Random Features for Large-Scale Kernel Machines", NIPS 2007: cos(W x + b) with
    Gaussian W approximates a Gaussian-kernel machine. Sufficient statistics of prompted frames are kept
    for ever, those of other frames fade.

    Parameters
    ----------
    norm : (d,) standard deviation of each descriptor channel; two position channels are added.
    features : number of random features.
    width : kernel width in standard deviations of the inputs.
    """

    def __init__(self, norm: F32, *, features: int = 256, width: float = 2.0, seed: int = 7) -> None:
        rng = np.random.default_rng(seed)
        self.norm = norm
        dims = norm.size + 2
        self._w = (rng.standard_normal((dims, features)) / (width * np.sqrt(dims / 4))).astype(np.float32)
        self._b = rng.uniform(0, 2 * np.pi, features).astype(np.float32)
        self.keys = np.zeros((features + 1, features + 2), np.float64)
        self.recent = np.zeros_like(self.keys)
        self.weights = np.zeros(features + 1, np.float32)
        self.gain = 1.0

    def lift(self, x: F32) -> F32:
        """Map (n, d + 2) pixel vectors to (n, features + 1) random features."""
        x = x.copy()
        x[:, : self.norm.size] /= self.norm
        out = np.empty((len(x), self._b.size + 1), np.float32)
        np.cos(x @ self._w + self._b, out=out[:, :-1])
        out[:, -1] = 1.0
        return out

    def statistics(self, phi: F32, label: F32) -> F64:
        """Class-balanced sufficient statistics of (n, f) lifted pixels with labels in [0, 1]."""
        fg, bg = label, 1 - label
        balanced = fg / max(float(fg.sum()), 1e-6) + bg / max(float(bg.sum()), 1e-6)
        target = 2 * label - 1
        weighted = phi * balanced[:, None].astype(np.float32)
        out = np.empty_like(self.keys)
        out[:, :-1] = weighted.T @ phi
        out[:, -1] = weighted.T @ target.astype(np.float32)
        return out

    def forget(self) -> None:
        """Forget all but the prompted frames."""
        self.recent[:] = 0
        self.solve()

    def learn_key(self, x: F32, label: F32) -> None:
        """Take a prompted frame's pixels into the permanent statistics and calibrate the output.

        The gain turns regression values into log-odds: fitted on one half of the pixels with weights
        learnt from the other half.
        """
        phi = self.lift(x)
        self.keys += self.statistics(phi, label)
        half = np.arange(len(x)) // 64 % 2 == 0
        trial = _solve(self.statistics(phi[half], label[half]))
        f = phi[~half] @ trial
        self.gain = _platt(f, label[~half])
        self.solve()

    def learn(self, x: F32, label: F32, *, rate: float) -> None:
        """Fade the running statistics and add a tracked frame's pixels at ``rate``."""
        fresh = self.statistics(self.lift(x), label)
        self.recent *= 1 - rate
        self.recent += rate * fresh
        self.solve()

    def solve(self) -> None:
        """Solve for the weights; prompted frames count half."""
        n_keys, n_recent = self.keys[-1, -2], self.recent[-1, -2]
        mixed = self.keys / max(n_keys, 1e-9)
        if n_recent > 1e-9:
            mixed = 0.5 * mixed + 0.5 * self.recent / n_recent
        self.weights = _solve(mixed)

    def logits(self, x: F32) -> F32:
        """Return (n,) log-odds that (n, dims) pixels are subject."""
        return np.asarray(np.clip(self.gain * (self.lift(x) @ self.weights), -6, 6), np.float32)


def _solve(stats: F64, ridge: float = 1e-3) -> F32:
    a = stats[:, :-1] / max(stats[-1, -2], 1e-9)
    a[np.diag_indices_from(a)] += ridge
    out: F64 = cho_solve(cho_factor(a), stats[:, -1] / max(stats[-1, -2], 1e-9))
    return out.astype(np.float32)


def _platt(f: F32, label: F32) -> float:
    """Scale of a one-parameter logistic fit (Platt 1999 without bias), class-balanced, in [1, 8]."""
    fg, bg = label, 1 - label
    w = fg / max(float(fg.sum()), 1e-6) + bg / max(float(bg.sum()), 1e-6)
    gain = 3.0
    for _ in range(12):
        p = 1 / (1 + np.exp(-np.clip(gain * f, -30, 30)))
        slope = float((w * (p - label) * f).sum())
        bend = float((w * p * (1 - p) * f * f).sum()) + 1e-4
        gain = min(max(gain - slope / bend, 1.0), 8.0)
    return gain


def training_pixels(plane: F32) -> tuple[I32, I32]:
    """Choose (ys, xs) to learn from: about 4,000-8,000 on and around an (h, w) plane, a grid elsewhere."""
    near = dilate(plane > 0.5, _NEAR)
    ys, xs = np.nonzero(near)
    step = max(1, len(ys) // 4000)
    far = np.zeros_like(near)
    far[::5, ::5] = True
    fy, fx = np.nonzero(far & ~near)
    return (
        np.concatenate([ys[::step], fy]).astype(np.int32),
        np.concatenate([xs[::step], fx]).astype(np.int32),
    )


def pixel_vectors(features: F32, plane: F32 | None, ys: NDArray[Any], xs: NDArray[Any]) -> F32:
    """Return (n, d + 2): the descriptor, and the place relative to the object's centre and size.

    Parameters
    ----------
    features : (h, w, d) descriptor.
    plane : (h, w) in [0, 1], where the object is; None = unknown, the place then says nothing.
    """
    place = np.zeros((len(ys), 2), np.float32)
    if plane is not None:
        oy, ox = np.nonzero(plane > 0.5)
        if len(oy):
            size = max(4.0, 2 * float(np.sqrt(oy.var() + ox.var())))
            place[:, 0] = np.clip((xs - ox.mean()) / size, -2, 2)
            place[:, 1] = np.clip((ys - oy.mean()) / size, -2, 2)
    return np.concatenate([features[ys, xs], place], axis=1).astype(np.float32)
