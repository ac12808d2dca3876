"""No matting: the mask itself, brought to the plate's resolution with a clean anti-aliased edge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.matte import Matte
from trackmatte.refiners.band import constant_matte, find_contour, paste


class PlainRefiner:
    """The refiner ``none``: a smooth edge where the mask's log-odds cross zero.

    Parameters
    ----------
    edge : width of the ramp from 0 to 1, px of the plate or of the mask, whichever is coarser.
    """

    version = "1"

    def __init__(self, *, edge: float = 1.5) -> None:
        self.edge = edge

    def refine(self, frame: Frame, mask: Mask, hair: NDArray[np.bool_] | None = None) -> Matte:  # noqa: ARG002
        """Return the mask as a matte; the plate's pixels and ``hair`` are not looked at."""
        width, height = frame.size
        ramp = self.edge * max(1.0, width / max(1, mask.logits.shape[1]))
        contour = find_contour(mask.logits, (width, height), reach=ramp)
        if contour is None:
            return constant_matte(mask, frame.size)
        alpha = np.clip(0.5 + contour.distance / np.float32(ramp), 0, 1)
        return Matte(mask.index, mask.object, paste(alpha, contour))

    def reset(self) -> None:
        """Nothing is kept between frames."""
