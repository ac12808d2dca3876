"""OpenEXR sequences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackmatte import __version__
from trackmatte.errors import UsageError
from trackmatte.files import write_image
from trackmatte.picture import Picture
from trackmatte.writers import Delivery
from trackmatte.writers.sequence import SequenceWriter, premultiplied

LOSSLESS = ("zip", "zips", "piz", "pxr24", "none")
LOSSY = ("dwaa", "dwab", "b44", "b44a")
LARGEST = 65504.0
"""Largest value that a half sample holds."""


class ExrWriter(SequenceWriter):
    """OpenEXR, half or float, lossless, full data window unless asked otherwise; colours premultiplied."""

    suffix = ".exr"
    origin_key = "trackmatte:origin"

    def __init__(self, delivery: Delivery) -> None:
        super().__init__(delivery)
        if delivery.compression in LOSSY or (delivery.compression, delivery.depth) == ("pxr24", "float"):
            raise UsageError(
                f"{delivery.compression} would change a matte of {delivery.depth} samples (it is lossy); "
                f"choose one of: {', '.join(c for c in LOSSLESS if c != delivery.compression)}"
            )
        if delivery.compression not in LOSSLESS:
            raise UsageError(
                f"there is no compression {delivery.compression!r}; choose one of: {', '.join(LOSSLESS)}"
            )
        self._limit = LARGEST if delivery.depth == "half" else np.inf
        self._buffer: NDArray[np.float32] | None = None  # made once: at 4K its pages cost as much as its use

    @property
    def form(self) -> str:
        """What of the format decides the bytes."""
        cut = self.delivery.cut
        return super().form + (f" cut {cut[0]} {cut[1]}" if cut else "")

    def _save(self, path: Path, picture: Picture) -> int:
        rate, aspect = self.delivery.rate, float(self.delivery.pixel_aspect)
        attributes: dict[str, Any] = {
            "compression": self.delivery.compression,
            "oiio:ColorSpace": picture.space,
            "framesPerSecond": ("rational", (rate.numerator, rate.denominator)),
            "PixelAspectRatio": aspect,
            "Software": f"Trackmatte {__version__}",
            "trackmatte:frame": picture.number,
            "trackmatte:colorspace": picture.space,
            self.origin_key: picture.origin,
            **{f"trackmatte:{k}": v for k, v in self.delivery.facts.items()},
        }
        if picture.timecode is not None:
            attributes["smpte:TimeCode"] = ("timecode", picture.timecode.packed())
        if self.delivery.cut:
            attributes["trackmatte:in"], attributes["trackmatte:out"] = self.delivery.cut
        pixels, straight = picture.pixels, self.delivery.premultiplied is False
        if not straight:
            pixels = premultiplied(picture, self._buffer, limit=self._limit)
            self._buffer = None if pixels is picture.pixels else pixels
        if picture.encoding != "data" and picture.alpha is not None:
            attributes["trackmatte:alpha"] = "straight" if straight else "premultiplied"
        if picture.encoding != "data" and pixels is picture.pixels and self._limit < np.inf:
            pixels = np.clip(pixels, -self._limit, self._limit)
        window = tight_window(pixels) if self.delivery.tight else None
        return write_image(
            path, pixels, attributes, self.delivery.depth, channels=picture.channels, window=window
        )


def tight_window(pixels: NDArray[np.float32]) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of what is not empty, half open; one pixel when all is."""
    rows, columns = np.flatnonzero(pixels.any((1, 2))), np.flatnonzero(pixels.any((0, 2)))
    if not len(rows):
        return 0, 0, 1, 1
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
