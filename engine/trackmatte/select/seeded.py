"""Cuts from marks on both sides: Boykov and Jolly's, and a Markov random field of several colours per side.

Boykov & Jolly, "Interactive graph cuts for optimal boundary and region segmentation", ICCV 2001, with
mixtures of Gaussians in place of grey histograms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import PromptError
from trackmatte.numerics.gmm import Mixture, fit_mixture
from trackmatte.numerics.maxflow import energy, grid_cut
from trackmatte.numerics.mrf import class_costs, expansion
from trackmatte.select.evidence import Bool, Odds

GAMMA = 50.0
"""Weight of the contrast term (Rother et al. 2004, after Blake et al.)."""
_COMPONENTS, _ROUNDS = 5, 10
_FLOOR = 30.0  # variance of few marks' colours, code values squared
_SAMPLES = 5000
# Of the random field: labels per side, beta in nats. Chosen on four sequences, as the constants of `lazy`.
_COLOURS, _COUPLING = 5, 8.0
_NEVER = 1e5  # nats; label of the other side on a mark


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A labelling and how it was reached."""

    labels: Bool
    """(h, w), True = subject."""
    odds: Odds
    """(h, w) log-odds that the last cut saw of the pixel alone."""
    energies: tuple[float, ...]
    """At the start and after each round; never increasing."""


def need_both(subject: Bool, background: Bool, method: str) -> None:
    """Raise `PromptError` unless both sides are marked and nothing is marked for both."""
    for side, marks in (("the subject", subject), ("the background", background)):
        if not marks.any():
            raise PromptError(
                f"{method} needs marks on both sides and none is on {side}; draw a stroke there"
            )
    both = subject & background
    if both.any():
        y, x = (int(v[0]) for v in np.nonzero(both))
        raise PromptError(f"pixel ({x}, {y}) is marked for the subject and for the background; erase one")


def graph_cut(rgb: NDArray[np.uint8], subject: Bool, background: Bool, *, gamma: float = GAMMA) -> Cut:
    """Cut once, with colour models of the marks and marks as hard constraints.

    Parameters
    ----------
    rgb : (h, w, 3) uint8.
    subject, background : (h, w) marks.
    gamma : weight of ``exp(-beta |dz|^2) / dist`` over 8 neighbours, ``beta = 1 / (2 <|dz|^2>)``.

    Raises
    ------
    PromptError : see `need_both`.
    """
    need_both(subject, background, "graphcut")
    pixels = rgb.reshape(-1, 3).astype(np.float64)
    logs = [_model(rgb[m], _COMPONENTS).log_density(pixels) for m in (subject, background)]
    odds = (logs[0] - logs[1]).reshape(subject.shape).astype(np.float32)
    free = ~(subject | background)
    unary = np.where(free, odds, np.where(subject, np.float32(np.inf), np.float32(-np.inf)))
    labels = grid_cut(unary, rgb, smoothness=gamma, free=free)
    own = np.where(free, unary, np.float32(0))
    trace = tuple(energy(x, own, rgb, smoothness=gamma) for x in (unary > 0, labels))
    return Cut(labels, unary, trace)


def regions_cut(rgb: NDArray[np.uint8], subject: Bool, background: Bool, *, beta: float = _COUPLING) -> Cut:
    """Label every pixel with one of several Gaussian colours per side (Potts prior, alpha-expansion).

    Parameters
    ----------
    rgb : (h, w, 3) uint8.
    subject, background : (h, w) marks; the Gaussians are those of mixtures fitted to them.
    beta : coupling of neighbours.

    Raises
    ------
    PromptError : see `need_both`.
    """
    need_both(subject, background, "mrf")
    models = [_model(rgb[m], _COLOURS) for m in (subject, background)]
    costs = np.concatenate([class_costs(m, rgb) for m in models], axis=2)
    ours = len(models[0].weights)
    costs[subject, ours:] += _NEVER
    costs[background, :ours] += _NEVER
    labels, energies = expansion(costs, beta)
    odds = (costs[..., ours:].min(2) - costs[..., :ours].min(2)).astype(np.float32)
    return Cut(np.asarray(labels < ours), odds, tuple(energies))


def _model(colours: NDArray[np.uint8], components: int) -> Mixture:
    samples = colours[:: max(1, len(colours) // _SAMPLES)].astype(np.float64)
    return fit_mixture(samples, components=components, rounds=_ROUNDS, floor=_FLOOR)
