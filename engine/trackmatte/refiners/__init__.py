"""Refiners: a frame and its soft mask in, an alpha matte at plate resolution out."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.matte import Matte
from trackmatte.registry import Registry


class Refiner(Protocol):
    """Turns one tracked mask into a matte; frames are independent, so chunks may run in parallel."""

    version: ClassVar[str]
    """Changes whenever the same input gives another matte, so that cached ones become stale."""

    def __init__(self, **settings: Any) -> None: ...

    def refine(self, frame: Frame, mask: Mask, hair: NDArray[np.bool_] | None = None) -> Matte:
        """Return the matte of ``mask`` on ``frame``.

        Parameters
        ----------
        frame : the plate, (H, W).
        mask : soft mask at the tracker's scale, (h, w), any scale of the same picture.
        hair : (H, W) bool, where the artist brushed hair: the band is widened there. Optional.
        """
        ...

    def reset(self) -> None:
        """Forget anything kept between frames."""
        ...


REFINERS: Registry[Refiner] = Registry(
    "refiner",
    {
        "closed_form": "trackmatte.refiners.closed_form:ClosedFormRefiner",
        "none": "trackmatte.refiners.plain:PlainRefiner",
    },
)

__all__ = ["REFINERS", "Refiner"]
