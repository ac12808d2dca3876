"""What is said between the engine and its clients; every message is a frozen dataclass.

On the wire a message is a JSON object with the fields' names; a field with a default may be left out.
Frames go by the source's own numbers. Positions are in [0, 1] of the picture from the top left, y down.
Spans are inclusive ``[first, last]`` pairs of frame numbers. Paths are absolute.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Span = tuple[int, int]
Spans = tuple[Span, ...]


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
class Scribble:
    """A brush stroke."""

    points: tuple[tuple[float, float], ...]
    label: Literal[0, 1] = 1
    """1 = subject, 0 = background."""
    radius: float = 0.005
    """As a part of the width."""
    mode: Literal["hint", "paint", "hair"] = "hint"
    """Seed of the selection; exactly this; or a wider band to matte."""


@dataclass(frozen=True)
class Prompt:
    """What is said about one object on one frame."""

    frame: int
    object: str = "subject"
    points: tuple[tuple[float, float, Literal[0, 1]], ...] = ()
    """x, y, and 1 for the subject or 0 for the background."""
    box: tuple[float, float, float, float] | None = None
    """Left, top, right, bottom."""
    scribbles: tuple[Scribble, ...] = ()
    mask: str | None = None
    """A grey PNG in base64, white = subject, of the clip's shape and at most its size."""


@dataclass(frozen=True)
class Said:
    """What was said about one object on one frame, as the shot file has it."""

    frame: int
    object: str
    points: tuple[tuple[float, float, Literal[0, 1]], ...] = ()
    box: tuple[float, float, float, float] | None = None
    scribbles: tuple[Scribble, ...] = ()
    mask: bool = False
    """Whether there is a mask as well: a given one, or the one that a click corrected."""


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


@dataclass(frozen=True)
class ShotList:
    """The shots that are open."""

    shots: tuple[str, ...]
    paths: tuple[str, ...]


@dataclass(frozen=True)
class PutPrompt:
    """Say this about an object on a frame, in place of what was said there."""

    revision: int
    prompt: Prompt
    keep_mask: bool = False
    """The mask that is part of what was said there stays."""


@dataclass(frozen=True)
class AddPrompt:
    """Say this too; on a frame that was tracked it corrects the mask seen there."""

    revision: int
    prompt: Prompt


@dataclass(frozen=True)
class RemovePrompt:
    """Take back what was said about an object on a frame."""

    revision: int
    frame: int
    object: str = "subject"


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
class Selected:
    """What a prompt selects."""

    object: str
    frame: int
    share: float
    """Part of the picture, in [0, 1]."""
    score: float
    """Confidence, in [0, 1]."""
    mask: str = ""
    """Of a preview: a grey PNG in base64."""


@dataclass(frozen=True)
class Prompted:
    """The shot after a prompt, and what the prompt selects."""

    shot: ShotState
    selected: Selected


@dataclass(frozen=True)
class Preview:
    """Show what a prompt would select, and keep nothing."""

    prompt: Prompt
    width: int = 480
    """Of the picture that comes back, pixels."""
    replace: bool = False
    """As `PutPrompt` would have it, not `AddPrompt`."""
    viewer: str = ""
    """Who asks: a newer request of the same viewer makes this one ``superseded``."""


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
    kind: Literal["track", "matte", "export"]
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
