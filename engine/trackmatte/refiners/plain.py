"""No matting: the mask itself, brought to the plate's resolution with a clean anti-aliased edge."""

from __future__ import annotations


import numpy as np
from numpy.typing import NDArray

from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.matte import Matte
from trackmatte.refiners.band import paste, signed_distance


class PlainRefiner:
    """The refiner ``none``: a smooth edge where the mask's log-odds cross zero.

    Parameters
    ----------
    edge : width of the ramp from 0 to 1, px of the plate or, when it is coarser, of the mask.
    """

    def __init__(self, *, edge: float = 1.5) -> None:
        self.edge = edge

    def refine(self, frame: Frame, mask: Mask, hair: NDArray[np.bool_] | None = None) -> Matte:  # noqa: ARG002
        """Return the mask as a matte; pixels of the plate and ``hair`` are not looked at."""
        width, height = frame.size
        contour = signed_distance(mask.logits, (width, height), reach=4.0)
        if contour is None:
            inside = bool(mask.logits.size) and bool((mask.logits > 0).all())
            return Matte(mask.index, mask.object, np.full((height, width), float(inside), np.float32))
        scale = max(1.0, width / mask.logits.shape[1])
        ramp = np.clip(0.5 + contour.distance / (self.edge * scale), 0, 1)
        return Matte(mask.index, mask.object, paste(ramp.astype(np.float32), contour, (width, height)))

    def reset(self) -> None:
        """Nothing is kept between frames."""


__all__ = ["PlainRefiner"]
