"""Refiners: a frame and its soft mask in, an alpha matte at plate resolution out."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.matte import Matte
from trackmatte.refiners.region import Region
from trackmatte.registry import Registry


class Refiner(Protocol):
    """Turns one tracked mask into a matte; frames are independent of each other."""

    version: ClassVar[str]
    """Changes whenever the same input gives another matte, so that cached ones become stale."""
    regional: ClassVar[bool]
    """Whether the matte depends on the region that it is worked on in."""

    def __init__(self, **settings: Any) -> None: ...

    @classmethod
    def settle(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Return the settings with everything that decides the mattes filled in, such as a model's hash.

        Raises
        ------
        UsageError : there is no such setting.
        MissingPartError : a package or the weights are not there.
        """
        ...

    def refine(
        self,
        frame: Frame,
        mask: Mask,
        hair: NDArray[np.bool_] | None = None,
        region: Region | None = None,
    ) -> Matte:
        """Return the matte of ``mask`` on ``frame``.

        Parameters
        ----------
        frame : the plate, (H, W).
        mask : soft mask at the tracker's scale, (h, w), any scale of the same picture.
        hair : (H, W) bool, where the artist brushed hair: the band is widened there. Optional.
        region : the part of the plate that holds the subject on all frames, so that what is worked on
            does not jump from frame to frame; None = around this mask.
        """
        ...

    def reset(self) -> None:
        """Forget anything kept between frames."""
        ...


REFINERS: Registry[Refiner] = Registry(
    "refiner",
    {
        "bayesian": "trackmatte.refiners.bayesian:BayesianRefiner",
        "closed_form": "trackmatte.refiners.closed_form:ClosedFormRefiner",
        "hiera": "trackmatte.refiners.hiera:HieraRefiner",
        "mam": "trackmatte.refiners.mam:MamRefiner",
        "none": "trackmatte.refiners.plain:PlainRefiner",
    },
)

__all__ = ["REFINERS", "Refiner"]
