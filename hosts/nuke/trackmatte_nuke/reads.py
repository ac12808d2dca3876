"""From a Trackmatte node upstream to the file on disk, and from the timeline to the file's own numbers.

What only changes colour is walked through and reported: the engine works on the file. What moves time by a
whole number of frames is followed. At anything else the walk ends, and the input is rendered instead.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import nuke

from . import knobs, making
from .model import Clip, NodeError

MOVIES = (".mov", ".mp4", ".m4v", ".mkv", ".avi", ".webm", ".mxf", ".mpg", ".mpeg")
SILENT = ("Dot", "NoOp", "PostageStamp")
COLOUR = (
    "Grade", "ColorCorrect", "Colorspace", "OCIOColorSpace", "OCIODisplay", "OCIOFileTransform",
    "OCIOLogConvert", "OCIOCDLTransform", "Log2Lin", "Gamma", "Multiply", "Add", "EXPTool", "Saturation",
    "Clamp", "HueCorrect", "HueShift", "ColorLookup", "Vectorfield", "Denoise2", "Invert", "Premult",
    "Unpremult", "Remove", "AddChannels", "ColorMatrix", "Histogram", "SoftClip", "Toe2", "Crosstalk",
)  # fmt: skip
"""What leaves every pixel at its place."""
_PRINTF = re.compile(r"%0?(\d*)d")
_ABSOLUTE = re.compile(r"^(/|[A-Za-z]:/)")
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
    shown: tuple[int, int] | None
    """Source numbers that a Read or FrameRange shows, where that is less than the file has."""


class NotFollowed(NodeError):  # noqa: N818
    """There is no Read upstream that can be followed; the message names what is in the way."""


def find(node: Any) -> Source:
    """Return the file that a node's input shows.

    Raises
    ------
    NotFollowed : it must be rendered; says why.
    NodeError : there is nothing, or nothing that a clip could be.
    """
    at = node.input(0)
    if at is None:
        raise NodeError(f"nothing is connected to {node.name()}: connect the plate")
    way = _Way()
    while at.Class() != "Read":
        below = at.input(0)
        if below is None:
            raise NotFollowed(f"{node.name()} has no Read upstream")
        if not _off(at) and not way.passes(at, below):
            raise NotFollowed(f"{at.name()} ({at.Class()}) is between the plate and {node.name()}")
        at = below
    return _source(at, way)


class _Way:
    """What lies between a Read and the node that asks."""

    def __init__(self) -> None:
        self.shift = 0
        """Frames by which TimeOffsets move the clip."""
        self.limit: tuple[int, int] | None = None
        """Frames of the timeline that FrameRanges let through."""
        self.notes: list[str] = []

    def passes(self, at: Any, below: Any) -> bool:
        """Take a node in; return whether the file can still be used for what it shows."""
        kind = at.Class()
        if kind == "TimeOffset":
            moved = _offset(at, below)
            self.shift += moved
            self.notes.append(f"{at.name()} moves time by {moved} frames: followed")
        elif kind == "FrameRange":
            first, last = (int(at[name].value()) + self.shift for name in ("first_frame", "last_frame"))
            old = self.limit or (first, last)
            self.limit = max(first, old[0]), min(last, old[1])
            self.notes.append(f"{at.name()} sets in and out")
        elif kind in COLOUR:
            self.notes.append(f"{at.name()} is not seen by the engine, which works on the file")
        else:
            return kind in SILENT or _leaves_rgb(at)
        return True


def picture(node: Any) -> tuple[int, int]:
    """Return the size in pixels that positions on a node count in."""
    try:
        found = find(node)
        return found.width, found.height
    except NodeError:
        form = node.format()
        return max(int(form.width()), 1), max(int(form.height()), 1)


def plate(node: Any) -> str:
    """Return the file of the nearest Read upstream, whatever lies between; empty = there is none.

    Frame numbers and views in names of folders are left out with all below them.
    """
    waiting, seen = [node.input(0)], set()
    while waiting:
        at = waiting.pop(0)
        if at is None or at.fullName() in seen:
            continue
        seen.add(at.fullName())
        path = pattern(str(at["file"].getEvaluatedValue() or "")) if at.Class() == "Read" else ""
        if path:
            path = whole(path, str(at.name()))
            folder = re.split(r"/[^/]*(?:#|%[Vv]|%0?\d*d)[^/]*/", path)[0]
            return path if folder == path else f"{folder}/{path.rpartition('/')[2]}"
        waiting += [at.input(i) for i in range(at.inputs())]
    return ""


def pattern(path: str) -> str:
    """Return a path with ``#`` for digits, as the engine takes it, from ``%04d`` or ``####``."""
    folder, slash, name = path.replace("\\", "/").rpartition("/")
    name = _PRINTF.sub(lambda m: "#" * int(m.group(1) or 1), name)
    return folder + slash + name


