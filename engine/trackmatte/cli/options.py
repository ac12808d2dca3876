"""Options that several commands share."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from trackmatte.cli.report import Report
from trackmatte.errors import UsageError
from trackmatte.shot.selecting import SELECTORS

WHO = Group("The subject", sort_key=1)
HOW = Group("How", sort_key=2)
TALK = Group("What is said", sort_key=9)

Clip = Annotated[
    str,
    Parameter(
        help="A movie, a folder with one image sequence, or a pattern: frames/%05d.jpg, plate.####.exr."
    ),
]
ShotFile = Annotated[Path, Parameter(help="The shot file, NAME.shot.json.")]
Points = Annotated[
    list[str],
    Parameter(
        name="--point",
        negative="",
        group=WHO,
        metavar="X,Y[,-]",
        allow_leading_hyphen=True,
        help="A click on the subject; X,Y,- is a click on the background. Positions run from 0,0 at the top "
        "left to 1,1; pixels are written 480,270px. Repeat for more.",
    ),
]
BoxOption = Annotated[
    str | None,
    Parameter(name="--box", group=WHO, metavar="LEFT,TOP,RIGHT,BOTTOM", help="A box around the subject."),
]
Scribbles = Annotated[
    list[str],
    Parameter(
        name="--scribble",
        negative="",
        group=WHO,
        metavar="KIND:X,Y X,Y ...[@R]",
        help="A brush stroke. KIND is fg (on the subject), bg (on the background), paint or erase (exactly "
        "this, whatever the colours say) or hair (matte more widely here). R is the radius as a part of the "
        "width, 0.005 unless given.",
    ),
]
MaskOption = Annotated[
    Path | None,
    Parameter(
        name="--mask", group=WHO, metavar="FILE", help="An image of the clip's size, white on the subject."
    ),
]
FrameOption = Annotated[
    int | None,
    Parameter(
        name="--frame",
        group=WHO,
        help="Source number of the frame that is prompted; the range's first unless given.",
    ),
]
ObjectOption = Annotated[str, Parameter(name="--object", group=WHO, help="Name of the object.")]
TrackerOption = Annotated[
    str,
    Parameter(
        name="--tracker",
        group=HOW,
        help="sam2 (needs weights: trackmatte weights), flow (needs none), or auto: sam2 where it can run.",
    ),
]
SelectOption = Annotated[
    str | None,
    Parameter(
        name="--select",
        group=HOW,
        metavar="METHOD",
        help=f"What makes a mask of marks: {', '.join(SELECTORS)}. auto, unless given, is the tracker's own.",
    ),
]
Settings = Annotated[
    list[str],
    Parameter(
        name="--set",
        negative="",
        group=HOW,
        metavar="NAME=VALUE",
        help="A setting of the tracker, such as model=sam2.1_hiera_small or image_size=512, or of the "
        "refiner: refiner.quality=tiles. Repeat for more.",
    ),
]
Steady = Annotated[
    float,
    Parameter(
        name="--steady",
        group=HOW,
        validator=Number(gte=0, lte=1),
        help="How much of the mattes' flicker is taken off: 0 nothing, 1 most.",
    ),
]
Exclusive = Annotated[
    bool,
    Parameter(
        name="--exclusive",
        negative="",
        group=HOW,
        help="A pixel belongs to one object: the surest there.",
    ),
]
RefinerOption = Annotated[
    str,
    Parameter(
        name="--refiner",
        group=HOW,
        help="mam (needs weights), closed_form or bayesian (need none), hiera (needs a decoder of "
        "your own: trackmatte train-refiner), none for the mask as it is, or auto: mam where it can run.",
    ),
]
RangeOption = Annotated[
    str | None,
    Parameter(
        name="--range",
        group=HOW,
        metavar="IN-OUT",
        help="Source frames to work on; the whole clip unless given.",
    ),
]
Handles = Annotated[
    int,
    Parameter(
        name="--handles",
        group=HOW,
        metavar="N",
        validator=Number(gte=0),
        help="Frames worked on and delivered beyond in and out, at both sides, as far as the clip goes.",
    ),
]
Grid = Annotated[
    str | None,
    Parameter(
        name="--grid",
        group=HOW,
        metavar="RATE",
        help="Read a movie whose frame rate varies as a host with this constant rate shows it: 24, 23.976 or "
        "24000/1001; unless given, every stored frame is used once. Of an image sequence: its frame rate.",
    ),
]
OnError = Annotated[
    Literal["stop", "skip"],
    Parameter(name="--on-error", group=HOW, help="At a frame that cannot be decoded: stop, or leave it out."),
]
InputColorspace = Annotated[
    str | None,
    Parameter(
        name="--input-colorspace",
        group=HOW,
        metavar="NAME",
        help="What the plate's values mean, e.g. ACEScg or 'ARRI LogC3 (EI800)'; list the names with: "
        "trackmatte colorspaces. As the clip's tags say unless given.",
    ),
]
Overwrite = Annotated[
    bool, Parameter(name="--overwrite", negative="", group=HOW, help="Replace files that are already there.")
]
NoSpaceCheck = Annotated[
    bool,
    Parameter(
        name="--no-space-check",
        negative="",
        group=HOW,
        help="Go on until the disk is full, not only while the rest looks as if it will fit.",
    ),
]


@Parameter(name="*")
@dataclass(frozen=True)
class Talk:
    """How a command reports."""

    json: Annotated[
        bool,
        Parameter(name="--json", negative="", group=TALK, help="One JSON event a line on standard output."),
    ] = False
    quiet: Annotated[bool, Parameter(name="--quiet", negative="", group=TALK, help="Nothing but errors.")] = (
        False
    )

    def report(self) -> Report:
        """Return the reporter asked for."""
        return Report(json_events=self.json, quiet=self.quiet)


def parse_settings(texts: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the (tracker's, refiner's) settings of ``NAME=VALUE`` and ``refiner.NAME=VALUE`` texts.

    Values that read as JSON are what they read as.

    Raises
    ------
    UsageError : one is of another form.
    """
    tracker: dict[str, Any] = {}
    refiner: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise UsageError(f"{text!r} is not a setting; write NAME=VALUE, e.g. image_size=512")
        target = refiner if name.startswith("refiner.") else tracker
        name = name.removeprefix("refiner.").removeprefix("tracker.")
        try:
            target[name] = json.loads(value)
        except ValueError:
            target[name] = value
    return tracker, refiner


