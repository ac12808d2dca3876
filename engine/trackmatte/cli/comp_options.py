"""Options of ``trackmatte comp``, effect by effect; None = not given."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import numpy as np
from cyclopts import Group, Parameter

from trackmatte.comp import Blur, Checker, Effect, Grade, Grading, Replace
from trackmatte.comp.background import Fit, open_background
from trackmatte.errors import UsageError
from trackmatte.numerics.lens import Shape
from trackmatte.shot import Shot

BLUR = Group("blur: the background out of focus", sort_key=3)
REPLACE = Group("replace: another background", sort_key=4)
GRADE = Group("grade: the colour of the background, or of the subject", sort_key=5)
CHECKER = Group("checker: the subject over a checkerboard", sort_key=6)
RANGES = {"exposure": (-10, 10), "warmth": (-1, 1), "tint": (-1, 1), "saturation": (0, 4)}
"""Option of a grade -> its lowest and highest value."""


@Parameter(name="*")
@dataclass(frozen=True)
class BlurOptions:
    """Of ``blur``."""

    size: Annotated[
        float | None,
        Parameter(
            group=BLUR,
            help="Diameter of the disc that a point of light becomes, per cent of the width; 2.5 unless "
            "given.",
        ),
    ] = None
    kernel: Annotated[
        Shape | None, Parameter(group=BLUR, help="Shape of the aperture; disc unless given.")
    ] = None
    rotation: Annotated[
        float | None, Parameter(group=BLUR, allow_leading_hyphen=True, help="Of the hexagon, degrees.")
    ] = None
    guard: Annotated[
        int | None,
        Parameter(
            group=BLUR,
            metavar="PX",
            help="Width of the ring around the subject that is not taken for background; a thousandth of "
            "the width unless given. Raise it where a matte ends early.",
        ),
    ] = None

    def effect(self, shot: Shot) -> Effect:  # noqa: ARG002
        """Return the effect."""
        if self.rotation is not None and self.kernel != "hexagon":
            raise UsageError("--rotation turns a hexagon; add --kernel hexagon, or leave it out")
        if self.rotation is not None and not -360 <= self.rotation <= 360:
            raise UsageError(f"--rotation {self.rotation:g} is out of range; choose -360 to 360 degrees")
        if self.guard is not None and not 0 <= self.guard <= 200:
            raise UsageError(f"--guard {self.guard} is out of range; choose 0 to 200 px")
        return Blur(
            size=2.5 if self.size is None else self.size,
            kernel=self.kernel or "disc",
            rotation=self.rotation or 0.0,
            guard=self.guard,
        )


@Parameter(name="*")
@dataclass(frozen=True)
class ReplaceOptions:
    """Of ``replace``."""

    background: Annotated[
        str | None,
        Parameter(
            group=REPLACE,
            metavar="WHAT",
            help="A picture, an image sequence, a movie, a colour #rrggbb, or linear light R,G,B. A sequence "
            "runs by the plate's frame numbers where it has them; anything else starts on its first frame.",
        ),
    ] = None
    scale: Annotated[
        Fit | None,
        Parameter(
            group=REPLACE,
            help="A background of another shape: fill the frame and crop, fit into it with black bars, or "
            "stretch; fill unless given.",
        ),
    ] = None
    loop: Annotated[
        bool, Parameter(negative="", group=REPLACE, help="After its last frame comes its first again.")
    ] = False
    hold: Annotated[bool, Parameter(negative="", group=REPLACE, help="Its last frame stays to the end.")] = (
        False
    )
    background_colorspace: Annotated[
        str | None,
        Parameter(
            group=REPLACE, metavar="NAME", help="What its values mean; as the file's tags say unless given."
        ),
    ] = None

    def effect(self, shot: Shot) -> Effect:
        """Return the effect."""
        if self.background is None:
            raise UsageError("replace needs --background: a picture, a sequence, a movie, or #rrggbb")
        if self.loop and self.hold:
            raise UsageError("--loop and --hold exclude each other; leave one of them out")
        return Replace(
            open_background(
                self.background,
                shot.clip.size,
                [n for n in shot.numbers() if n not in shot.skipped()],
                fit=self.scale or "fill",
                after="loop" if self.loop else "hold" if self.hold else None,
                colorspace=self.background_colorspace,
            )
        )


@Parameter(name="*")
@dataclass(frozen=True)
class GradeOptions:
    """Of ``grade``."""

    on: Annotated[
        Literal["background", "subject"] | None,
        Parameter(group=GRADE, help="Which of them; the background unless given."),
    ] = None
    exposure: Annotated[
        float | None, Parameter(group=GRADE, allow_leading_hyphen=True, help="Stops, -10 to 10.")
    ] = None
    warmth: Annotated[
        float | None, Parameter(group=GRADE, allow_leading_hyphen=True, help="From -1, cool, to 1, warm.")
    ] = None
    tint: Annotated[
        float | None,
        Parameter(group=GRADE, allow_leading_hyphen=True, help="From -1, green, to 1, magenta."),
    ] = None
    saturation: Annotated[
        float | None, Parameter(group=GRADE, help="0, black and white, to 4; 1 changes nothing.")
    ] = None
    slope: Annotated[
        str | None,
        Parameter(group=GRADE, metavar="R,G,B", help="ASC CDL: a factor for light, one value or three."),
    ] = None
    offset: Annotated[
        str | None,
        Parameter(group=GRADE, metavar="R,G,B", allow_leading_hyphen=True, help="ASC CDL: then added."),
    ] = None
    power: Annotated[
        str | None, Parameter(group=GRADE, metavar="R,G,B", help="ASC CDL: then the exponent.")
    ] = None

    def effect(self, shot: Shot) -> Effect:  # noqa: ARG002
        """Return the effect."""
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UsageError(f"--{name} {value:g} is out of range; choose {low} to {high}")
        grade = Grade(
            exposure=self.exposure or 0.0,
            warmth=self.warmth or 0.0,
            tint=self.tint or 0.0,
            slope=_triple("slope", self.slope, 1.0, 0.0),
            offset=_triple("offset", self.offset, 0.0, -np.inf),
            power=_triple("power", self.power, 1.0, 0.01),
            saturation=1.0 if self.saturation is None else self.saturation,
        )
        if grade == Grade():
            raise UsageError("this grade changes nothing; give --exposure, --saturation, --warmth or another")
        return Grading(grade, self.on or "background")


@Parameter(name="*")
@dataclass(frozen=True)
class CheckerOptions:
    """Of ``checker``."""

    square: Annotated[
        int | None,
        Parameter(
            group=CHECKER, metavar="PX", help="Side of a square; a sixtieth of the width unless given."
        ),
    ] = None

    def effect(self, shot: Shot) -> Effect:  # noqa: ARG002
        """Return the effect."""
        if self.square is not None and self.square < 1:
            raise UsageError(f"--square {self.square} is no size; choose 1 px or more")
        return Checker(self.square)


Options = BlurOptions | ReplaceOptions | GradeOptions | CheckerOptions


def only(chosen: str, options: dict[str, Options]) -> None:
    """Make sure that nothing is said about an effect that was not chosen.

    Raises
    ------
    UsageError : something is.
    """
    for name, given in options.items():
        said = [k for k, v in asdict(given).items() if v is not None and v is not False]
        if said and name != chosen:
            raise UsageError(
                f"--{said[0].replace('_', '-')} belongs to --effect {name}; {chosen} has no use for it"
            )


def _triple(name: str, text: str | None, usual: float, low: float) -> tuple[float, float, float]:
    """Return three numbers of ``"1,0.9,0.8"`` or ``"1.1"``, or the usual one three times."""
    if text is None:
        return usual, usual, usual
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    r, g, b = values * 3 if len(values) == 1 else values if len(values) == 3 else [np.nan] * 3
    if not (np.isfinite([r, g, b]).all() and min(r, g, b) >= low):
        least = f", each {low:g} or more" if np.isfinite(low) else ""
        raise UsageError(f"--{name} {text} is not one number or three: write e.g. 1.1,1,0.9{least}")
    return r, g, b
