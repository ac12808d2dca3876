"""One finished frame on its way into a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trackmatte.color import SRGB, Colour, to_display_code
from trackmatte.timecode import Timecode

Encoding = Literal["data", "linear", "code"]
"""What colour channels hold: coverage or other data that no one may convert; linear light; code values."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Channels of one frame as a writer gets them; colours are straight (unpremultiplied)."""

    number: int
    """The source's own frame number."""
    pixels: NDArray[np.float32]
    """(H, W, C), origin top-left; alpha in [0, 1]."""
    channels: tuple[str, ...]
    """C names: ``R``, ``G``, ``B``, ``A``, or ``LAYER.A``."""
    encoding: Encoding = "data"
    colour: Colour = SRGB
    """The plate's colour: R, G and B are its light or its code values."""
    timecode: Timecode | None = None
    """The frame's label, if the source has any."""
    origin: str = ""
    """Hash of all that made the pixels; a file that carries it need not be written again."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def space(self) -> str:
        """Name of the colour space that R, G and B are in; ``data`` where they are no colours."""
        return {"data": "data", "linear": self.colour.linear_name, "code": self.colour.name}[self.encoding]

    def code(self) -> NDArray[np.float32]:
        """Return R, G and B (H, W, 3) as display code in [0, 1], for formats that hold no light.

        A plate coded for display gets its own values back; light of others becomes sRGB.
        """
        at = [self.channels.index(c) for c in "RGB"]
        rgb = np.ascontiguousarray(self.pixels[..., at])
        if self.encoding == "linear" and self.colour.coded_for_display:
            rgb = self.colour.encode(rgb)
        elif self.encoding == "linear":
            rgb = to_display_code(rgb, self.colour.linear_name)
        return np.clip(rgb, 0, 1)

    @property
    def alpha(self) -> NDArray[np.float32] | None:
        """(H, W) of the channel ``A``, or None."""
        return self.pixels[..., self.channels.index("A")] if "A" in self.channels else None
