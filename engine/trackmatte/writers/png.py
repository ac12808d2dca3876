"""PNG, 16-bit grey."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trackmatte.files import write_image
from trackmatte.matte import Matte
from trackmatte.writers import Delivery, free_path


class PngWriter:
    """One 16-bit grey channel, 0 = 0.0 and 65535 = 1.0, linear coverage."""

    suffix = ".png"

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery

    def write(self, matte: Matte, number: int) -> Path:
        """Write ``matte`` as frame ``number``."""
        path = free_path(self.delivery, number, self.suffix)
        code = np.rint(matte.alpha * 65535).astype(np.uint16)
        write_image(path, code[..., None], {"Software": "Trackmatte", "oiio:ColorSpace": "data"}, "uint16")
        return path
