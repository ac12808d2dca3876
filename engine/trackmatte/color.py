"""What a plate's code values mean, and the way to light and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour space."""

    name: str
    linear_name: str

    def linear(self, rgb: NDArray[Any]) -> NDArray[np.float32]:
        """Return scene-linear light."""
        x = unit(rgb)
        if self.name == self.linear_name:
            return x
        return np.where(x <= 0.04045, x / 12.92, ((np.maximum(x, 0) + 0.055) / 1.055) ** 2.4).astype(
            np.float32
        )

    def encode(self, linear: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return code values."""
        return linear if self.name == self.linear_name else to_display_code(linear, self.linear_name)


def unit(rgb: NDArray[Any]) -> NDArray[np.float32]:
    """Return float32, integers scaled to [0, 1]."""
    if np.issubdtype(rgb.dtype, np.integer):
        return np.asarray(rgb / np.float32(np.iinfo(rgb.dtype).max), np.float32)
    return rgb.astype(np.float32)


def to_display_code(linear: NDArray[np.float32], linear_name: str) -> NDArray[np.float32]:  # noqa: ARG001
    """Return sRGB code in [0, 1]."""
    x = np.clip(linear, 0, 1)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.power(x, 1 / 2.4) - 0.055).astype(np.float32)


LINEAR = Colour("Linear Rec.709 (sRGB)", "Linear Rec.709 (sRGB)")
SRGB = Colour("sRGB", "Linear Rec.709 (sRGB)")
