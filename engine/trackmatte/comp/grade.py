"""A simple grade in linear light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Triple = tuple[float, float, float]

LUMA = (0.2126, 0.7152, 0.0722)
"""Share of red, green and blue in brightness, Rec.709; the ASC CDL uses them for saturation in any space."""


@dataclass(frozen=True, slots=True)
class Grade:
    """Exposure and white balance, then the ASC CDL without its clamps: slope, offset, power, saturation."""

    exposure: float = 0.0
    """Stops; each doubles the light."""
    warmth: float = 0.0
    """-1 to 1: stops of red over blue, brightness kept."""
    tint: float = 0.0
    """-1 to 1: stops of magenta over green, brightness kept."""
    slope: Triple = (1.0, 1.0, 1.0)
    """Red, green and blue are multiplied by it."""
    offset: Triple = (0.0, 0.0, 0.0)
    """Then it is added."""
    power: Triple = (1.0, 1.0, 1.0)
    """Then what is above 0 is raised to it."""
    saturation: float = 1.0
    """Then the distance from grey is multiplied by it; 0 is black and white."""

    def __call__(self, linear: F32) -> F32:
        """Return graded colours, (..., 3) float32; nothing is clamped."""
        slope = self._gains() * np.array(self.slope)
        x = linear * slope.astype(np.float32) + np.array(self.offset, np.float32)
        if self.power != (1.0, 1.0, 1.0):
            x = np.where(x > 0, np.power(np.maximum(x, 0), np.array(self.power, np.float32)), x)
        if self.saturation != 1:
            luma = (x @ np.array(LUMA, np.float32))[..., None]
            x = luma + np.float32(self.saturation) * (x - luma)
        return np.asarray(x, np.float32)

    def _gains(self) -> NDArray[np.float64]:
        """Return (3,) factors of exposure and white balance."""
        stops = np.array([self.warmth + self.tint, -self.tint, self.tint - self.warmth]) / 2
        gains = np.exp2(stops)
        return np.asarray(np.exp2(self.exposure) * gains / (gains @ np.array(LUMA)))
