"""One image file to RGB: channels by name, the full display window, straight colours."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from trackmatte.color import Colour
from trackmatte.media.colour_tags import image_colour
from trackmatte.media.label import Label

THREADS = 2
MOST_PIXELS = 1 << 28
"""16384 by 16384."""
STRIP = 64
"""Lines of an EXR that are read at a time: whole blocks in every compression but DWAB (256 lines)."""
TURNS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (1, True), 6: (3, False), 7: (3, True), 8: (1, False)}
"""EXIF orientation: (quarter turns counter-clockwise, mirrored first)."""


@dataclass(frozen=True, eq=False)
class Image:
    """A decoded image."""

    rgb: NDArray[Any]
    """(H, W, 3) uint8, uint16 or float32, the display window."""
    colour: Colour
    """What the tags say; without any, a guess by the sample type."""
    notes: tuple[str, ...]
    doubts: tuple[str, ...]
    """What the user should know of how ``colour`` was found."""
    aspect: Fraction = Fraction(1)
    """Width of a pixel over its height, as shown."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.rgb.shape[1], self.rgb.shape[0]


def bound_threads() -> None:
    """Keep OpenImageIO to a few threads, so that reading leaves the processor to the work on the frames."""
    for pool in ("threads", "exr_threads"):
        if oiio.get_int_attribute(pool) > THREADS:
            oiio.attribute(pool, THREADS)


def read_image(path: Path) -> Image:
    """Read an image file.

    Raises
    ------
    ValueError : the file is missing, damaged, or has no channels that make a picture; the text says which.
    """
    reader = _open(path)
    try:
        part, spec, channels = _picture_part(reader)
        rgb = _read_channels(reader, part, spec, channels)
    finally:
        reader.close()
    rgb = _display_window(rgb, spec)
    turns, mirrored = TURNS.get(spec.get_int_attribute("Orientation", 1), (0, False))
    if turns or mirrored:
        rgb = np.ascontiguousarray(np.rot90(rgb[:, ::-1] if mirrored else rgb, turns))
    aspect = _aspect(spec)
    colour, doubts = image_colour(spec, rgb.dtype)
    return Image(
        rgb,
        colour,
        _notes(spec, channels, turns, mirrored),
        tuple(doubts),
        1 / aspect if turns % 2 else aspect,
    )


def read_timing(path: Path) -> tuple[Fraction | None, Label]:
    """Return the frame rate (EXR framesPerSecond, DPX frame rate) and the timecode in an image's metadata."""
    reader = _open(path)
    try:
        spec = reader.spec()
        value = next(
            (
                spec.getattribute(key)
                for key in ("FramesPerSecond", "framesPerSecond", "dpx:FrameRate", "dpx:TVFrameRate")
                if spec.getattribute(key)
            ),
            None,
        )
        words = spec.getattribute("smpte:TimeCode")
    finally:
        reader.close()
    return _rate(value), (int(words[0]), int(words[1])) if words else None


def _rate(value: Any) -> Fraction | None:
    if isinstance(value, (tuple, list)) and len(value) == 2 and value[1]:
        rate = Fraction(int(value[0]), int(value[1]))
    elif isinstance(value, (int, float)) and np.isfinite(value):
        rate = Fraction(float(value)).limit_denominator(1001)
    else:
        return None
    return rate if 0 < rate <= 1000 else None


def _open(path: Path) -> oiio.ImageInput:
    hints = oiio.ImageSpec()
    hints.attribute("oiio:UnassociatedAlpha", 1)  # else straight colours come back multiplied by alpha
    if not path.is_file():
        raise ValueError("there is no such file")
    if not os.access(path, os.R_OK):
        raise ValueError("its access rights forbid it")
    if not path.stat().st_size:
        raise ValueError("it is empty")
    reader = oiio.ImageInput.open(str(path), hints)
    if reader is None:
        raise ValueError(_first_line(oiio.geterror()))
    return reader


def _first_line(text: str) -> str:
    return _readable((text.strip().splitlines() or ["damaged"])[0].rstrip("."))


def _readable(text: str) -> str:
    """Return text from a file, which may hold any bytes, so that every terminal can print it."""
    return "".join(c if c.isprintable() else "?" for c in text)[:200]


def _picture_part(reader: oiio.ImageInput) -> tuple[int, oiio.ImageSpec, list[int]]:
    """Find the first part of a file that holds a picture, and the channels it is in."""
    part = 0
    names: list[str] = []
    while reader.seek_subimage(part, 0):
        spec = reader.spec()
        channels = _channels(list(spec.channelnames))
        if channels:
            _check_size(spec)
            return part, spec, channels
        names += spec.channelnames
        part += 1
    reader.geterror()
    raise ValueError(f"no R, G, B or Y channels among {_readable(', '.join(names[:12]))}")


