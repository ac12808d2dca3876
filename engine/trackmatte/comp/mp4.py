"""H.264 for a quick look."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from trackmatte.errors import UsageError
from trackmatte.picture import Picture
from trackmatte.writers import Delivery
from trackmatte.writers.movie import MovieWriter
from trackmatte.writers.movie_pixels import Planes, halved, luma_chroma


class Mp4Writer(MovieWriter):
    """8-bit 4:2:0 in MP4, which every player opens; an odd last row or column is cut off.

    It is none of `WRITERS`, which all keep alpha.
    """

    suffix, container = ".mp4", "mp4"
    codec, pixel_format, dtype = "libx264", "yuv420p", np.uint8
    options: ClassVar = {"crf": "16", "preset": "fast"}

    def __init__(self, delivery: Delivery) -> None:
        if delivery.holds == "colour":
            raise UsageError("mp4 holds no alpha; choose --format prores, or --view side for a look")
        if delivery.audio is not None:
            raise UsageError("mp4 is for a quick look, without sound; leave out --audio or choose prores")
        super().__init__(delivery)

    def write(self, picture: Picture) -> int:
        """Write the next picture and return the bytes the file grew by; the first one opens it."""
        w, h = picture.size
        if w < 2 or h < 2:
            raise UsageError(f"{w} x {h} pictures are too small for mp4; choose --format png")
        return super().write(replace(picture, pixels=picture.pixels[: h // 2 * 2, : w // 2 * 2]))

    def _planes(self, rgb: Any, alpha: Any) -> Planes:  # noqa: ARG002
        luma, *chroma = luma_chroma(rgb, 8)
        return [luma, *map(halved, chroma)]
