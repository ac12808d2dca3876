"""Closed-form matting on a band around the tracked contour, with the mask as a prior."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import UsageError
from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.matte import Matte
from trackmatte.numerics.guided import guided_filter
from trackmatte.numerics.laplacian import band_laplacian
from trackmatte.numerics.samples import sample_alpha
from trackmatte.numerics.solve import conjugate_gradient
from trackmatte.refiners.band import contour_distance, doubt, hairiness, signed_distance, undecided
from trackmatte.refiners.pipeline import Found, View, refine_in
from trackmatte.refiners.plain import PlainRefiner
from trackmatte.refiners.region import SNAP, Region, region_around

F32 = NDArray[np.float32]

FINEST = 2.0
"""Plates with more px than this in 1/960 of their long side are solved reduced to it."""
INNER = 4.0
"""Colours count as sure beyond this distance from the contour, px of a 960-wide frame."""
MOVE = 0.5
"""Share of the way the contour moves to the edge that the first solve found."""
FRINGE = 2.0
"""Standard deviation of the blur that takes the solver's grain off hairy edges, px of a 960-wide frame."""
DOUBT_WIDTH = 32.0
"""Half width of the band where the tracker doubts its mask, px of a 960-wide frame."""
DOUBT_TOE = 0.06
"""Alpha below it counts as 0, above 1 - it as 1, where the mask is doubted most."""
SMALLEST = 8
"""Views with a side below this many px get the mask itself: there is no band to solve on."""


@dataclass(frozen=True, slots=True)
class Edge:
    """How one kind of edge is treated; lengths are px of a 960-wide frame."""

    half_width: float
    """Half width of the band."""
    softness: float
    """Standard deviation of the blur that makes the mask a prior."""
    weight: float
    """Weight of the prior on the contour."""
    growth: float
    """Distance from the contour over which that weight grows tenfold."""
    toe: float
    """Alpha below it counts as 0, above 1 - it as 1."""


CLEAN = Edge(half_width=8, softness=1.5, weight=0.003, growth=4, toe=0.05)
HAIRY = Edge(half_width=14, softness=2.5, weight=0.001, growth=8, toe=0.0)


