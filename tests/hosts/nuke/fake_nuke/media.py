"""What files say: sizes, channels and ranges, read with OpenImageIO and PyAV."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import OpenImageIO as oiio

from tests.hosts.nuke import evaluator

MOVIES = (".mov", ".mp4", ".mkv")
NAMES = {"R": "red", "G": "green", "B": "blue", "A": "alpha", "Y": "red"}


@dataclass(frozen=True)
class Format:
    """A size of pictures."""

    _width: int
    _height: int
    _aspect: float = 1.0

    def width(self) -> int:
        return self._width

    def height(self) -> int:
        return self._height

    def pixelAspect(self) -> float:
        return self._aspect

    def halved(self) -> Format:
        return Format(self._width // 2, self._height // 2, self._aspect)


def path_of(read: Any, number: int) -> Path:
    """Return the file of a number."""
    text = read["file"].getEvaluatedValue()
    text = re.sub(r"%0?(\d*)d", lambda m: str(number).zfill(int(m[1] or 1)), text)
    return Path(re.sub("#+", lambda m: str(number).zfill(len(m[0])), text))


def first_file(read: Any) -> Path:
    """Return a Read's first file."""
    return path_of(read, int(read["first"].value()))


def format_of(node: Any) -> Format:
    """Return a node's format: a Read's is its file's, others have their input's or the script's."""
    if node.kind.name == "Read" and first_file(node).is_file():
        found = first_file(node)
        if found.suffix.lower() in MOVIES:
            with av.open(str(found)) as movie:
                return Format(movie.streams.video[0].width, movie.streams.video[0].height)
        spec = oiio.ImageInput.open(str(found)).spec()
        return Format(spec.full_width, spec.full_height, spec.get_float_attribute("PixelAspectRatio", 1.0))
    below = next((w for w in node.wires if w is not None), None)
    return format_of(below) if below is not None else Format(640, 480)


def metadata_of(node: Any, key: str) -> Any:
    """Return a value of a node's metadata; a movie has the rate by which its frames are counted."""
    if node.kind.name == "Read" and key == "input/frame_rate":
        path = first_file(node)
        if path.suffix.lower() in MOVIES and path.is_file():
            return float(np.float32(evaluator.rate(path)))  # of 32 bits: what public scripts show
    return None


def span_of(node: Any) -> tuple[int, int]:
    """Return the frames of the timeline on which a node has pictures of its own.

    A Read's ``start at``, ``offset`` and expressions as in Foundry's guide ("Changing the Relation Between
    the Current Frame and the Frame Read In"); an offset of -100 moves the clip 100 frames back in time.
    """
    if node.kind.name == "Read":
        first, last = int(node["first"].value()), int(node["last"].value())
        shift = number_shift(node)
        return first - shift, last - shift
    if node.kind.name == "TimeOffset":
        moved = int(node["time_offset"].value())
        first, last = span_of(node.wires[0])
        return first + moved, last + moved
    if node.kind.name == "FrameRange":
        return int(node["first_frame"].value()), int(node["last_frame"].value())
    below = next((w for w in node.wires if w is not None), None)
    return span_of(below) if below is not None else (1, 1)


def number_shift(read: Any) -> int:
    """Return what is added to the timeline's frame to get the number of the file."""
    mode, text = read["frame_mode"].value(), read["frame"].value()
    if not text:
        return 0
    if mode == "start at":
        return int(read["first"].value()) - int(text)
    if mode == "offset":
        return -int(text)
    return int(eval(text, {"frame": 0}))  # an expression of tests


def channels_of(node: Any) -> list[str]:
    """Return a node's channels by Nuke's names."""
    if node.kind.name == "Read":
        found = first_file(node)
        if not found.is_file():
            return []
        if found.suffix.lower() != ".exr":
            return ["rgba.red", "rgba.green", "rgba.blue"]
        return [nuke_channel(n) for n in oiio.ImageInput.open(str(found)).spec().channelnames]
    names: list[str] = []
    for below in node.wires:
        names += [c for c in (channels_of(below) if below is not None else []) if c not in names]
    return names


def nuke_channel(name: str) -> str:
    """Return what Nuke calls a channel of an EXR: ``hero.A`` is ``hero.alpha``, ``R`` is ``rgba.red``."""
    layer, _, channel = name.rpartition(".")
    return f"{layer or 'rgba'}.{NAMES.get(channel, channel)}"
