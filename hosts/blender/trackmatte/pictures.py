# SPDX-License-Identifier: GPL-3.0-or-later
"""Grey pictures into arrays; Blender decodes them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray


def read(path: Path) -> NDArray[np.float32]:
    """Return the first channel of an image file (H, W) as it is stored, row 0 on top."""
    image = bpy.data.images.load(str(path), check_existing=False)
    try:
        image.colorspace_settings.name = "Non-Color"
        width, height = image.size
        flat = np.empty(width * height * image.channels, np.float32)
        image.pixels.foreach_get(flat)
        return flat.reshape(height, width, -1)[::-1, :, 0].copy()
    finally:
        bpy.data.images.remove(image)


def decode(png: bytes) -> NDArray[np.float32]:
    """Return a grey PNG as (H, W) in [0, 1], row 0 on top."""
    with tempfile.TemporaryDirectory(prefix="trackmatte") as folder:
        path = Path(folder) / "mask.png"
        path.write_bytes(png)
        return read(path)