def _check_size(spec: oiio.ImageSpec) -> None:
    """Refuse a header that claims more pixels than a picture has, before memory is taken for them."""
    for w, h in ((spec.width, spec.height), (spec.full_width, spec.full_height)):
        if w * h > MOST_PIXELS:
            raise ValueError(f"its header claims {w}x{h} pixels")


def _channels(names: list[str]) -> list[int]:
    """Pick the three channels of the picture by name, or the one of a grey picture three times."""
    lower = [n.lower() for n in names]
    for rgb in (("r", "g", "b"), ("red", "green", "blue")):
        if all(c in lower for c in rgb):
            return [lower.index(c) for c in rgb]
    for name in lower:  # a layer such as beauty.R
        layer, dot, channel = name.rpartition(".")
        if dot and channel == "r" and all(f"{layer}.{c}" in lower for c in "gb"):
            return [lower.index(f"{layer}.{c}") for c in "rgb"]
    for grey in ("y", "i", "l", "luminance"):
        if grey in lower:
            return [lower.index(grey)] * 3
    return [0, 0, 0] if len(names) == 1 and lower[0] not in ("z", "depth") else []


def _read_channels(
    reader: oiio.ImageInput, part: int, spec: oiio.ImageSpec, channels: list[int]
) -> NDArray[Any]:
    low, high = min(channels), max(channels) + 1
    pixels = _stored(reader, part, spec, low, high)
    trouble = reader.geterror()
    if pixels is None or trouble:
        raise ValueError(_first_line(trouble))
    pixels = pixels.reshape(spec.height, spec.width, high - low)
    if [c - low for c in channels] == [0, 1, 2] and high - low == 3:
        return np.ascontiguousarray(pixels)
    return np.ascontiguousarray(pixels[:, :, [c - low for c in channels]])


def _stored(
    reader: oiio.ImageInput, part: int, spec: oiio.ImageSpec, low: int, high: int
) -> NDArray[Any] | None:
    """Read channels ``low`` to ``high`` (half open) as they are stored; None = the file is damaged.

    OpenEXR's go in strips into an array of numpy's: the kernel backs that with large pages, while the
    pages of OpenImageIO's own array cost a fifth of the time that a 4K frame takes.
    """
    kind = _sample_type(spec.format)
    if kind != "float" or spec.tile_width or reader.format_name() != "openexr":
        return reader.read_image(part, 0, low, high, kind)
    rows = 256 if spec.get_string_attribute("compression").startswith("dwab") else STRIP
    out = np.empty((spec.height, spec.width, high - low), np.float32)
    for top in range(0, spec.height, rows):
        bottom = min(top + rows, spec.height)
        strip = reader.read_scanlines(part, 0, spec.y + top, spec.y + bottom, spec.z, low, high, kind)
        if strip is None:
            return None
        out[top:bottom] = strip.reshape(bottom - top, spec.width, high - low)
    return out


def _sample_type(kind: oiio.TypeDesc) -> str:
    name = str(kind)
    if name in ("half", "float", "double"):
        return "float"
    return "uint8" if name in ("uint8", "int8") else "uint16"


def _display_window(rgb: NDArray[Any], spec: oiio.ImageSpec) -> NDArray[Any]:
    """Place the stored pixels in the full display window; black around them, overscan cut off."""
    w, h = spec.full_width, spec.full_height
    x, y = spec.x - spec.full_x, spec.y - spec.full_y
    if (x, y, spec.width, spec.height) == (0, 0, w, h) or w <= 0 or h <= 0:
        return rgb
    out = np.zeros((h, w, 3), rgb.dtype)
    left, top = max(0, x), max(0, y)
    right, bottom = min(w, x + spec.width), min(h, y + spec.height)
    if left < right and top < bottom:
        out[top:bottom, left:right] = rgb[top - y : bottom - y, left - x : right - x]
    return out


def _notes(spec: oiio.ImageSpec, channels: list[int], turns: int, mirrored: bool) -> tuple[str, ...]:
    notes = []
    if spec.alpha_channel >= 0 or any(n.lower() in ("a", "alpha") for n in spec.channelnames):
        notes.append("The images have an alpha channel: it is ignored.")
    chosen = [spec.channelnames[c] for c in channels]
    if "." in chosen[0]:
        notes.append(f"The picture is taken from the channels {_readable(', '.join(chosen))}.")
    if turns or mirrored:
        notes.append(
            "The images are turned upright as their orientation tag asks: some software ignores the tag."
        )
    if (aspect := _aspect(spec)) != 1:
        notes.append(
            f"The images' pixels are not square ({float(aspect):g}:1): mattes keep the stored pixel grid."
        )
    return tuple(notes)


def _aspect(spec: oiio.ImageSpec) -> Fraction:
    """Return a pixel's width over its height as stored; 1 where the file says nothing sensible."""
    stored = spec.get_float_attribute("PixelAspectRatio", 1.0)
    if abs(stored - 1) > 1e-3 and 0.01 <= stored <= 100:
        return Fraction(stored).limit_denominator(10_000)
    return Fraction(1)
