"""The shot file, ``name.shot.json``: what it holds and how it is read and written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from trackmatte.errors import ShotError
from trackmatte.files import write_bytes

FORMAT = "trackmatte-shot"
VERSION = 1
SUFFIX = ".shot.json"


class _Strict(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Unknown keys are refused: a typing slip in a hand-edited file must not pass silently."""


class SourceDoc(_Strict, omit_defaults=False):
    """The clip."""

    path: str
    """As given; relative paths are relative to the shot file's folder."""
    identity: str
    """What the clip was when the shot was made; a changed clip is refused."""
    width: int
    height: int
    first: int
    """First source frame number."""
    last: int
    """Last source frame number."""


class ScribbleDoc(_Strict):
    """One stroke."""

    points: list[tuple[float, float]]
    label: Literal[0, 1] = 1
    radius: float = 0.005
    mode: Literal["hint", "paint", "hair"] = "hint"


class PromptDoc(_Strict):
    """All prompts of one object on one frame."""

    frame: int
    object: str = "subject"
    points: list[tuple[float, float, Literal[0, 1]]] = []
    box: tuple[float, float, float, float] | None = None
    mask: str | None = None
    """Grey image; a relative path is relative to the shot file's folder."""
    scribbles: list[ScribbleDoc] = []
    select: str | None = None
    """Selector that makes a mask of it; absent = the shot's."""
    polygons: list[list[tuple[float, float]]] = []
    """Outlines whose vertices were moved, for the selector ``lazy``."""


class PartDoc(_Strict, omit_defaults=False):
    """A tracker or refiner and its settings."""

    name: str
    settings: dict[str, Any] = {}


class ShotDoc(_Strict):
    """The whole file."""

    format: Literal["trackmatte-shot"]
    version: int
    source: SourceDoc
    tracker: PartDoc
    refiner: PartDoc
    select: str = "auto"
    """Selector that makes masks of the prompts that name none; auto = the tracker's own way."""
    range: tuple[int, int] | None = None
    """In and out, inclusive source numbers; absent = the whole clip."""
    handles: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Frames worked on and delivered beyond in and out, at both sides, as far as the clip goes."""
    growing: bool = False
    """Whether the image sequence may grow and change: each mask then knows the frames it was made from."""
    grid: Annotated[str, msgspec.Meta(pattern=r"^[1-9]\d{0,5}(/[1-9]\d{0,5})?$")] | None = None
    """Constant frame rate, such as 24 or 24000/1001, at which a movie is read; absent = its stored frames."""
    between: Literal["blend", "forward"] | None = None
    """Frames between two prompts: both passes blended, or the forward pass alone; absent = its own way."""
    exclusive: bool = False
    """Whether a pixel belongs to one object only: the one whose mask is surest there."""
    steady: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """How much of the mattes' flicker is taken off, 0 = nothing, 1 = most."""
    input_colorspace: str | None = None
    """What the plate's code values mean, a name of the OpenColorIO config; absent = as its tags say."""
    on_error: Literal["stop", "skip"] = "stop"
    """What to do at a frame that cannot be decoded."""
    prompts: list[PromptDoc] = []
    locked: dict[str, list[tuple[int, int]]] = {}
    """Per object, inclusive ranges of frames that are never recomputed."""


def load(path: Path) -> ShotDoc:
    """Read a shot file.

    Raises
    ------
    ShotError : it is missing, not a shot file, from a newer version, or has an unknown or wrong key.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as e:
        raise ShotError(f"there is no shot file {path}; make one with: trackmatte shot new CLIP") from e
    except OSError as e:
        raise ShotError(f"cannot read the shot file {path}: {e.strerror or e}") from e
    try:
        raw = json.loads(data)
    except ValueError as e:
        raise ShotError(f"{path} is not valid JSON ({e}); correct it or restore a copy") from e
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise ShotError(f'{path} is not a shot file: "format" must be "{FORMAT}"')
    version = raw.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ShotError(f'{path}: "version" must be a whole number from 1')
    if version > VERSION:
        raise ShotError(
            f"{path} has version {version} but this Trackmatte reads up to {VERSION}; update Trackmatte"
        )
    try:
        return msgspec.convert(raw, ShotDoc)
    except msgspec.ValidationError as e:
        raise ShotError(f"{path}: {e}; docs/shot-file.md lists the keys") from e


def save(doc: ShotDoc, path: Path) -> None:
    """Write a shot file atomically, indented for the reader.

    Raises
    ------
    OutputError : it cannot be written; the old file is untouched.
    """
    write_bytes(path, msgspec.json.format(msgspec.json.encode(doc), indent=2) + b"\n")
