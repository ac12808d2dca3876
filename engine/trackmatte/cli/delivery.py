"""Options of a delivery, and the delivery itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from trackmatte.cli.report import Report
from trackmatte.cli.work import spans
from trackmatte.errors import UsageError
from trackmatte.progress import Progress
from trackmatte.shot import Look, Shot
from trackmatte.shot.delivering import UP_TO_DATE
from trackmatte.shot.exporting import delivery_of, exports, filled
from trackmatte.writers import WRITERS, Depth
from trackmatte.writers.presets import PRESETS, preset_named

WHAT = Group("What is delivered", sort_key=3)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Form:
    """The form in which something is written."""

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

    def check(self, *, colour: bool, alpha: bool) -> None:
        """Make sure that every option has something to act on.

        Parameters
        ----------
        colour, alpha : whether what is written shows colours, and has alpha beside them.

        Raises
        ------
        UsageError : one has not.
        """
        exr = {"depth": "half", "compression": "zip", "tight": False}
        for name, usual in exr.items():
            if self.format != "exr" and getattr(self, name) != usual:
                raise UsageError(f"--{name} is for EXR, and {self.format} has no use for it; leave it out")
        if self.alpha is not None and not (colour and alpha):
            raise UsageError(
                "--alpha says how colours go with alpha, and there are none that do; leave it out, or take "
                "--preset cutout (comp: --effect cutout)"
            )
        coloured = {"foreground": "estimate", "space": "linear"}
        for name, usual in coloured.items():
            if not colour and getattr(self, name) != usual:
                raise UsageError(
                    f"--{name} is for colours, and a matte has none; leave it out, or take --preset cutout"
                )


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Delivered(Form):
    """What is written, and in which form."""

    preset: Annotated[
        str, Parameter(group=WHAT, help="; ".join(f"{p.name}: {p.what}" for p in PRESETS.values()) + ".")
    ] = "matte"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Composed(Form):
    """In which form a composite is written."""

    format: Annotated[
        str, Parameter(group=WHAT, help=f"One of: {', '.join(WRITERS)}; or mp4, for a quick look.")
    ] = "exr"
    preset: Annotated[str, Parameter(show=False)] = "matte"


def tell_steps(steps: Iterator[Progress], report: Report) -> bool:
    """Write a sequence or movie; return whether anything was written, not found up to date."""
    noted = report.follow(steps)
    for text in dict.fromkeys(p.note for p in noted):
        frames = spans([p.frame for p in noted if p.note == text])
        report.note(text if text == UP_TO_DATE else f"frame {frames}: {text}")
    return all(p.note != UP_TO_DATE for p in noted)


def run_export(shot: Shot, folder: Path, how: Delivered, *, overwrite: bool, report: Report) -> list[str]:
    """Write the delivery and return one line per sequence or movie: what became of it, its name and frames.

    Raises
    ------
    OutputError : the folder cannot be written, or files are in the way: then nothing is written.
    """
    look, make = Look(how.space, how.foreground), partial(delivery_of, how, folder)
    written = []
    for part in exports(shot, how.preset, how.format, make, look, overwrite=overwrite, audio=how.audio):
        new = tell_steps(part.steps, report)
        numbers = [n for n in shot.numbers() if n not in shot.skipped()]
        written.append(f"{'wrote' if new else 'kept'} {part.writer.target} {spans(numbers)}")
        report.event("written", objects=list(part.objects), pattern=part.writer.target, frames=numbers)
    return written


def check_form(shot: Shot, folder: Path, how: Delivered) -> None:
    """Make sure that the format can hold what is asked for, before anything is computed.

    Raises
    ------
    UsageError : it cannot, or an option has nothing to act on.
    """
    delivery, preset = delivery_of(how, folder, "shot"), preset_named(how.preset)
    delivery = filled(delivery, shot, shot.objects[:1], preset, overwrite=True, audio=how.audio)
    WRITERS.get(how.format)(delivery)
    how.check(colour=preset.foreground, alpha=True)
