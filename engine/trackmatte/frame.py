"""One decoded frame of a clip."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackmatte.color import SRGB, Colour


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame as decoded; its pixels are never changed by the alpha path."""

    index: int
    """0-based position in the clip."""
    number: int
    """The source's own frame number, e.g. 1001."""
    time: Fraction
    """Presentation time in seconds from the clip's start."""
    rgb: NDArray[Any]
    """(H, W, 3) uint8, uint16 or float32; full range; origin top-left."""
    colour: Colour = SRGB
    """Meaning of the code values in ``rgb``."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.rgb.shape[1], self.rgb.shape[0]

    def display(self) -> NDArray[np.uint8]:
        """Return the frame as (H, W, 3) uint8 sRGB, what models and selectors look at."""
        return self.colour.display(self.rgb)

    def linear(self) -> NDArray[np.float32]:
        """Return the frame as (H, W, 3) float32 light in the space ``colour.linear_name``."""
        return self.colour.linear(self.rgb)
