"""From a Trackmatte node upstream to the file on disk, and from the timeline to the file's own numbers.

What only changes colour is walked through and reported: the engine works on the file. What moves time by a
whole number of frames is followed. At anything else the walk ends, and the input is rendered instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import nuke

from .model import Clip, NodeError

MOVIES = (".mov", ".mp4", ".m4v", ".mkv", ".avi", ".webm", ".mxf", ".mpg", ".mpeg")
SILENT = ("Dot", "NoOp", "FrameRange", "PostageStamp")
COLOUR = (
    "Grade", "ColorCorrect", "Colorspace", "OCIOColorSpace", "OCIODisplay", "OCIOFileTransform",
    "OCIOLogConvert", "OCIOCDLTransform", "Log2Lin", "Gamma", "Multiply", "Add", "EXPTool", "Saturation",
    "Clamp", "HueCorrect", "HueShift", "ColorLookup", "Vectorfield", "Denoise2", "Invert", "Premult",
    "Unpremult", "Remove", "AddChannels", "ColorMatrix", "Histogram", "SoftClip", "Toe2", "Crosstalk",
)  # fmt: skip
"""What leaves every pixel at its place."""
_PRINTF = re.compile(r"%0?(\d*)d")
_SHIFT = re.compile(r"^\s*frame\s*(?:([+-])\s*(\d+))?\s*$")


@dataclass(frozen=True)
class Source:
    """The file under a node."""

    read: Any
    """The Read."""
    clip: Clip
    width: int
    """Pixels of the full picture."""
    height: int
    trimmed: bool
    """Whether the Read shows less than the file has."""


class NotFollowed(NodeError):  # noqa: N818
    """There is no Read upstream that can be followed; the message names what is in the way."""


def find(node: Any) -> Source:
    """Return the file that a node's input shows.

    Raises
    ------
    NotFollowed : it must be rendered; says why.
    NodeError : there is nothing, or nothing that a clip could be.
    """
    at, shift, notes = node.input(0), 0, []
    if at is None:
        raise NodeError(f"nothing is connected to {node.name()}: connect the plate")
    while at.Class() != "Read":
        kind = at.Class()
        if not _off(at):
            if kind == "TimeOffset":
                shift += _offset(at)
                notes.append(f"{at.name()} moves time by {_offset(at)} frames: followed")
            elif kind in COLOUR:
                notes.append(f"{at.name()} is not seen by the engine, which works on the file")
            elif kind not in SILENT:
                raise NotFollowed(f"{at.name()} ({kind}) is between the plate and {node.name()}")
        below = at.input(0)
        if below is None:
            raise NotFollowed(f"{node.name()} has no Read upstream")
        at = below
    return _source(at, shift, notes)


def picture(node: Any) -> tuple[int, int]:
    """Return the size in pixels that positions on a node count in."""
    try:
        found = find(node)
        return found.width, found.height
    except NodeError:
        form = node.format()
        return max(int(form.width()), 1), max(int(form.height()), 1)


def pattern(path: str) -> str:
    """Return a path with ``#`` for digits, as the engine takes it, from ``%04d`` or ``####``."""
    folder, slash, name = path.replace("\\", "/").rpartition("/")
    name = _PRINTF.sub(lambda m: "#" * int(m.group(1) or 1), name)
    return folder + slash + name


def _source(read: Any, shift: int, notes: list[str]) -> Source:
    if _off(read):
        raise NodeError(f"{read.name()} is disabled: enable it")
    path = pattern(str(read["file"].getEvaluatedValue() or ""))
    if not path:
        raise NodeError(f"{read.name()} has no file")
    if "%" in path:
        raise NotFollowed(f"{read.name()} reads a file per view ({path})")
    movie = path.lower().endswith(MOVIES)
    if not movie and "#" not in path.rpartition("/")[2]:
        raise NodeError(f"{read.name()} reads a still ({path}): a clip is needed")
    first, last = int(read["first"].value()), int(read["last"].value())
    # Nuke counts a movie's frames from 1, the engine from 0.
    zero = 1 if movie else 0
    offset = shift + timeline_offset(read) + zero
    if nuke.root()["proxy"].value():
        notes.append("proxy mode is on: the engine works on the full file")
    form = read.format()
    clip = Clip(path, first - zero, last - zero, offset, tuple(notes))
    whole = (int(read["origfirst"].value()), int(read["origlast"].value()))
    trimmed = bool(read["origset"].value()) and whole != (first, last)
    return Source(read, clip, max(int(form.width()), 1), max(int(form.height()), 1), trimmed)


def timeline_offset(read: Any) -> int:
    """Return what must be added to the number in a file's name to get the timeline's frame.

    Raises
    ------
    NotFollowed : the Read's timing is no plain shift, or Nuke itself counts differently.
    """
    mode, text = str(read["frame_mode"].value()), str(read["frame"].value()).strip()
    first = int(read["first"].value())
    found = 0
    if text:
        number = re.match(r"^[+-]?\d+$", text)
        shift = _SHIFT.match(text)
        if mode == "start at" and number:
            found = int(text) - first
        elif mode == "offset" and number:
            found = int(text)
        elif mode == "expression" and shift:
            found = -int((shift.group(1) or "+") + (shift.group(2) or "0"))
        else:
            raise NotFollowed(f"{read.name()} has the timing {text!r} ({mode})")
    # Nuke's own word for where the clip begins on the timeline: the two must agree before frames are trusted.
    if int(read.firstFrame()) != first + found:
        raise NotFollowed(
            f"{read.name()} begins on frame {int(read.firstFrame())} of the timeline, "
            f"and its knobs say {first + found}"
        )
    return found


def _offset(node: Any) -> int:
    """Return the frames that a TimeOffset moves its input by."""
    knob = node["time_offset"]
    value = float(knob.value())
    reverse = node.knob("reverse_input")
    if knob.isAnimated() or value != round(value) or (reverse is not None and reverse.value()):
        raise NotFollowed(f"{node.name()} is animated, broken or reversed")
    return int(value)


def _off(node: Any) -> bool:
    knob = node.knob("disable")
    return knob is not None and bool(knob.value())
