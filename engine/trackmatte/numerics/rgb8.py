"""The one form of picture that selectors and segmenters compute on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import UsageError

MOST_PIXELS = 20_000_000
"""Pixel-level graphs take 150 to 330 bytes per pixel; beyond this the answer is a refusal."""


def rgb8(image: NDArray[Any], *, most: int = MOST_PIXELS) -> NDArray[np.uint8]:
    """Return an image as contiguous (h, w, 3) uint8 sRGB.

    Parameters
    ----------
    image : (h, w, 3) or (h, w), uint8, or float sRGB in [0, 1] (clipped).
    most : pixels allowed.

    Raises
    ------
    UsageError : another shape or type, no pixel, too many, or values that are not finite.
    """
    if image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)) or image.size == 0:
        raise UsageError(f"the image has shape {image.shape}; it must be (h, w, 3) or (h, w), not empty")
    height, width = image.shape[:2]
    if height * width > most:
        raise UsageError(
            f"the image has {height * width / 1e6:.0f} megapixels and this method takes {most / 1e6:g}; "
            "reduce it, or crop it around the subject"
        )
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    if image.dtype == np.uint8:
        return np.ascontiguousarray(image, np.uint8)
    if not np.issubdtype(image.dtype, np.floating):
        raise UsageError(f"the image is {image.dtype}; it must be uint8, or float sRGB in [0, 1]")
    bad = int((~np.isfinite(image)).any(axis=2).sum())
    if bad:
        raise UsageError(f"{bad} pixels of the image are not finite numbers; mend the plate first")
    result: NDArray[np.uint8] = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(result)
