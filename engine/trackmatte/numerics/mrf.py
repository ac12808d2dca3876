"""Markov random fields of L labels on an image: Gibbs energy, ICM and alpha-expansion.

    E(x) = sum_p D_p(x_p) + sum_(p,q) (-beta if x_p = x_q else +beta)

over the 4-neighbour grid. ICM: Besag, "On the statistical analysis of dirty pictures", 1986. Alpha-expansion:
Boykov, Veksler & Zabih, "Fast approximate energy minimization via graph cuts", PAMI 2001; each move is exact,
the result is within twice the least Potts energy, and with two labels it is the minimum.
"""

from __future__ import annotations

from typing import Any, Literal

import numba
import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import UsageError
from trackmatte.numerics.cuts import DIRECTIONS, arc_cut, shifted
from trackmatte.numerics.gmm import Mixture, fit_labelled, fit_mixture
from trackmatte.numerics.rgb8 import MOST_PIXELS, rgb8
from trackmatte.numerics.watch import Watch, unwatched

Labels = NDArray[np.int32]
Floats = NDArray[np.float64]
_SIDES = (1, 3, 4, 6)  # of `DIRECTIONS`: up, left, right, down
_ROUNDS = 20
_FLOOR = 1.0  # least variance of a class, code values squared
_SAMPLES = 20_000
_MOST_COSTS = 10 * MOST_PIXELS  # pixels times labels, 8 bytes each


def gibbs_energy(labels: Labels, costs: NDArray[np.floating], beta: float) -> float:
    """Return the energy of a labelling.

    Parameters
    ----------
    labels : (h, w), 0..L-1.
    costs : (h, w, L) negative log-likelihoods.
    beta : coupling of neighbours, >= 0.
    """
    total = float(np.take_along_axis(costs, labels[..., None].astype(np.int64), axis=2).sum())
    for a, b in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
        total += beta * float(2 * np.count_nonzero(a != b) - a.size)
    return total


def icm(costs: NDArray[np.floating], beta: float, start: Labels | None = None) -> tuple[Labels, list[float]]:
    """Minimise by iterated conditional modes: each pixel takes its best label given its neighbours.

    Parameters
    ----------
    costs, beta : see `gibbs_energy`; finite.
    start : (h, w) labels to begin with; None = the least cost of each pixel.

    Returns
    -------
    labels : (h, w); no change of a single pixel lowers the energy.
    energies : at the start and after each sweep; never increasing.

    Raises
    ------
    UsageError : beta is negative, or the costs are not (h, w, L) finite numbers.
    """
    table, labels = _prepared(costs, beta, start)
    energies = [gibbs_energy(labels, table, beta)]
    while _sweep(table, labels, 2 * beta):
        energies.append(gibbs_energy(labels, table, beta))
    return labels, energies


def expansion(
    costs: NDArray[np.floating], beta: float, start: Labels | None = None
) -> tuple[Labels, list[float]]:
    """Minimise by alpha-expansion moves until no label's move lowers the energy.

    Parameters and result as in `icm`; the energies are those after each round over all labels.

    Raises
    ------
    UsageError : beta is negative, or the costs are not (h, w, L) finite numbers.
    """
    table, labels = _prepared(costs, beta, start)
    count = table.shape[2]
    energies = [now := gibbs_energy(labels, table, beta)]
    idle = 0  # moves in a row that gained nothing: once it is every label's turn, it is over
    while idle < count:
        for alpha in range(count):
            moved = np.where(_move(table, labels, alpha, 2 * beta), np.int32(alpha), labels)
            least = gibbs_energy(moved, table, beta)
            if least < now - 1e-9 * abs(now):
                labels, now, idle = moved, least, 0
            else:
                idle += 1
            if idle == count:
                break
        energies.append(now)
    return labels, energies