def literal(path: str) -> str:
    """Return a path as a knob for files takes it: brackets would be expressions."""
    return re.sub(r"([\[\]])", r"\\\1", path)


def whole(path: str, whose: str) -> str:
    """Return an absolute path: a relative one lies in the project directory, as for Nuke.

    Raises
    ------
    NodeError : the project has none.
    """
    if _ABSOLUTE.match(path):
        return path
    project: Any = nuke.root()["project_directory"]
    base = str(project.evaluate() or "").replace("\\", "/")
    if not _ABSOLUTE.match(base):
        raise NodeError(
            f"{whose} has the relative path {path}: set the project directory in the project's settings"
        )
    return posixpath.normpath(f"{base}/{path}")


def _source(read: Any, way: _Way) -> Source:
    if _off(read):
        raise NodeError(f"{read.name()} is disabled: enable it")
    path = _path(read)
    movie = path.lower().endswith(MOVIES)
    first, last = int(read["first"].value()), int(read["last"].value())
    if not movie and "#" not in path.rpartition("/")[2]:
        if last > first:  # a camera's raw file, for instance: Nuke's own reader is the way
            raise NotFollowed(f"{read.name()} reads a file that the engine does not know as a clip ({path})")
        raise NodeError(f"{read.name()} reads a still ({path}): a clip is needed")
    # Nuke counts a movie's frames from 1, the engine from 0.
    zero = 1 if movie else 0
    offset = way.shift + timeline_offset(read) + zero
    notes, proxy = list(way.notes), bool(nuke.root()["proxy"].value())
    if proxy:
        notes.append("proxy mode is on: the engine works on the full file")
    form = read["format"].value() if proxy else read.format()
    known = (int(read["origfirst"].value()), int(read["origlast"].value()))
    counted = bool(read["origset"].value()) or known[1] > known[0]
    clip = Clip(
        path, first - zero, last - zero, offset, tuple(notes),
        rate=_rate(read) if movie else "",
        count=known[1] - known[0] + 1 if movie and counted else 0,
    )  # fmt: skip
    trimmed = bool(read["origset"].value()) and known != (first, last)
    shown = (clip.first, clip.last) if trimmed else None
    if way.limit is not None:
        shown = max(clip.first, clip.source(way.limit[0])), min(clip.last, clip.source(way.limit[1]))
        if shown[0] > shown[1]:
            raise NodeError(f"a FrameRange lets no frame of {read.name()} through")
    return Source(read, clip, max(int(form.width()), 1), max(int(form.height()), 1), shown)


def _path(read: Any) -> str:
    """Return the pattern of a Read's files."""
    path = pattern(str(read["file"].getEvaluatedValue() or ""))
    if not path:
        raise NodeError(f"{read.name()} has no file")
    if re.search("%[Vv]", path):
        raise NotFollowed(f"{read.name()} reads a file per view ({path})")
    folder = path.rpartition("/")[0]
    if "#" in folder or _PRINTF.search(folder):
        raise NotFollowed(f"{read.name()} has frame numbers in a folder's name ({path})")
    return whole(path, str(read.name()))


def _rate(read: Any) -> str:
    """Return the frames per second by which Nuke reads a movie, or nothing where it does not say."""
    try:
        value = float(read.metadata("input/frame_rate"))
    except (TypeError, ValueError):
        return ""
    return str(Fraction(value).limit_denominator(1001)) if 1 <= value <= 1000 else ""


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


def _offset(node: Any, below: Any) -> int:
    """Return the frames that a TimeOffset moves its input by."""
    knob = node["time_offset"]
    value = float(knob.value())
    reverse = node.knob("reverse_input")
    if knob.isAnimated() or value != round(value) or (reverse is not None and reverse.value()):
        raise NotFollowed(f"{node.name()} is animated, broken or reversed")
    moved = int(node.firstFrame()) - int(below.firstFrame())
    if moved != value:  # as with a Read, Nuke's own word counts
        raise NotFollowed(f"{node.name()} moves time by {moved} frames, and its knob says {int(value)}")
    return int(value)


def _leaves_rgb(node: Any) -> bool:
    """Whether it is a node of ours that hands the plate's colours on: Trackmatte, or the matte's Copy."""
    return knobs.is_ours(node) or (node.Class() == "Copy" and making.role_of(node)[1] == "alpha")


def _off(node: Any) -> bool:
    knob = node.knob("disable")
    return knob is not None and bool(knob.value())
