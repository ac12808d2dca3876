"""PNG sequences, 16-bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trackmatte import __version__
from trackmatte.errors import UsageError
from trackmatte.files import write_image
from trackmatte.picture import Picture
from trackmatte.writers import Delivery
from trackmatte.writers.sequence import SequenceWriter

LAYERS = "PNG holds no layers; choose another preset than multi, or --format exr"


class PngWriter(SequenceWriter):
    """16-bit PNG: grey where the picture is a matte, straight sRGB colour with alpha otherwise."""

    suffix = ".png"
    origin_key = "ImageDescription"

    def __init__(self, delivery: Delivery) -> None:
        super().__init__(delivery)
        if delivery.premultiplied:
            raise UsageError(
                "PNG is straight by its standard; leave out --alpha premultiplied, or --format exr"
            )
        if delivery.holds == "layers":
            raise UsageError(LAYERS)

    def _save(self, path: Path, picture: Picture) -> int:
        about = {
            "Software": f"Trackmatte {__version__}",
            "oiio:ColorSpace": "data" if picture.encoding == "data" else "sRGB",
            "oiio:UnassociatedAlpha": 1,
            "framesPerSecond": str(self.delivery.rate),
            **({} if picture.timecode is None else {"timecode": str(picture.timecode)}),
            self.origin_key: picture.origin,
        }
        return write_image(path, np.rint(self._code(picture) * 65535).astype(np.uint16), about, "uint16")

    def _code(self, picture: Picture) -> NDArray[np.float32]:
        """Return (H, W, C) of code values in [0, 1]."""
        if picture.alpha is None and picture.channels != ("R", "G", "B"):
            raise UsageError(LAYERS)
        if picture.encoding == "data":
            alpha = picture.alpha
            return picture.pixels[..., :3] if alpha is None else alpha[..., None]
        return np.dstack([picture.code(), picture.pixels[..., 3:]])
