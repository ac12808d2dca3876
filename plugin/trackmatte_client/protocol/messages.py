"""What is said between the engine and its clients; every message is a frozen dataclass.

On the wire a message is a JSON object with the fields' names; a field with a default may be left out.
Frames go by the source's own numbers. Positions are in [0, 1] of the picture from the top left, y down.
Spans are inclusive ``[first, last]`` pairs of frame numbers. Paths are absolute.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Tuple

from .compat import Literal
from .prompts import (
    AddPrompt,
    MakeLayers,
    PickLayers,
    Preview,
    Prompt,
    PutPrompt,
    RemovePrompt,
    Said,
    Scribble,
    Selected,
    Selector,
)

__all__ = [
    "AddPrompt", "Capabilities", "Choice", "ClipFacts", "CreateShot", "Done", "Edit", "EditObject",
    "Error", "ExportFrames", "ExportPlan", "Hello", "JobList", "JobState", "JobStatus", "LockFrames",
    "MakeLayers", "MatteFrames", "NextPlace", "ObjectState", "OpenShot", "Part", "PickLayers", "Place",
    "Places", "PlannedPart", "Preview", "Prompt", "Prompted", "PutPrompt", "RemovePrompt", "Said",
    "Scribble", "Selected", "Selector", "SetMethods", "SetRange", "ShotList", "ShotState", "Span",
    "Spans", "TrackFrames",
]  # fmt: skip

Span = Tuple[int, int]
Spans = Tuple[Span, ...]


@dataclass(frozen=True)
class Error:
    """Why a request or a job failed."""

    code: str
    """One of the codes in the table of errors."""
    message: str
    """One sentence for people: what is wrong and the way out; the very one the command line prints."""
    exit_code: int = 1
    """What the command line would have exited with."""
    shot: ShotState | None = None
    """With ``stale``: the shot as it is now."""


@dataclass(frozen=True)
class Hello:
    """Who answers; this message is the same in every version of the protocol."""

    protocol: int
    """Version of the protocol; the same number means that engine and client understand each other."""
    engine: str
    pid: int


@dataclass(frozen=True)
class Done:
    """It is done and there is nothing to say."""


@dataclass(frozen=True)
class Part:
    """A tracker or refiner; ``why`` says what is missing."""

    name: str
    available: bool
    """Whether it can run here."""
    why: str = ""


@dataclass(frozen=True)
class Choice:
    """One of several things to choose from, with a line for people."""

    name: str
    what: str


@dataclass(frozen=True)
class Capabilities:
    """What this engine can do."""

    trackers: tuple[Part, ...]
    refiners: tuple[Part, ...]
    tracker: str
    """What ``auto`` takes."""
    tracker_why: str
    refiner: str
    refiner_why: str
    presets: tuple[Choice, ...]
    formats: tuple[str, ...]
    selectors: tuple[Selector, ...] = ()


@dataclass(frozen=True)
class CreateShot:
    """Make a shot, ``NAME.shot.json``, for a clip and open it."""

    path: str
    clip: str
    """Movie, folder with one image sequence, or pattern."""
    tracker: str = "auto"
    refiner: str = "auto"
    tracker_settings: dict[str, Any] = field(default_factory=dict)
    refiner_settings: dict[str, Any] = field(default_factory=dict)
    range: Span | None = None
    """In and out; the whole clip unless given."""
    exclusive: bool = False
    """A pixel belongs to one object only."""
    steady: float = 0.0
    """How much of the mattes' flicker is taken off, in [0, 1]."""
    on_error: Literal["stop", "skip"] = "stop"
    grid: str | None = None
    """Constant rate, such as ``25`` or ``24000/1001``, at which the host shows a movie: frame k of the shot
    is the host's frame k. One whose stored frames are those is read as it is stored. None = stored frames."""
    select: str = "auto"
    """Selector that makes masks of the prompts that name none; auto = the tracker's own way."""
    input_colorspace: str | None = None
    """What the plate's code values mean; None = as its tags say."""


@dataclass(frozen=True)
class OpenShot:
    """Open a shot file."""

    path: str
    grid: str | None = None
    """As in `CreateShot`; a shot that counts its frames otherwise is refused. None = any."""


@dataclass(frozen=True)
class ClipFacts:
    """The clip of a shot."""

    path: str
    width: int
    """Pixels, after the clip's own rotation."""
    height: int
    rate: tuple[int, int]
    """Frames per second as numerator and denominator."""
    first: int
    last: int
    length: int
    missing: Spans = ()
    """Numbers between first and last that the clip lacks."""
    padding: int = 4
    """Digits of its frame numbers."""
    timecode: str | None = None
    """SMPTE label of the first frame, if the clip has one."""
    notes: tuple[str, ...] = ()
    """What is odd about it, in sentences for people."""