class ClosedFormRefiner:
    """The refiner ``closed_form``.

    Two solves, coarse and fine, of ``(L + W) alpha = W prior`` on the pixels around the contour (Levin,
    Lischinski and Weiss, PAMI 2008). The first, on 960-wide frames, finds where the edge really runs and how
    hairy it is; the second, from there, gives the matte: a narrow band and a firm prior on clean edges, a
    wide band and a loose one on hair. Both priors join the mask, whose weight grows away from the contour,
    with what the pixel's own colour says where subject and background differ. Where the tracker doubts its
    mask, a wide guided filter of the result takes over by as much as it doubts: no narrow band reaches the
    true edge there.

    Parameters
    ----------
    epsilon : regularisation of the colour covariance in a 3 x 3 window, colour in [0, 1].
    colour : weight of the colour evidence.
    noise : standard deviation of the plate's colour, in [0, 1].
    tolerance : relative residual at which a solve ends.
    """

    version = "2"
    regional = False

    def __init__(
        self,
        *,
        epsilon: float = 3e-6,
        colour: float = 0.03,
        noise: float = 0.012,
        tolerance: float = 1e-3,
    ) -> None:
        self.epsilon = epsilon
        self.colour = colour
        self.noise = noise
        self.tolerance = tolerance

    @classmethod
    def settle(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Return the settings as they are."""
        if unknown := set(settings) - {"epsilon", "colour", "noise", "tolerance"}:
            raise UsageError(
                f"the closed_form refiner has no setting {min(unknown)!r}; there are: epsilon, colour, "
                "noise, tolerance"
            )
        return settings

    def refine(
        self,
        frame: Frame,
        mask: Mask,
        hair: NDArray[np.bool_] | None = None,
        region: Region | None = None,
    ) -> Matte:
        """Return the matte of ``mask`` on ``frame``; ``hair`` (H, W) widens the band where it is true.

        Only pixels near the contour count: a ``region`` that is given changes nothing.
        """
        unit = self._unit(frame.size, frame.size[0] / max(1, mask.logits.shape[1]))
        region = region_around(mask, frame.size, (DOUBT_WIDTH + 4) * unit)
        return refine_in(region, self.found, frame, mask, hair)

    def found(self, view: View) -> Found:
        """Return alpha of a view, solved on the band around its contour."""
        h, w = view.logits.shape
        if min(h, w) < SMALLEST:
            return PlainRefiner().found(view)
        unit = self._unit(view.frame.size, view.pixel)
        d = contour_distance(view.mask, view.frame.size, view.region)
        loose = undecided(view.logits, d, unit)
        if view.hair is not None:
            loose = np.maximum(loose, cv2.GaussianBlur(view.hair.astype(np.float32), (0, 0), 2 * unit))
        reach = unit * min(1.0, max(0.4, float(d.max()) / (12 * unit)))
        doubts = doubt(view.logits, d, view.pixel)
        doubts *= np.clip((DOUBT_WIDTH * reach - np.abs(d)) / (8 * reach), 0, 1).astype(np.float32)
        far = np.abs(d) > np.where(doubts > 0, DOUBT_WIDTH, HAIRY.half_width) * reach
        shown = view.shown().astype(np.float32) / np.float32(255)
        alpha = self._scaled(shown, d, loose, doubts, unit, reach)
        return Found(np.where(far, d > 0, alpha).astype(np.float32), doubts > 0)

    @staticmethod
    def _unit(size: tuple[int, int], pixel: float) -> float:
        """Return the plate px that one px of a 960-wide frame, or of the mask if it is coarser, spans."""
        return max(1.0, max(size) / 960, pixel)

    def reset(self) -> None:
        """Nothing is kept between frames."""

    def _scaled(self, shown: F32, d: F32, loose: F32, doubts: F32, unit: float, reach: float) -> F32:
        """Solve at the scale of the plate, or reduced to `FINEST` where the plate has more pixels.

        Reduced pixels lie on a lattice that is fixed to the plate, a whole number of them on every `SNAP` px:
        the same edge gives the same alpha whatever region it is seen in, and hair does not crawl.
        """
        h, w = d.shape
        cell = min(SNAP, 8 * max(1, round(SNAP * FINEST / unit / 8)))  # multiples of 8 suit `_relax`, too
        factor = SNAP / cell
        if unit > 1:
            shown, d, loose, doubts = (_to_lattice(x) for x in (shown, d, loose, doubts))
        if factor > 1:
            shown, d, loose, doubts = (_reduce(x, factor) for x in (shown, d, loose, doubts))
            d = d / np.float32(factor)
        plate = shown if factor > 1 else clean_plate(shown)
        alpha = self._matte(plate, d, reach / factor, loose, cell)
        alpha = _relax(shown, alpha, doubts, reach / factor)
        if factor > 1:
            full = (round(d.shape[1] * factor), round(d.shape[0] * factor))
            alpha = cv2.resize(alpha, full, interpolation=cv2.INTER_LINEAR)
        return alpha[:h, :w]

    def _matte(self, rgb: F32, d: F32, unit: float, loose: F32, cell: int) -> F32:
        full = (d.shape[1], d.shape[0])
        factor = cell / max(1, min(cell, round(cell / unit)))
        small, small_d = _reduce(rgb, factor), _reduce(d / np.float32(factor), factor)
        first = self._solve(small, small_d, unit / factor, np.zeros_like(small_d), None)
        hairy = np.clip((hairiness(first, small_d, unit / factor) - 0.25) / 0.35, 0, 1)
        hairy = np.maximum(cv2.resize(hairy, full, interpolation=cv2.INTER_LINEAR), loose)
        first = cv2.resize(first, full, interpolation=cv2.INTER_LINEAR)
        moved = d + MOVE * (1 - hairy) * (signed_distance(first - np.float32(0.5)) - d)
        alpha = self._solve(rgb, moved, unit, hairy, first)
        return np.asarray(
            alpha + hairy * (cv2.GaussianBlur(alpha, (0, 0), FRINGE * unit) - alpha), np.float32
        )

    def _solve(self, rgb: F32, d: F32, unit: float, hairy: F32, start: F32 | None) -> F32:
        def blend(name: str) -> F32:
            return np.asarray(getattr(CLEAN, name) * (1 - hairy) + getattr(HAIRY, name) * hairy, np.float32)

        away = np.abs(d) / np.float32(unit)
        unknown = away < blend("half_width")
        inside = (d > 0).astype(np.float32)
        prior = (1 - hairy) * cv2.GaussianBlur(inside, (0, 0), CLEAN.softness * unit)
        prior += hairy * cv2.GaussianBlur(inside, (0, 0), HAIRY.softness * unit)
        decades = np.minimum(away / blend("growth"), 6)
        weight = (blend("weight") * 10**decades)[unknown]
        colour, confidence = self._colour(rgb, d, unit, unknown)
        sure = self.colour * confidence * np.exp(-((away / blend("half_width"))[unknown] ** 2))
        target = (weight * prior[unknown] + sure * colour) / (weight + sure)
        system = band_laplacian(rgb, unknown, inside, self.epsilon, np.float32)
        guess = target if start is None else start[unknown]
        x, _ = conjugate_gradient(system, weight + sure, target, guess, self.tolerance, 150)
        alpha = inside
        alpha[unknown] = x
        toe = blend("toe")
        return np.asarray(np.clip((alpha - toe) / (1 - 2 * toe), 0, 1), np.float32)

    def _colour(self, rgb: F32, d: F32, unit: float, unknown: NDArray[np.bool_]) -> tuple[Any, Any]:
        inner = INNER * unit
        known_f, known_b = d > min(inner, float(d.max()) - 1), d < -min(inner, -float(d.min()) - 1)
        if not known_f.any() or not known_b.any():
            return np.zeros(1), np.zeros(1)
        return sample_alpha(rgb, unknown, known_f, known_b, 8 * unit, self.noise)


def _relax(rgb: F32, alpha: F32, doubts: F32, unit: float) -> F32:
    """Trade the solve for a wide guided filter of itself where the mask is doubted, (h, w) in [0, 1]."""
    if not (doubts > 0.02).any():
        return alpha
    scale = min(8, 2 ** max(0, round(math.log2(4 * unit))))  # divides what `SNAP` px come to
    wide = guided_filter(rgb, alpha, DOUBT_WIDTH * unit, 1e-4, scale)
    mixed = alpha + doubts * (np.clip(wide, 0, 1) - alpha)
    toe = DOUBT_TOE * doubts
    return np.asarray(np.clip((mixed - toe) / (1 - 2 * toe), 0, 1), np.float32)


def _to_lattice(image: F32) -> F32:
    """Repeat the last row and column of (h, w) or (h, w, 3) until both sides are multiples of `SNAP`."""
    h, w = image.shape[:2]
    return np.asarray(cv2.copyMakeBorder(image, 0, -h % SNAP, 0, -w % SNAP, cv2.BORDER_REPLICATE))


def _reduce(image: F32, factor: float) -> F32:
    """Shrink (h, w) or (h, w, 3) by ``factor`` of at least 1, averaging."""
    size = (max(1, round(image.shape[1] / factor)), max(1, round(image.shape[0] / factor)))
    if size == (image.shape[1], image.shape[0]):
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def clean_plate(shown: F32) -> F32:
    """Return a crop of the plate as the matting sees it.

    Movies carry colour at half resolution, which comes back as blocks of 2 x 2 pixels; the matting Laplacian
    would copy them into alpha. Colour differences are blurred over about a block, brightness hardly.

    Parameters
    ----------
    shown : (h, w, 3) float32 display code in [0, 1].

    Returns
    -------
    (h, w, 3) float32 display code.
    """
    parts = cv2.cvtColor(shown, cv2.COLOR_RGB2YCrCb)
    parts[..., 0] = cv2.GaussianBlur(parts[..., 0], (0, 0), 0.5)
    parts[..., 1:] = cv2.GaussianBlur(parts[..., 1:], (0, 0), 1.0)
    out: F32 = cv2.cvtColor(parts, cv2.COLOR_YCrCb2RGB)
    return out
