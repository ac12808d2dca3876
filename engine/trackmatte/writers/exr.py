"""OpenEXR, half float, the matte in every channel."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trackmatte import __version__
from trackmatte.files import write_image
from trackmatte.matte import Matte
from trackmatte.writers import Delivery, free_path


class ExrWriter:
    """RGBA half with R = G = B = A = alpha, ZIP, full data window: safest across hosts."""

    suffix = ".exr"

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery

    def write(self, matte: Matte, number: int) -> Path:
        """Write ``matte`` as frame ``number``; the same matte gives the same bytes."""
        path = free_path(self.delivery, number, self.suffix)
        rate = self.delivery.rate
        attributes = {
            "compression": "zip",
            "oiio:ColorSpace": "data",
            "framesPerSecond": ("rational", (rate.numerator, rate.denominator)),
            "Software": f"Trackmatte {__version__}",
            "trackmatte:object": matte.object,
            "trackmatte:frame": number,
            "trackmatte:origin": self.delivery.origin,
        }
        if self.delivery.cut:
            attributes["trackmatte:in"], attributes["trackmatte:out"] = self.delivery.cut
        rgba = np.repeat(matte.alpha[..., None], 4, axis=2)
        write_image(path, rgba, attributes, "half")
        return path
