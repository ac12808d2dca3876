"""From pictures to the planes of a movie frame, without a detour over 8 bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import UsageError
from trackmatte.picture import Picture

Planes = Sequence[NDArray[np.float32]]
"""Planes of one frame in code values of the pixel format, each (h, w), in its order."""
RED, BLUE = 0.2126, 0.0722
"""Luma weights of ITU-R BT.709-6, table 3."""


def code_values(picture: Picture, *, premultiplied: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (H, W, 3) colours and (H, W) alpha, both in [0, 1], NaN as 0.

    Linear colours become display code; a matte's R, G and B stay as they are; alpha alone gets white, and
    colours alone get an alpha of 1.
    Premultiplying multiplies code values, which is what a host does that composites display-referred movies.

    Raises
    ------
    UsageError : the picture has layers.
    """
    if picture.channels not in (("R", "G", "B", "A"), ("R", "G", "B"), ("A",)):
        raise UsageError("a movie holds no layers; choose another preset than multi, or --format exr")
    solid = np.ones(picture.pixels.shape[:2], np.float32)
    alpha = solid if picture.alpha is None else _unit(picture.alpha)
    if picture.channels == ("A",):
        return np.ones((*alpha.shape, 3), np.float32), alpha
    colours = _unit(picture.code())
    if premultiplied and picture.encoding != "data":
        colours = colours * alpha[..., None]
    return colours, alpha


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.clip(np.nan_to_num(values, nan=0.0), 0, 1)


def luma_chroma(rgb: NDArray[np.float32], bits: int) -> list[NDArray[np.float32]]:
    """Return Y, Cb, Cr of (H, W, 3) colours in code values of ``bits``, narrow range, unrounded.

    ITU-R BT.709-6, items 3.2 to 3.4. Measured on 10 bits, a solid white comes back exactly; through swscale
    it is .0034 off.
    """
    one = np.float32(1 << (bits - 8))
    red, green, blue = (rgb[..., i] for i in range(3))
    luma = red * RED + green * (1 - RED - BLUE) + blue * BLUE
    return [
        (16 + 219 * luma) * one,
        (128 + 224 * ((blue - luma) / (2 * (1 - BLUE)))) * one,
        (128 + 224 * ((red - luma) / (2 * (1 - RED)))) * one,
    ]


def halved(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of every 2 by 2 block; an odd last row or column counts twice."""
    h, w = plane.shape
    even = cv2.copyMakeBorder(plane, 0, h % 2, 0, w % 2, cv2.BORDER_REPLICATE)
    return np.asarray(even.reshape((h + 1) // 2, 2, (w + 1) // 2, 2).mean((1, 3)), np.float32)


def movie_frame(planes: Planes, pixel_format: str, dtype: type[Any]) -> av.VideoFrame:
    """Return a frame of the given planes, rounded to integers of ``dtype``; the first plane is full size."""
    h, w = planes[0].shape
    frame = av.VideoFrame(w, h, pixel_format)
    for plane, values in zip(frame.planes, planes, strict=True):
        padded = np.zeros((plane.height, plane.line_size // np.dtype(dtype).itemsize), dtype)
        padded[:, : plane.width] = np.rint(values)
        plane.update(padded.tobytes())
    return frame
