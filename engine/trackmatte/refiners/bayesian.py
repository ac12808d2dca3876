"""Bayesian matting on a band around the tracked contour."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import UsageError
from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.matte import Matte
from trackmatte.numerics.bayes import Sampling, bayesian_matte
from trackmatte.refiners.band import contour_distance
from trackmatte.refiners.closed_form import SMALLEST, clean_plate
from trackmatte.refiners.pipeline import Found, View, refine_in
from trackmatte.refiners.plain import PlainRefiner
from trackmatte.refiners.region import Region, region_around

HAIR_WIDTH = 2.0
"""The band is wider by this factor where hair is brushed."""


class BayesianRefiner:
    """The refiner ``bayesian``: Chuang et al., CVPR 2001, with the mask's contour as the middle of a trimap.

    Parameters
    ----------
    half_width : of the unknown band, px of a 960-wide frame.
    sigma : standard deviation of the plate's colour, in [0, 1].
    clusters : of colours on each side, at most.
    """

    version = "1"
    regional = False

    def __init__(self, *, half_width: float = 6.0, sigma: float = 0.0025, clusters: int = 3) -> None:
        if not (half_width > 0 and sigma > 0 and clusters >= 1):
            raise UsageError(
                f"half_width {half_width}, sigma {sigma} and clusters {clusters} must all be above 0"
            )
        self.half_width, self.how = half_width, Sampling(sigma=sigma, clusters=int(clusters))

    @classmethod
    def settle(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Return the settings as they are."""
        known = ("half_width", "sigma", "clusters")
        if unknown := set(settings) - set(known):
            raise UsageError(
                f"the refiner bayesian has no setting {min(unknown)!r}; there are: {', '.join(known)}"
            )
        return settings

    def refine(
        self,
        frame: Frame,
        mask: Mask,
        hair: NDArray[np.bool_] | None = None,
        region: Region | None = None,  # noqa: ARG002 (only the contour counts)
    ) -> Matte:
        """Return the matte of ``mask`` on ``frame``; ``hair`` (H, W) widens the band where it is true."""
        unit = self._unit(frame.size, frame.size[0] / max(1, mask.logits.shape[1]))
        reach = HAIR_WIDTH * self.half_width * unit + self.how.reach
        return refine_in(region_around(mask, frame.size, reach), self.found, frame, mask, hair)

    def found(self, view: View) -> Found:
        """Return alpha of a view, solved on the band around its contour."""
        if min(view.logits.shape) < SMALLEST:
            return PlainRefiner().found(view)
        d = contour_distance(view.mask, view.frame.size, view.region)
        unit = self._unit(view.frame.size, view.pixel)
        reach = np.full(d.shape, self.half_width * unit, np.float32)
        if view.hair is not None:
            reach[view.hair] *= HAIR_WIDTH
        # A side that is thin keeps half of its depth as known.
        inside = d > np.minimum(reach, 0.5 * d.max())
        outside = -d > np.minimum(reach, -0.5 * d.min())
        if not (inside.any() and outside.any()):
            return PlainRefiner().found(view)
        shown = clean_plate(view.shown().astype(np.float32) / np.float32(255))
        return Found(bayesian_matte(np.clip(shown, 0, 1), inside, outside, self.how).alpha)

    @staticmethod
    def _unit(size: tuple[int, int], pixel: float) -> float:
        return max(1.0, max(size) / 960, pixel)

    def reset(self) -> None:
        """Nothing is kept between frames."""
