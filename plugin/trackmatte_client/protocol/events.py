"""What a job tells while it runs: one JSON object a line, told apart by ``event``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from .compat import Literal
from .messages import Error, JobState, Spans


@dataclass(frozen=True)
class StateEvent:
    """The job is now queued, running, done, failed or cancelled; the last three end the stream."""

    seq: int
    job: JobState
    event: Literal["state"] = "state"


@dataclass(frozen=True)
class ProgressEvent:
    """One more frame is finished; of ``layers``, which take long, one more hundredth of a frame."""

    seq: int
    stage: str
    """``track``, ``refine``, ``steady``, ``export``, ``layers``."""
    frame: int
    """The frame just finished, or in hand."""
    done: int
    """Frames finished in this stage; of ``layers`` hundredths of frames."""
    of: int
    """What ``done`` will be in the end."""
    fps: float
    eta: float
    """Seconds to go at the present speed; 0 = not known."""
    note: str = ""
    """Something the artist should know about this frame."""
    event: Literal["progress"] = "progress"


@dataclass(frozen=True)
class NoteEvent:
    """Something that needs attention but stops nothing."""

    seq: int
    message: str
    event: Literal["note"] = "note"


@dataclass(frozen=True)
class ChangedEvent:
    """These masks are not what they were before the job."""

    seq: int
    object: str
    frames: Spans
    event: Literal["changed"] = "changed"


@dataclass(frozen=True)
class WrittenEvent:
    """A sequence or movie is delivered."""

    seq: int
    objects: tuple[str, ...]
    target: str
    """The file, or the pattern of files with ``#`` for digits."""
    frames: Spans
    padding: int
    event: Literal["written"] = "written"


@dataclass(frozen=True)
class ErrorEvent:
    """Why the job failed; its ``failed`` state follows."""

    seq: int
    error: Error
    event: Literal["error"] = "error"


@dataclass(frozen=True)
class Heartbeat:
    """Nothing happened for a while, but the engine is there; not part of the job's log."""

    event: Literal["heartbeat"] = "heartbeat"


Event = Union[StateEvent, ProgressEvent, NoteEvent, ChangedEvent, WrittenEvent, ErrorEvent, Heartbeat]

EVENTS: dict[str, type] = {
    "state": StateEvent,
    "progress": ProgressEvent,
    "note": NoteEvent,
    "changed": ChangedEvent,
    "written": WrittenEvent,
    "error": ErrorEvent,
    "heartbeat": Heartbeat,
}
