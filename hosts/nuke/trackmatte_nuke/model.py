"""The boundary between a Trackmatte node in Nuke and everything that knows no Nuke.

Frames are the source's own numbers here, as the engine has them; ``Clip.offset`` makes timeline frames of
them. Positions are in [0, 1] of the plate from the top left, y down. Paths are absolute, with ``/``.
The node's side converts at its edge. Everything in a `Node` but `on_main_thread` and `alive` is called on
Nuke's main thread only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol
else:
    Protocol = object  # Nuke 13 has Python 3.7, whose typing lacks it

DEFAULT_OBJECT = "subject"


class NodeError(Exception):
    """The node cannot say what was asked; the message is one sentence for the artist."""


@dataclass(frozen=True)
class Clip:
    """The plate that a node works on."""

    path: str
    """Movie, or pattern of an image sequence with ``#`` for digits."""
    first: int
    """First frame of the source, by its own numbers; a movie's is 0."""
    last: int
    """Last frame, inclusive."""
    offset: int = 0
    """What must be added to a source number to get the timeline's frame; 1 for a movie as Nuke counts."""
    notes: tuple[str, ...] = ()
    """What is odd about it, in sentences: a proxy, a retime that is not followed, a rendered input."""
    rate: str = ""
    """Frames per second by which the host reads a movie, such as ``24000/1001``; empty = not known."""
    count: int = 0
    """Frames that the host counts in a movie; 0 = not known."""

    def timeline(self, frame: int) -> int:
        """Return the timeline's frame of a source number."""
        return frame + self.offset

    def source(self, frame: int) -> int:
        """Return the source number of a frame of the timeline."""
        return frame - self.offset


@dataclass(frozen=True)
class Point:
    """One click."""

    key: str
    """What the node calls it; stays while the point lives."""
    object: str
    frame: int
    x: float
    y: float
    subject: bool = True
    """False = background."""


@dataclass(frozen=True)
class Box:
    """A box around an object; one per object and frame."""

    key: str
    object: str
    frame: int
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Settings:
    """What the artist chose on the node."""

    tracker: str = "auto"
    refiner: str = "auto"
    preset: str = "matte"
    """What is delivered: ``matte``, ``cutout`` or another preset of the engine."""
    engine: str = ""
    """Python or program of the engine; empty = the installed one."""
    shot: str = ""
    """The node's shot file; empty = none yet."""
    folder: str = ""
    """Where new shots go: a folder ``trackmatte`` is made in it."""


@dataclass(frozen=True)
class NodeState:
    """Everything a node tells, at one moment."""

    name: str
    """For people: the node's full name."""
    clip: Clip | None
    """None = nothing usable is connected; `problem` says why."""
    problem: str = ""
    """One sentence when there is no clip, else empty."""
    objects: tuple[str, ...] = (DEFAULT_OBJECT,)
    """At least one, without doubles; they may have no points yet."""
    selected: str = DEFAULT_OBJECT
    """The object that new points go to; one of `objects`."""
    points: tuple[Point, ...] = ()
    """In the order in which they were set."""
    boxes: tuple[Box, ...] = ()
    range: tuple[int, int] | None = None
    """In and out, inclusive; None = the whole clip."""
    frame: int = 0
    """Where the artist is."""
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True)
class Result:
    """A delivered sequence or movie."""

    preset: str
    objects: tuple[str, ...]
    target: str
    """The file, or the pattern of files with ``#`` for digits."""
    padding: int
    spans: tuple[tuple[int, int], ...]
    """The frames that there are: inclusive pairs of source numbers, ascending."""
    shot: str
    """The shot file they were made from."""

    @property
    def first(self) -> int:
        """The first delivered frame."""
        return self.spans[0][0]

    @property
    def last(self) -> int:
        """The last delivered frame."""
        return self.spans[-1][1]


class Node(Protocol):
    """What panel and work may ask of a Trackmatte node; equal, with equal hashes, for the same node."""

    def alive(self) -> bool:
        """Whether the node is still in the script; may be called from any thread, and never raises."""
        ...

    def read(self) -> NodeState:
        """Return what the node says now; quick, renders nothing."""
        ...

    def ready(self) -> NodeState:
        """Return the same for a pass that begins: where no Read is upstream, render the input first.

        Raises
        ------
        NodeError : there is nothing to work on, or the artist stopped the rendering.
        """
        ...

    def set_point(self, point: Point) -> None:
        """Change the point of that key; an empty key makes a new point."""
        ...

    def remove_point(self, key: str) -> None:
        """Take a point or a box away."""
        ...

    def select_object(self, name: str) -> None:
        """Let new points go to this object."""
        ...

    def set_settings(self, settings: Settings) -> None:
        """Keep these settings with the node; those that are as before are not touched."""
        ...

    def say(self, text: str) -> None:
        """Show a line on the node; empty = none."""
        ...

    def go_to(self, frame: int) -> None:
        """Move the timeline to a source number."""
        ...

    def deliver(self, results: tuple[Result, ...]) -> list[str]:
        """Bring delivered sequences into the script; return lines for the artist."""
        ...

    def on_main_thread(self, function: Callable[[], None]) -> None:
        """Call ``function`` soon on the main thread and return at once; what it raises is lost."""
        ...
