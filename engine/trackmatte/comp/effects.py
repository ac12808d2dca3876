"""The effects: what is done with a plate and its matte, one frame at a time, in linear light."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from trackmatte.color import SRGB, Colour
from trackmatte.comp.background import Background
from trackmatte.comp.grade import Grade
from trackmatte.errors import UsageError
from trackmatte.numerics.fill import fill, known
from trackmatte.numerics.lens import Lens, Shape

F32 = NDArray[np.float32]

MOST_BLUR = 50.0
"""Largest blur, per cent of the width."""
GUARD = 1 / 1000
"""Ring around the subject that is no background, as a part of the width, unless told otherwise."""
LIGHT, DARK = 0.3, 0.12
"""The squares of the checkerboard, linear."""


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """One frame taken apart; all colours in one linear space, straight."""

    number: int
    """The source's own frame number."""
    plate: F32
    """(H, W, 3)."""
    alpha: F32
    """(H, W) in [0, 1]; of all objects together."""
    foreground: F32
    """(H, W, 3) the subject's colour, without background where it is soft."""
    behind: F32 | None = None
    """(H, W, 3) the plate without the subject's share: meaningful where alpha is below 1."""
    colour: Colour = SRGB
    """The plate's; the layers are its light."""


class Effect(Protocol):
    """Makes a picture from the layers of a frame."""

    name: ClassVar[str]
    separates: ClassVar[bool]
    """Whether it looks at `Layers.behind`."""

    @property
    def key(self) -> list[object]:
        """What decides the pixels, for hashing."""
        ...

    def __call__(self, layers: Layers) -> F32:
        """Return (H, W, 3) linear, or (H, W, 4) with straight colours and alpha."""
        ...


def over(layers: Layers, background: F32) -> F32:
    """Return the subject over another background; solid pixels are the plate's, bit for bit."""
    a = layers.alpha[..., None]
    mixed = np.asarray((1 - a) * background, np.float32)
    mixed += a * layers.foreground
    np.copyto(mixed, layers.plate, where=a == 1)
    return mixed


@dataclass(frozen=True, slots=True)
class Blur:
    """The background out of focus, the subject not.

    What lies behind the subject is filled in before the blur: nothing of the subject's colour gets into it.
    """

    size: float = 2.5
    """Diameter of the disc that a point of light becomes, per cent of the picture's width."""
    kernel: Shape = "disc"
    rotation: float = 0.0
    """Of the hexagon, degrees counter-clockwise."""
    guard: int | None = None
    """px around the subject that are not taken for background; None = a thousandth of the width."""
    _lenses: dict[int, Lens] = field(default_factory=dict, repr=False, compare=False)

    name: ClassVar[str] = "blur"
    separates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.size <= MOST_BLUR:
            raise UsageError(
                f"a blur of {self.size:g} % of the width cannot be made; choose a size above 0 and up to "
                f"{MOST_BLUR:g}"
            )

    @property
    def key(self) -> list[object]:
        """What decides the pixels."""
        return [self.size, self.kernel, self.rotation, self.guard]

    def __call__(self, layers: Layers) -> F32:
        """Return (H, W, 3)."""
        assert layers.behind is not None
        return over(layers, self.background(layers.behind, layers.alpha))

    def background(self, behind: F32, alpha: F32) -> F32:
        """Return the filled and blurred background, (H, W, 3)."""
        width = alpha.shape[1]
        guard = max(1, round(GUARD * width)) if self.guard is None else self.guard
        if width not in self._lenses:
            self._lenses[width] = Lens(self.size / 200 * width, self.kernel, self.rotation)
        return self._lenses[width].blur(fill(behind, known(alpha, guard)))


@dataclass(frozen=True, slots=True)
class Replace:
    """Another background: a colour, a picture, or a clip."""

    background: Background

    name: ClassVar[str] = "replace"
    separates: ClassVar[bool] = False

    @property
    def key(self) -> list[object]:
        """What decides the pixels."""
        return self.background.key

    def __call__(self, layers: Layers) -> F32:
        """Return (H, W, 3)."""
        return over(layers, self.background.at(layers.number, layers.colour))


@dataclass(frozen=True, slots=True)
class Grading:
    """A grade on the background or on the subject alone; where the other is, the plate stays as it is."""

    grade: Grade
    on: Literal["background", "subject"] = "background"

    name: ClassVar[str] = "grade"
    separates: ClassVar[bool] = True

    @property
    def key(self) -> list[object]:
        """What decides the pixels."""
        return [repr(self.grade), self.on]

    def __call__(self, layers: Layers) -> F32:
        """Return (H, W, 3): the plate, and the share of the part that is graded times its change."""
        assert layers.behind is not None
        if self.on == "subject":
            share, part = layers.alpha[..., None], layers.foreground
        else:
            share, part = 1 - layers.alpha[..., None], fill(layers.behind, known(layers.alpha))
        changed = layers.plate + share * (self.grade(part) - part)
        return np.where(share == 0, layers.plate, changed).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Checker:
    """The subject over a grey checkerboard."""

    square: int | None = None
    """Side in px; None = a sixtieth of the width."""

    name: ClassVar[str] = "checker"
    separates: ClassVar[bool] = False

    @property
    def key(self) -> list[object]:
        """What decides the pixels."""
        return [self.square]

    def __call__(self, layers: Layers) -> F32:
        """Return (H, W, 3)."""
        h, w = layers.alpha.shape
        y, x = np.ogrid[:h, :w]
        side = self.square or max(4, w // 60)
        board = np.where((x // side + y // side) % 2, np.float32(DARK), np.float32(LIGHT))
        return over(layers, np.broadcast_to(board[..., None], (h, w, 3)))


@dataclass(frozen=True, slots=True)
class Cutout:
    """The subject alone, with alpha."""

    name: ClassVar[str] = "cutout"
    separates: ClassVar[bool] = False

    @property
    def key(self) -> list[object]:
        """What decides the pixels."""
        return []

    def __call__(self, layers: Layers) -> F32:
        """Return (H, W, 4): straight colours and alpha."""
        return np.dstack([layers.foreground, layers.alpha]).astype(np.float32)
