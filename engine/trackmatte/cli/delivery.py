"""Options of a delivery, and the delivery itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from trackmatte.cli.report import Report
from trackmatte.cli.work import spans
from trackmatte.shot import Look, Shot
from trackmatte.shot.exporting import delivery_of, exports, filled
from trackmatte.writers import WRITERS, Depth
from trackmatte.writers.presets import PRESETS, preset_named

WHAT = Group("What is delivered", sort_key=3)


@Parameter(name="*")
@dataclass(frozen=True)
class Delivered:
    """What is written, and in which form."""

    preset: Annotated[
        str, Parameter(group=WHAT, help="; ".join(f"{p.name}: {p.what}" for p in PRESETS.values()) + ".")
    ] = "matte"
    format: Annotated[str, Parameter(group=WHAT, help=f"One of: {', '.join(WRITERS)}.")] = "exr"
    depth: Annotated[Depth, Parameter(group=WHAT, help="Samples of an EXR.")] = "half"
    compression: Annotated[
        str,
        Parameter(group=WHAT, help="Of an EXR: zip, zips, piz, pxr24 or none, which all keep mattes exact."),
    ] = "zip"
    tight: Annotated[
        bool,
        Parameter(negative="", group=WHAT, help="EXR data windows hold only what is not empty (for Nuke)."),
    ] = False
    alpha: Annotated[
        Literal["straight", "premultiplied"] | None,
        Parameter(
            group=WHAT, help="Colours of a cut-out; unless given: premultiplied in EXR, else straight."
        ),
    ] = None
    foreground: Annotated[
        Literal["estimate", "fast", "plate"],
        Parameter(
            group=WHAT,
            help="Colour of a cut-out's soft pixels: the subject's own, estimated; estimated fast; or the "
            "plate's, background and all.",
        ),
    ] = "estimate"
    space: Annotated[
        Literal["linear", "source"],
        Parameter(group=WHAT, help="A cut-out's colours: linear light, or as the plate has them."),
    ] = "linear"
    audio: Annotated[
        bool, Parameter(negative="", group=WHAT, help="A movie takes the clip's sound along.")
    ] = False


def run_export(shot: Shot, folder: Path, how: Delivered, *, overwrite: bool, report: Report) -> list[str]:
    """Write the delivery and return one line per sequence or movie: its pattern and frames.

    Raises
    ------
    OutputError : the folder cannot be written, or files are in the way: then nothing is written.
    """
    look, make = Look(how.space, how.foreground), partial(delivery_of, how, folder)
    written = []
    for part in exports(shot, how.preset, how.format, make, look, overwrite=overwrite, audio=how.audio):
        noted = report.follow(part.steps)
        for text in dict.fromkeys(p.note for p in noted):
            report.note(f"frame {spans([p.frame for p in noted if p.note == text])}: {text}")
        numbers = [n for n in shot.numbers() if n not in shot.skipped()]
        written.append(f"{part.writer.target} {spans(numbers)}")
        report.event("written", objects=list(part.objects), pattern=part.writer.target, frames=numbers)
    return written


def check_form(shot: Shot, folder: Path, how: Delivered) -> None:
    """Make sure that the format can hold what is asked for, before anything is computed.

    Raises
    ------
    UsageError : it cannot.
    """
    delivery, preset = delivery_of(how, folder, "shot"), preset_named(how.preset)
    delivery = filled(delivery, shot, shot.objects[:1], preset, overwrite=True, audio=how.audio)
    WRITERS.get(how.format)(delivery)