def segment_mrf(
    image: NDArray[Any],
    count: int,
    *,
    beta: float = 2.0,
    solver: Literal["icm", "cut"] = "cut",
    watch: Watch = unwatched,
) -> tuple[Labels, list[float]]:
    """Part an image into regions of Gaussian colour: labels and Gaussians by turns until neither moves.

    Parameters
    ----------
    image : (h, w, 3) uint8, or floating in [0, 1].
    count : labels L; the first labelling is that of an EM mixture of L Gaussians.
    beta : coupling, in nats.
    solver : icm, or cut (alpha-expansion).
    watch : called after every round with the part that is done, if all rounds are needed.

    Returns
    -------
    labels : (h, w), 0..L-1; a label may stay unused.
    energies : never increasing.

    Raises
    ------
    UsageError : fewer than one label, more labels than pixels or than fit into memory, or no image (`rgb8`).
    """
    image = rgb8(image)
    height, width = image.shape[:2]
    if not 1 <= count <= height * width:
        raise UsageError(f"{count} labels for {height * width} pixels; take between one and that many")
    if count * height * width > _MOST_COSTS:
        raise UsageError(
            f"{count} labels for {height * width / 1e6:.0f} megapixels; take fewer, or reduce it"
        )
    pixels = image.reshape(-1, 3).astype(np.float64)
    model = fit_mixture(pixels[:: max(1, len(pixels) // _SAMPLES)], components=count, floor=_FLOOR)
    labels = _compact(model.component_log_densities(pixels).argmax(1)).reshape(height, width)
    energies: list[float] = []
    minimise = icm if solver == "icm" else expansion
    for turn in range(_ROUNDS):
        classes = fit_labelled(pixels, labels.ravel(), floor=_FLOOR)
        found, trace = minimise(class_costs(classes, image), beta, labels)
        energies += trace[1:] if energies else trace
        if (found == labels).all():
            break
        labels = _compact(found)
        watch((turn + 1) / _ROUNDS)
    return labels, energies


def _compact(labels: NDArray[np.integer]) -> Labels:
    """Number the labels in use from 0, order kept."""
    numbers: Labels = np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)
    return numbers


def class_costs(classes: Mixture, image: NDArray[np.uint8]) -> Floats:
    """Return (h, w, L) ``-log N(z_p | class)`` without the classes' shares, of an (h, w, 3) image."""
    logs = classes.component_log_densities(image.reshape(-1, 3).astype(np.float64)) - np.log(classes.weights)
    return -logs.reshape(*image.shape[:2], -1)


def _prepared(costs: NDArray[np.floating], beta: float, start: Labels | None) -> tuple[Floats, Labels]:
    table = np.ascontiguousarray(costs, np.float64)
    if table.ndim != 3 or 0 in table.shape or not np.isfinite(table).all():
        raise UsageError(f"costs of shape {costs.shape} must be (h, w, L) finite numbers")
    if not beta >= 0:
        raise UsageError(f"the coupling beta is {beta}; it must be 0 or more")
    labels = table.argmin(2) if start is None else start
    return table, np.ascontiguousarray(labels, np.int32).copy()


def _move(costs: Floats, labels: Labels, alpha: int, price: float) -> NDArray[np.bool_]:
    """Return where taking ``alpha`` is part of the best expansion; ``price`` is a differing pair's cost."""
    height, width = labels.shape
    own = np.take_along_axis(costs, labels[..., None].astype(np.int64), axis=2)[..., 0]
    gain = own - costs[..., alpha]
    arcs = np.zeros((height, width, 8))
    apart = labels != alpha
    for d in _SIDES:
        here, there = shifted(height, width, *DIRECTIONS[d])
        p, q = labels[here], labels[there]
        # Of what a pair costs when both keep their labels, half goes to each one's gain and is taken off the
        # arcs; below 0 falls only an arc to a pixel that has alpha already, and that is never cut.
        both = price * (p != q)
        arcs[(*here, d)] = np.maximum(price * apart[there] - both / 2, 0)
        gain[here] += both / 2
    return arc_cut(np.where(apart, gain, np.inf), arcs)


@numba.njit(cache=True)
def _sweep(costs, labels, price):  # type: ignore[no-untyped-def]
    """One raster pass of ICM in place; returns whether a pixel changed."""
    height, width, count = costs.shape
    changed = False
    for y in range(height):
        for x in range(width):
            best, least = labels[y, x], np.inf
            for turn in range(count + 1):  # the present label first: it stays where another is as good
                k = labels[y, x] if turn == 0 else turn - 1
                total = costs[y, x, k]
                if y > 0 and labels[y - 1, x] != k:
                    total += price
                if y < height - 1 and labels[y + 1, x] != k:
                    total += price
                if x > 0 and labels[y, x - 1] != k:
                    total += price
                if x < width - 1 and labels[y, x + 1] != k:
                    total += price
                if total < least - 1e-12 * (1 + abs(total)):
                    best, least = k, total
            if best != labels[y, x]:
                labels[y, x] = best
                changed = True
    return changed
