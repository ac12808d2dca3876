"""GrabCut as published: Rother, Kolmogorov & Blake, "GrabCut", SIGGRAPH 2004, sections 3.1 to 3.3.

    E(a, k, theta) = sum_n D(a_n, k_n, theta)
                     + gamma sum_(m,n) [a_m != a_n] exp(-beta |z_m - z_n|^2) / dist(m, n)
    D = -log pi(a, k) - log N(z | mu(a, k), Sigma(a, k))

Each step minimises E over one group of unknowns, so it never increases: (1) components k; (2) mixtures theta,
in closed form; (3) alpha, and k with it, by one exact cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import PromptError
from trackmatte.numerics.gmm import Mixture, fit_labelled, fit_mixture
from trackmatte.numerics.maxflow import energy, grid_cut
from trackmatte.select.evidence import Bool
from trackmatte.select.seeded import GAMMA, Cut

_COMPONENTS = 5
_ROUNDS = 30
_SETTLED = 2e-4  # share of the energy below which a round counts as converged
_FLOOR = 1.0  # least variance of a component, code values squared

Models = tuple[Mixture, Mixture]


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
    energies = [grab_energy(rgb, labels, models, gamma=gamma)]
    cut = Cut(labels, labels.astype(np.float32), tuple(energies))
    for _ in range(rounds):
        models = _learn(pixels, cut.labels, models)
        cut = _cut(rgb, models, subject, background, gamma)
        energies.append(grab_energy(rgb, cut.labels, models, gamma=gamma))
        settled = energies[-2] - energies[-1] < _SETTLED * abs(energies[-1])
        if settled or not cut.labels.any() or cut.labels.all():
            break
    return Grab(Cut(cut.labels, cut.odds, tuple(energies)), models)


def edit(
    rgb: NDArray[np.uint8], grab: Grab, subject: Bool, background: Bool, *, gamma: float = GAMMA
) -> Grab:
    """Cut once more with more pixels fixed and the same colour models (section 3.3).

    Parameters
    ----------
    grab : what `grab_cut` returned for the same image.
    subject, background : (h, w) all pixels fixed by now, old and new.
    """
    cut = _cut(rgb, grab.models, subject, background, gamma)
    return Grab(
        Cut(cut.labels, cut.odds, (grab_energy(rgb, cut.labels, grab.models, gamma=gamma),)), grab.models
    )


def grab_energy(rgb: NDArray[np.uint8], labels: Bool, models: Models, *, gamma: float) -> float:
    """Return E with each pixel's best component, independently of the solver."""
    pixels = rgb.reshape(-1, 3).astype(np.float64)
    total = energy(labels, np.zeros(labels.shape, np.float32), rgb, smoothness=gamma)
    for side, model in enumerate(models):
        mine = labels.ravel() == bool(side)
        if mine.any():
            total -= float(model.component_log_densities(pixels[mine]).max(1).sum())
    return total


def _begin(pixels: NDArray[np.float64], labels: Bool) -> Models:
    flat = labels.ravel()
    first, second = (
        fit_mixture(pixels[flat == side], components=_COMPONENTS, rounds=0, floor=_FLOOR)
        for side in (False, True)
    )
    return first, second


def _learn(pixels: NDArray[np.float64], labels: Bool, models: Models) -> Models:
    """Steps 1 and 2: each pixel's likeliest component of its side, and the mixtures of those."""
    flat = labels.ravel()
    learnt = []
    for side, model in enumerate(models):
        mine = pixels[flat == bool(side)]
        learnt.append(fit_labelled(mine, model.component_log_densities(mine).argmax(1), floor=_FLOOR))
    return learnt[0], learnt[1]


def _cut(rgb: NDArray[np.uint8], models: Models, subject: Bool, background: Bool, gamma: float) -> Cut:
    """Step 3."""
    free = ~(subject | background)
    samples = rgb[free].astype(np.float64)
    odds = np.where(subject, np.float32(np.inf), np.float32(-np.inf))
    if len(samples):
        theirs, ours = (m.component_log_densities(samples).max(1) for m in models)
        odds[free] = ours - theirs
    return Cut(grid_cut(odds, rgb, smoothness=gamma, free=free), odds, ())
