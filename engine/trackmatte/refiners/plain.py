"""No matting: the mask itself, brought to the plate's resolution with a clean anti-aliased edge."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import UsageError
from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.matte import Matte
from trackmatte.refiners.band import constant_matte, find_contour, paste
from trackmatte.refiners.region import Region


class PlainRefiner:
    """The refiner ``none``: a smooth edge where the mask's log-odds cross zero.

    Parameters
    ----------
    edge : width of the ramp from 0 to 1, px of the plate or of the mask, whichever is coarser.
    """

    version = "1"
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
        hair: NDArray[np.bool_] | None = None,  # noqa: ARG002
        region: Region | None = None,  # noqa: ARG002
    ) -> Matte:
        """Return the mask as a matte; only its log-odds are looked at."""
        width, height = frame.size
        ramp = self.edge * max(1.0, width / max(1, mask.logits.shape[1]))
        contour = find_contour(mask.logits, (width, height), reach=ramp)
        if contour is None:
            return constant_matte(mask, frame.size)
        alpha = np.clip(0.5 + contour.distance / np.float32(ramp), 0, 1)
        return Matte(mask.index, mask.object, paste(alpha, contour))

    def reset(self) -> None:
        """Nothing is kept between frames."""
