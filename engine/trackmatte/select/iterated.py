"""GrabCut as published: Rother, Kolmogorov & Blake, "GrabCut", SIGGRAPH 2004, sections 3.1 to 3.3.

    E(a, k, theta) = sum_n D(a_n, k_n, theta)
                     + gamma sum_(m,n) [a_m != a_n] exp(-beta |z_m - z_n|^2) / dist(m, n)
    D = -log pi(a, k) - log N(z | mu(a, k), Sigma(a, k))

Each step minimises E over one group of unknowns, so it never increases: (1) components k; (2) mixtures theta,
in closed form; (3) alpha, and k with it, by one exact cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import PromptError
from trackmatte.numerics.gmm import Mixture, fit_labelled, fit_mixture
from trackmatte.numerics.maxflow import energy, grid_cut
from trackmatte.select.evidence import Bool, Odds
from trackmatte.select.seeded import GAMMA, Cut

_COMPONENTS = 5
_ROUNDS = 30
_SETTLED = 2e-4  # share of the energy below which a round counts as converged
_FLOOR = 1.0  # least variance of a component, code values squared
_KEPT = 1_000_000  # pixels of the largest picture whose cut from a box is kept

Models = tuple[Mixture, Mixture]
Seen = list[tuple[NDArray[np.int64], NDArray[np.float64]]]
"""Per side: each pixel's likeliest component, and its log density."""


@dataclass(frozen=True, slots=True, eq=False)
class Grab:
    """A converged GrabCut, which takes edits."""

    cut: Cut
    models: Models
    """Of background and subject."""


def grab_cut(
    rgb: NDArray[np.uint8],
    subject: Bool,
    background: Bool,
    start: Bool,
    *,
    gamma: float = GAMMA,
    rounds: int = _ROUNDS,
) -> Grab:
    """Alternate mixtures and cuts until the energy settles.

    Parameters
    ----------
    rgb : (h, w, 3) uint8.
    subject, background : (h, w) pixels that keep their side; the subject's may be empty (incomplete trimap).
    start : (h, w) first guess of the subject, such as the inside of a box.
    gamma : weight of the contrast term.
    rounds : at most.

    Raises
    ------
    PromptError : the first guess has only one side.
    """
    labels = (start | subject) & ~background
    if not labels.any() or labels.all():
        side = "the subject" if not labels.any() else "the background"
        raise PromptError(f"nothing is left for {side}; grabcut needs pixels of both sides to begin with")
    pixels = rgb.reshape(-1, 3).astype(np.float64)
    models = _begin(pixels, labels)
    seen = [m.likeliest(pixels) for m in models]
    energies = [_total(rgb, labels, seen, gamma)]
    for _ in range(rounds):
        models = _learn(pixels, labels, seen)
        seen = [m.likeliest(pixels) for m in models]
        labels, odds = _cut(rgb, seen, subject, background, gamma)
        energies.append(_total(rgb, labels, seen, gamma))
        settled = energies[-2] - energies[-1] < _SETTLED * abs(energies[-1])
        if settled or not labels.any() or labels.all():
            break
    return Grab(Cut(labels, odds, tuple(energies)), models)


def from_box(rgb: NDArray[np.uint8], inside: Bool) -> Grab:
    """Return `grab_cut` of what is inside a box, at once where it is one of the last two asked for.

    Parameters
    ----------
    rgb : (h, w, 3) uint8.
    inside : (h, w) pixels of the box, some but not all; those outside are background for good, and none is
        known to be subject (the incomplete trimap of section 3.2).
    """
    if inside.size > _KEPT:
        return grab_cut(rgb, np.zeros_like(inside), ~inside, inside)
    return _kept(rgb.tobytes(), inside.tobytes(), inside.shape)


@lru_cache(maxsize=2)
def _kept(pixels: bytes, box: bytes, shape: tuple[int, int]) -> Grab:
    inside = np.frombuffer(box, np.bool_).reshape(shape)
    rgb = np.frombuffer(pixels, np.uint8).reshape(*shape, 3)
    return grab_cut(rgb, np.zeros_like(inside), ~inside, inside)


def edit(
    rgb: NDArray[np.uint8], grab: Grab, subject: Bool, background: Bool, *, gamma: float = GAMMA
) -> Grab:
    """Cut once more with more pixels fixed and the same colour models (section 3.3).

    The two energies are those of the old labels with the fixed pixels put in, and of the new labels.

    Parameters
    ----------
    grab : what `grab_cut` returned for the same image.
    subject, background : (h, w) all pixels fixed by now, old and new.
    """
    seen = [m.likeliest(rgb.reshape(-1, 3).astype(np.float64)) for m in grab.models]
    asked = (grab.cut.labels | subject) & ~background
    labels, odds = _cut(rgb, seen, subject, background, gamma)
    energies = _total(rgb, asked, seen, gamma), _total(rgb, labels, seen, gamma)
    return Grab(Cut(labels, odds, energies), grab.models)


def _begin(pixels: NDArray[np.float64], labels: Bool) -> Models:
    flat = labels.ravel()
    first, second = (
        fit_mixture(pixels[flat == side], components=_COMPONENTS, rounds=0, floor=_FLOOR)
        for side in (False, True)
    )
    return first, second


def _learn(pixels: NDArray[np.float64], labels: Bool, seen: Seen) -> Models:
    """Steps 1 and 2: the mixtures of each side's pixels, by their likeliest components so far."""
    flat = labels.ravel()
    first, second = (
        fit_labelled(pixels[flat == bool(side)], seen[side][0][flat == bool(side)], floor=_FLOOR)
        for side in (0, 1)
    )
    return first, second


def _cut(
    rgb: NDArray[np.uint8], seen: Seen, subject: Bool, background: Bool, gamma: float
) -> tuple[Bool, Odds]:
    """Step 3: labels, and the log-odds they were cut from."""
    free = ~(subject | background)
    odds = (seen[1][1] - seen[0][1]).reshape(free.shape).astype(np.float32)
    odds = np.where(free, odds, np.where(subject, np.float32(np.inf), np.float32(-np.inf)))
    return grid_cut(odds, rgb, smoothness=gamma, free=free), odds


def _total(rgb: NDArray[np.uint8], labels: Bool, seen: Seen, gamma: float) -> float:
    """E, each pixel with its side's likeliest component."""
    data = np.where(labels.ravel(), seen[1][1], seen[0][1]).sum()
    return energy(labels, np.zeros(labels.shape, np.float32), rgb, smoothness=gamma) - float(data)
