"""One decoded frame of a clip."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trackmatte.color import LINEAR, SRGB, Colour

Transfer = Literal["display", "linear", "log"]
"""How code values relate to light: sRGB/Rec.709-like display code, scene-linear light, Cineon log."""


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
    transfer: Transfer = "display"
    """Meaning of the code values in ``rgb``."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.rgb.shape[1], self.rgb.shape[0]

    @property
    def colour(self) -> Colour:
        """The space of ``rgb``."""
        return SRGB if self.transfer == "display" else LINEAR

    def display(self) -> NDArray[np.uint8]:
        """Return the frame as (H, W, 3) uint8 sRGB, what models and selectors look at."""
        return to_display(self.rgb, self.transfer)


def to_display(rgb: NDArray[Any], transfer: Transfer) -> NDArray[np.uint8]:
    """Bring code values to 8-bit sRGB for models; non-finite pixels become black.

    Parameters
    ----------
    rgb : (H, W, 3) uint8, uint16 or floating.
    transfer : meaning of the code values.

    Returns
    -------
    (H, W, 3) uint8, sRGB display code.
    """
    if rgb.dtype == np.uint8 and transfer == "display":
        return rgb
    if rgb.dtype == np.uint16 and transfer == "display":
        return ((rgb.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if np.issubdtype(rgb.dtype, np.integer):
        x = rgb.astype(np.float32) / np.float32(np.iinfo(rgb.dtype).max)
    else:
        x = np.nan_to_num(rgb.astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0)
    if transfer == "log":
        # Cineon: 10-bit printing density, black 95, white 685, gamma .6 (Kodak, 1993).
        black = np.float32(10 ** ((95 - 685) * 0.002 / 0.6))
        x = (np.power(10.0, (x * 1023 - 685) * (0.002 / 0.6), dtype=np.float32) - black) / (1 - black)
    if transfer != "display":
        x = np.clip(x, 0, 1)
        x = np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.power(x, 1 / 2.4) - 0.055)
    return np.asarray(np.rint(np.clip(x, 0, 1) * 255), np.uint8)
