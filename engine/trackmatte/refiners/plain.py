"""No matting: the mask itself, brought to the plate's resolution with a clean anti-aliased edge."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import UsageError
from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.matte import Matte
from trackmatte.refiners.band import contour_distance
from trackmatte.refiners.pipeline import Found, View, refine_in
from trackmatte.refiners.region import Region, region_around


class PlainRefiner:
    """The refiner ``none``: a smooth edge where the mask's log-odds cross zero.

    Parameters
    ----------
    edge : width of the ramp from 0 to 1, px of the plate or of the mask, whichever is coarser.
    """

    version = "2"
    regional = False

    def __init__(self, *, edge: float = 1.5) -> None:
        self.edge = edge

    @classmethod
    def settle(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Return the settings as they are."""
        if unknown := set(settings) - {"edge"}:
            raise UsageError(f"the refiner none has no setting {min(unknown)!r}; there is: edge")
        return settings

    def refine(
        self,
        frame: Frame,
        mask: Mask,
        hair: NDArray[np.bool_] | None = None,
        region: Region | None = None,  # noqa: ARG002 (only the contour counts)
    ) -> Matte:
        """Return the mask as a matte; only its log-odds are looked at."""
        ramp = self._ramp(frame.size[0] / max(1, mask.logits.shape[1]))
        return refine_in(region_around(mask, frame.size, ramp + 2), self.found, frame, mask, hair)

    def found(self, view: View) -> Found:
        """Return the ramp along a view's contour."""
        distance = contour_distance(view.mask, view.frame.size, view.region)
        return Found(np.clip(np.float32(0.5) + distance / np.float32(self._ramp(view.pixel)), 0, 1))

    def _ramp(self, pixel: float) -> float:
        return self.edge * max(1.0, pixel)

    def reset(self) -> None:
        """Nothing is kept between frames."""
