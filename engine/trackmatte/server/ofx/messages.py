"""What plugin and engine say to each other; docs/protocol-ofx.md has it in words."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

PROTOCOL = 1
MOST = 1 << 53
"""Magnitude of the largest integer."""
Whole = Annotated[int, Meta(ge=-MOST, le=MOST)]
Name = Annotated[str, Meta(max_length=100)]
Side = Annotated[int, Meta(ge=1, le=32768)]
Hash = Annotated[str, Meta(pattern=r"^([0-9a-f]{16})?$")]
Session = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
Depth = Literal["byte", "short", "half", "float"]
Colour = Literal["auto", "display", "linear"]


class Kind(IntEnum):
    """Types of messages."""

    HELLO = 1
    ERROR = 2
    OK = 3
    SLOTS = 4
    OPEN = 5
    PROMPTS = 6
    FRAME = 7
    TRACK = 8
    REFINE = 9
    PROGRESS = 10
    DONE = 11
    CANCEL = 12
    MATTE = 13
    STATUS = 14
    BYE = 15


class Hello(msgspec.Struct):
    """Who the plugin is."""

    protocol: Whole
    plugin: Name = ""
    host: Name = ""
    pid: Whole = 0


class Slots(msgspec.Struct):
    """The shared memory that comes with it, or that has this name."""

    size: Annotated[int, Meta(ge=1, le=1 << 31)]
    """Bytes."""
    name: Annotated[str, Meta(pattern=r"^([0-9a-f]{32})?$")] = ""


class Pixels(msgspec.Struct):
    """Where a picture lies in the shared memory."""

    offset: Annotated[int, Meta(ge=0, le=1 << 31, multiple_of=16)]
    w: Side
    h: Side
    stride: Annotated[int, Meta(ge=1, le=1 << 31)]
    depth: Depth
    comps: Literal[1, 3, 4]
    premult: bool = False


class Open(msgspec.Struct):
    """What a session is about."""

    session: Session
    mode: Literal["push", "media"]
    path: Annotated[str, Meta(max_length=32768)] = ""
    colour: Colour = "auto"
    tracker: Name = ""
    refiner: Name = ""


class SaidPoint(msgspec.Struct):
    """One click."""

    frame: Whole
    x: float
    y: float
    label: Literal[0, 1] = 1
    object: Name = "subject"


class SaidBox(msgspec.Struct):
    """One rectangle."""

    frame: Whole
    x0: float
    y0: float
    x1: float
    y1: float
    object: Name = "subject"


class Said(msgspec.Struct):
    """All prompts of a session."""

    version: Literal[1] = 1
    points: Annotated[list[SaidPoint], Meta(max_length=1000)] = []
    boxes: Annotated[list[SaidBox], Meta(max_length=100)] = []


class Prompts(msgspec.Struct):
    """The prompts that count from now on."""

    session: Session
    prompts: Said


class FrameSent(msgspec.Struct):
    """One frame of the source."""

    session: Session
    key: Whole
    pixels: Pixels
    hash: Hash = ""


class Track(msgspec.Struct, rename={"first": "from", "last": "to"}):
    """A pass of the tracker."""

    session: Session
    first: Whole
    last: Whole
    dir: Literal["forward", "backward", "both"] = "both"


class Refine(msgspec.Struct, rename={"first": "from", "last": "to"}):
    """A pass of the refiner."""

    session: Session
    first: Whole
    last: Whole


class Matte(msgspec.Struct):
    """Where a matte is to be put."""

    session: Session
    key: Whole
    pixels: Pixels
    hash: Hash = ""


class About(msgspec.Struct):
    """A session's name alone."""

    session: Session


class Nothing(msgspec.Struct):
    """A message that says nothing more than its type."""


class Hi(msgspec.Struct):
    """Who the engine is."""

    protocol: int
    engine: str
    pid: int


class Error(msgspec.Struct):
    """Why a request was not done."""

    code: str
    message: str


class Known(msgspec.Struct):
    """Whether a frame's pixels were there already."""

    known: bool


class Progress(msgspec.Struct):
    """One more frame is finished."""

    stage: Literal["track", "matte"]
    done: int
    of: int
    frame: int
    note: str = ""


class Done(msgspec.Struct):
    """A pass is over."""

    frames: int
    doubtful: list[int]
    note: str = ""


class Put(msgspec.Struct):
    """What became of a matte that was asked for."""

    state: Literal["hit", "miss", "busy", "error"]
    stale: bool = False
    note: str = ""


class Status(msgspec.Struct):
    """Where a session stands."""

    state: Literal["empty", "prompted", "tracked", "matted"]
    tracked: int
    matted: int
    stale: int
    first: int
    last: int
    rate: float
    note: str


ASKED: dict[Kind, type[msgspec.Struct]] = {
    Kind.HELLO: Hello,
    Kind.SLOTS: Slots,
    Kind.OPEN: Open,
    Kind.PROMPTS: Prompts,
    Kind.FRAME: FrameSent,
    Kind.TRACK: Track,
    Kind.REFINE: Refine,
    Kind.CANCEL: Nothing,
    Kind.MATTE: Matte,
    Kind.STATUS: About,
    Kind.BYE: Nothing,
}
"""What the plugin may send."""