def parse_rate(text: str) -> Fraction:
    """Return the frame rate of ``"25"``, ``"24000/1001"`` or ``"23.976"``, which means the same.

    Raises
    ------
    UsageError : it is of another form or outside 1 to 1000.
    """
    try:
        rate = Fraction(text.strip())
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"{text!r} is not a frame rate; write e.g. 25, 23.976 or 24000/1001") from None
    if not 1 <= rate <= 1000:
        raise UsageError(f"{text} frames per second cannot be meant; give 1 to 1000")
    ntsc = Fraction(round(rate) * 1000, 1001)
    if "/" not in text and rate.denominator > 1 and abs(rate - ntsc) < Fraction(1, 100):
        return ntsc
    return rate.limit_denominator(100_000)


def parse_range(text: str) -> tuple[int, int]:
    """Return (first, last) of ``"1001-1048"`` or ``"1001"``.

    Raises
    ------
    UsageError : it is of another form.
    """
    found = re.fullmatch(r"(-?\d{1,18})(?:-(-?\d{1,18}))?", text.strip(), re.ASCII)
    if found is None:
        raise UsageError(f"{text!r} is not a range of frames; write IN-OUT, e.g. 1001-1048")
    span = int(found[1]), int(found[2] or found[1])
    if span[0] > span[1]:
        raise UsageError(f"the range {text} ends before it begins; write the smaller frame first")
    return span
