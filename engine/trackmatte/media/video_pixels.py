"""From a movie's decoded pictures to RGB as it is meant to be seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

UNTAGGED = 2
"""AVCOL_SPC_UNSPECIFIED"""
FULL = 2
"""AVCOL_RANGE_JPEG"""
HDR = {16: "PQ", 18: "HLG"}


@dataclass(frozen=True)
class Look:
    """How the pictures of one movie become RGB."""

    stored: tuple[int, int]
    """(width, height) in the file."""
    deep: bool
    """More than 8 bits per channel."""
    turns: int
    """Quarter turns counter-clockwise that show the picture upright."""
    mirrored: bool
    """Flipped left to right before it is turned."""
    bytes: int
    """Size of one decoded picture in memory."""
    notes: tuple[str, ...]
    white: int = 65535
    """What full white comes out of FFmpeg's 16-bit conversion as."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) as shown."""
        w, h = self.stored
        return (h, w) if self.turns % 2 else (w, h)


def look_of(picture: av.VideoFrame, aspect: Fraction | None, *, alpha: bool = False) -> Look:
    """Read from the first picture how to show the movie, and what the user should know about it."""
    turns, mirrored = orientation(picture)
    parts = picture.format.components
    notes = []
    if needs_709(picture):
        notes.append("The movie does not say which colour matrix it uses: at its size it is read as Rec.709.")
    if picture.color_trc in HDR:
        notes.append(f"The movie is HDR ({HDR[picture.color_trc]}): its code values are used as they are.")
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
    white = _white(picture) if deep else 65535
    return Look((picture.width, picture.height), deep, turns, mirrored, size, tuple(notes), white)


def _white(picture: av.VideoFrame) -> int:
    """Convert a white picture of the same kind and return what comes out.

    FFmpeg's conversions of deep pictures to 16 bits leave white short: limited range at 65283, ten bits of
    full range at 65472 (FFmpeg 8.1).
    """
    parts = picture.format.components
    probe = av.VideoFrame(16, 16, picture.format.name)
    probe.color_range, probe.colorspace = picture.color_range, picture.colorspace
    full = picture.format.is_rgb or len(parts) < 3 or picture.color_range == FULL
    if any(part.bits > 16 for part in parts) or len(probe.planes) != len(parts):
        return 65535  # floating, or packed: those come out exactly
    unit, kind = 1 << parts[0].bits - 8, ">u2" if picture.format.is_big_endian else "<u2"
    white = 256 * unit - 1 if full else 235 * unit
    chroma = white if picture.format.is_rgb else 128 * unit
    for plane, code in zip(probe.planes, (white, chroma, chroma, white), strict=False):
        plane.update(np.full(plane.buffer_size // 2, code, kind).tobytes())
    return int(probe.to_ndarray(format="rgb48le")[8, 8].min()) or 65535


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
    if look.white != 65535:
        rgb = cv2.multiply(rgb, (65535 / look.white,) * 4)  # rounds and saturates
    if look.mirrored:
        rgb = rgb[:, ::-1]
    return np.ascontiguousarray(np.rot90(rgb, look.turns)) if look.turns or look.mirrored else rgb