@dataclass(frozen=True)
class ObjectState:
    """Where one object stands between in and out."""

    object: str
    prompted: Spans
    tracked: Spans
    """Masks that are up to date or locked."""
    stale: Spans
    """Masks made from other prompts or settings than the present ones."""
    matted: Spans
    """Mattes that are up to date or locked."""
    locked: Spans
    lost: Spans
    """Tracked frames on which the subject was not found."""


@dataclass(frozen=True)
class ShotState:
    """A shot as it is now."""

    shot: str
    """What the shot is called in routes."""
    path: str
    revision: int
    """Changes with every edit; an edit names the one it was made on."""
    clip: ClipFacts
    tracker: str
    tracker_settings: dict[str, Any]
    refiner: str
    refiner_settings: dict[str, Any]
    range: Span
    exclusive: bool
    steady: float
    objects: tuple[ObjectState, ...]
    prompts: tuple[Said, ...]
    can_undo: bool
    can_redo: bool
    jobs: tuple[str, ...] = ()
    """Its jobs that wait or run."""
    select: str = "auto"


@dataclass(frozen=True)
class ShotList:
    """The shots that are open."""

    shots: tuple[str, ...]
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Edit:
    """An edit that needs no more words, such as undo."""

    revision: int


@dataclass(frozen=True)
class EditObject:
    """An edit of one object."""

    revision: int
    object: str


@dataclass(frozen=True)
class LockFrames:
    """Freeze or free an object's frames."""

    revision: int
    object: str
    frames: Span


@dataclass(frozen=True)
class SetRange:
    """Set in and out; None = the whole clip."""

    revision: int
    range: Span | None


@dataclass(frozen=True)
class SetMethods:
    """Change what computes; what was left out stays."""

    revision: int
    select: str | None = None
    """Selector of the prompts that name none."""
    refiner: str | None = None
    refiner_settings: dict[str, Any] = field(default_factory=dict)
    """Of that refiner."""


@dataclass(frozen=True)
class Prompted:
    """The shot after a prompt, and what the prompt selects."""

    shot: ShotState
    selected: Selected


@dataclass(frozen=True)
class TrackFrames:
    """Compute the masks that are missing or stale."""

    range: Span | None = None
    """Frames to work on; in to out unless given."""
    direction: Literal["both", "forward", "backward"] = "both"
    fresh: bool = False
    """Up-to-date masks as well, but no locked ones."""


@dataclass(frozen=True)
class MatteFrames:
    """Refine masks into mattes where they are missing or stale."""


@dataclass(frozen=True)
class ExportFrames:
    """Deliver the frames between in and out."""

    folder: str
    preset: str = "matte"
    format: str = "exr"
    depth: Literal["half", "float"] = "half"
    compression: str = "zip"
    tight: bool = False
    """EXR data windows hold only what is not empty."""
    alpha: Literal["straight", "premultiplied"] | None = None
    """Colours of a cut-out; None = premultiplied in EXR, else straight."""
    foreground: Literal["estimate", "fast", "plate"] = "estimate"
    space: Literal["linear", "source"] = "linear"
    audio: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class PlannedPart:
    """A sequence or movie that an export would write."""

    objects: tuple[str, ...]
    target: str
    """The file, or the pattern of files with ``#`` for digits."""
    first: str
    """The file, or the first of them."""
    frames: Spans
    exist: int
    """How many of its files are there already."""


@dataclass(frozen=True)
class ExportPlan:
    """What an export would write."""

    parts: tuple[PlannedPart, ...]


JobStatus = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class JobState:
    """A job as it is now."""

    job: str
    shot: str
    kind: Literal["track", "matte", "export", "layers"]
    status: JobStatus
    seq: int
    """Number of its newest event."""
    error: Error | None = None


@dataclass(frozen=True)
class JobList:
    """The jobs that wait or run, and the last of those that ended; oldest first."""

    jobs: tuple[JobState, ...]


@dataclass(frozen=True)
class Place:
    """Neighbouring frames on which a track is in doubt."""

    object: str
    frame: int
    """The most doubtful of them."""
    first: int
    last: int
    doubt: float
    """In [0, 1]."""
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Places:
    """The places that need the artist, most doubtful first."""

    places: tuple[Place, ...]


@dataclass(frozen=True)
class NextPlace:
    """The first doubtful place after a frame, or none."""

    place: Place | None
