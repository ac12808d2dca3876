"""What the artist says about the subject on one frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import PromptError

Label = Literal[0, 1]
"""1 = subject, 0 = background."""
Polygon = tuple[tuple[float, float], ...]
"""(x, y) vertices in [0, 1], origin top-left, y down; closed."""


@dataclass(frozen=True, slots=True)
class Point:
    """One click."""

    x: float
    """In [0, 1] of the frame's width, from the left edge."""
    y: float
    """In [0, 1] of the frame's height, from the top edge, downwards."""
    label: Label = 1
    """1 = this belongs to the subject, 0 = it does not."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle drawn around the subject; corners in [0, 1], origin top-left, y down."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Scribble:
    """A brush stroke: a polyline of positions in [0, 1] with a round brush."""

    points: tuple[tuple[float, float], ...]
    """(x, y) vertices, origin top-left, y down."""
    label: Label = 1
    """1 = subject, 0 = background."""
    radius: float = 0.005
    """Brush radius as a fraction of the frame's width."""
    mode: Literal["hint", "paint", "hair"] = "hint"
    """``hint`` seeds the selection; ``paint`` overrides the final mask exactly where it was drawn;
    ``hair`` changes no mask but widens the refiner's band where it was drawn."""


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """Everything said about one object on one frame, freely combined."""

    frame: int
    """The source's own frame number."""
    object: str = "subject"
    """The object's name."""
    points: tuple[Point, ...] = ()
    box: Box | None = None
    mask: NDArray[Any] | None = field(default=None, repr=False)
    """(H, W) bool or float in [0, 1], an explicit mask at any resolution of the frame's aspect."""
    scribbles: tuple[Scribble, ...] = ()
    select: str | None = None
    """Name of the selector that makes a mask of it; None = the shot's."""
    polygons: tuple[Polygon, ...] = ()
    """Outlines of the subject, even-odd, as the artist moved their vertices: soft constraints of the
    selectors that edit boundaries. More marks say more than they do, so saying more drops them."""

    def __post_init__(self) -> None:
        if not self.object.strip():
            raise PromptError(f"the prompt on frame {self.frame} names no object; give it a name")
        for p in self.points:
            self._inside("point", p.x, p.y)
        for s in self.scribbles:
            if not s.points:
                raise PromptError(f"a scribble on frame {self.frame} has no positions; draw at least one")
            if not 0 < s.radius <= 0.5:
                raise PromptError(
                    f"a scribble's radius {s.radius:g} on frame {self.frame} must be in (0, 0.5] of the width"
                )
            for x, y in s.points:
                self._inside("scribble", x, y)
        if (b := self.box) is not None:
            self._inside("box corner", b.x0, b.y0)
            self._inside("box corner", b.x1, b.y1)
            if b.x1 <= b.x0 or b.y1 <= b.y0:
                raise PromptError(
                    f"the box on frame {self.frame} is empty ({b.x0:g},{b.y0:g} to {b.x1:g},{b.y1:g}); "
                    "give left, top, right, bottom"
                )
        for polygon in self.polygons:
            if len(polygon) < 3:
                raise PromptError(
                    f"a polygon on frame {self.frame} has {len(polygon)} vertices; give three or more"
                )
            for x, y in polygon:
                self._inside("vertex", x, y)
        if self.mask is not None and (self.mask.ndim != 2 or self.mask.size == 0):
            raise PromptError(
                f"the mask on frame {self.frame} has shape {self.mask.shape}; it must be (height, width)"
            )

    def _inside(self, what: str, x: float, y: float) -> None:
        if not (np.isfinite(x) and np.isfinite(y) and 0 <= x <= 1 and 0 <= y <= 1):
            raise PromptError(
                f"the {what} at ({x:g}, {y:g}) on frame {self.frame} lies outside the frame; "
                "positions run from 0 to 1 from the top-left corner"
            )

    @property
    def selects(self) -> bool:
        """Whether it says anything about where the subject is (a hair brush alone does not)."""
        return self.marked or self.mask is not None

    @property
    def marked(self) -> bool:
        """Whether it says more about where the subject is than its mask does."""
        hinted = any(s.mode != "hair" for s in self.scribbles)
        return bool(self.points or self.box or self.polygons or hinted)
