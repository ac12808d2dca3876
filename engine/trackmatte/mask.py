"""A tracked object on one frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A soft mask of one object as a tracker saw it."""

    index: int
    """0-based position in the clip."""
    object: str
    """The object's name."""
    logits: NDArray[np.float32]
    """(h, w) unthresholded log-odds, > 0 = subject; covers the whole frame at the tracker's scale."""
    score: float
    """Confidence in [0, 1] that the object is visible and the mask is right; 0 = lost or occluded."""
    quality: Mapping[str, float] = field(default_factory=dict)
    """What else the tracker says of the mask: ``iou`` predicted IoU in [0, 1]; ``object`` log-odds that
    the object is visible."""

    @property
    def binary(self) -> NDArray[np.bool_]:
        """(h, w) bool, logits > 0."""
        return self.logits > 0
