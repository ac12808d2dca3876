"""What is said about the subject on one frame, and what that selects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

from .compat import Literal

Polygon = Tuple[Tuple[float, float], ...]
"""x, y of its vertices."""


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
    select: str | None = None
    """Selector that makes a mask of it; None = the shot's."""
    polygons: tuple[Polygon, ...] = ()
    """Outlines, each a list of x, y, with vertices moved, of a selector that takes them; more marks drop
    them."""


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
    select: str | None = None
    polygons: tuple[Polygon, ...] = ()


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
class Selector:
    """One of the ways to make a mask of marks."""

    name: str
    title: str
    what: str
    """When to use it, in a line."""
    needs: Literal["marks", "background", "both"]
    """What must be said: anything; a box or a mark on the background; or marks on both sides, of which a box
    gives the background."""
    mask: bool
    """Whether it starts from a mask that is there; else from the marks alone."""
    outline: bool
    """Whether it takes polygons."""


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
    polygons: tuple[Polygon, ...] = ()
    """Of a selector that takes them: the outlines, each a list of x, y, for the artist to move."""


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
    exact: bool = False
    """Just as the prompt would have it, at its own cost; else on a small picture."""


@dataclass(frozen=True)
class MakeLayers:
    """Split a frame into soft layers that sum to one."""

    frame: int
    count: int = 5
    """How many, 1 to 40."""
    folder: str | None = None
    """Where they are to be written, as one EXR; None = nowhere."""
    overwrite: bool = False
    method: Literal["semantic", "spectral", "gmm", "mrf"] = "semantic"
    """Semantic soft segmentation, spectral matting, Gaussian colours, or colours whose neighbours agree."""


@dataclass(frozen=True)
class PickLayers:
    """Say that some layers of a frame are the object, in place of what was said there."""

    revision: int
    frame: int
    layers: tuple[int, ...]
    """From 1."""
    object: str = "subject"
