"""One finished frame on its way into a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

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
    space: str = "data"
    """Name of the colour space of R, G and B."""
    timecode: str | None = None
    """SMPTE timecode of the frame, ``;`` before the frames where it drops; None when the source has none."""
    origin: str = ""
    """Hash of all that made the pixels; a file that carries it need not be written again."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def alpha(self) -> NDArray[np.float32] | None:
        """(H, W) of the channel ``A``, or None."""
        return self.pixels[..., self.channels.index("A")] if "A" in self.channels else None
