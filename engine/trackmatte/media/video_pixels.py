"""From a movie's decoded pictures to RGB as it is meant to be seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from trackmatte.color import Colour
from trackmatte.media.colour_tags import UNTAGGED, movie_colour

FULL_RANGE = 2
"""AVCOL_RANGE_JPEG"""
STRIP = 16
"""Rows worked on at a time, so that they stay in the processor's cache."""


@dataclass(frozen=True)
class Look:
    """How the pictures of one movie become RGB."""

    stored: tuple[int, int]
    """(width, height) in the file."""
    deep: bool
    """More than 8 bits per channel."""
    filled: int
    """Upper bits that FFmpeg fills of 16-bit values: see `_fill`."""
    turns: int
    """Quarter turns counter-clockwise that show the picture upright."""
    mirrored: bool
    """Flipped left to right before it is turned."""
    bytes: int
    """Size of one decoded picture in memory."""
    notes: tuple[str, ...]
    colour: Colour
    """What the RGB values mean."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) as shown."""
        w, h = self.stored
        return (h, w) if self.turns % 2 else (w, h)


def look_of(
    picture: av.VideoFrame, aspect: Fraction | None, *, alpha: bool = False, colour: Colour | None = None
) -> Look:
    """Read from the first picture how to show the movie, and what the user should know about it.

    A ``colour`` that was told replaces the transfer and primaries of the tags, not their matrix.
    """
    turns, mirrored = orientation(picture)
    parts = picture.format.components
    notes = []
    if needs_709(picture):
        notes.append("The movie does not say which colour matrix it uses: at its size it is read as Rec.709.")
    if colour is None:
        colour, doubts = movie_colour(picture)
        notes += doubts
    if alpha or any(p.is_alpha for p in parts):
        notes.append("The movie has an alpha channel: it is ignored.")
    if turns or mirrored:
        how = f"turned by {90 * turns} degrees counter-clockwise" if turns else ""
        how = " and ".join(x for x in ("mirrored" if mirrored else "", how) if x)
        notes.append(
            f"The movie is {how}, as its rotation tag asks: software that ignores the tag shows it otherwise."
        )
    if picture.interlaced_frame:
        notes.append("The movie is interlaced: its fields are not separated, deinterlace it first.")
    if aspect and aspect != 1:
        notes.append(
            f"The movie's pixels are not square ({float(aspect):g}:1): mattes keep the stored pixel grid."
        )
    deep = max(p.bits for p in parts) > 8
    size = sum(plane.buffer_size for plane in picture.planes)
    return Look(
        (picture.width, picture.height), deep, _filled(picture), turns, mirrored, size, tuple(notes), colour
    )


def needs_709(picture: av.VideoFrame) -> bool:
    """Return True for HD YUV without a colour matrix tag, which FFmpeg would take for Rec.601."""
    colour = len(picture.format.components) >= 3 and not picture.format.is_rgb
    return picture.colorspace == UNTAGGED and colour and (picture.height >= 720 or picture.width >= 1280)


def orientation(picture: av.VideoFrame) -> tuple[int, bool]:
    """Return (quarter turns counter-clockwise, mirrored first) from the display matrix."""
    stored: Any = picture.side_data  # a sequence, though typed as a mapping
    for data in stored:
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = (int(x) for x in np.frombuffer(bytes(data), "=i4")[:5])
            mirrored = a * d - b * c < 0
            if mirrored:
                a, b = -a, -b
            return round(math.atan2(-b, a) / (math.pi / 2)) % 4, mirrored
    return 0, False


def to_rgb(picture: av.VideoFrame, look: Look) -> NDArray[Any]:
    """Convert a picture to (H, W, 3) uint8 or uint16 RGB, full range, upright."""
    source: dict[str, Any] = {"src_colorspace": "ITU709"} if needs_709(picture) else {}
    rgb: NDArray[Any] = picture.to_ndarray(format="rgb48le" if look.deep else "rgb24", **source)
    if look.deep and look.filled < 16:
        _fill(rgb, look.filled)
    if look.mirrored:
        rgb = rgb[:, ::-1]
    return np.ascontiguousarray(np.rot90(rgb, look.turns)) if look.turns or look.mirrored else rgb


def _filled(picture: av.VideoFrame) -> int:
    """Return how many upper bits of a 16-bit value FFmpeg fills when it converts a deep picture to RGB."""
    bits: int = max(p.bits for p in picture.format.components)
    if picture.format.is_rgb:
        return 16
    whole = picture.color_range == FULL_RANGE or len(picture.format.components) < 3
    return bits if whole else 8


def _fill(rgb: NDArray[Any], filled: int) -> None:
    """Bring white to 65535, in place: FFmpeg leaves it at 255 * 256, in full range at the shifted code."""
    for top in range(0, len(rgb), STRIP):
        strip = rgb[top : top + STRIP]
        np.minimum(strip, (1 << 16) - (1 << (16 - filled)), out=strip)
        strip += strip >> filled
