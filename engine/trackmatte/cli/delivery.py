"""Options of a delivery, and the delivery itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from trackmatte.cli.report import Report
from trackmatte.cli.work import clip_stem, spans
from trackmatte.errors import OutputError
from trackmatte.files import remove_leftovers
from trackmatte.shot import Look, Shot
from trackmatte.shot.delivering import refuse
from trackmatte.writers import WRITERS, Compression, Delivery, Depth
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
    compression: Annotated[Compression, Parameter(group=WHAT, help="Of an EXR; all keep mattes exact.")] = (
        "zip"
    )
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

    def delivery(self, folder: Path, stem: str) -> Delivery:
        """Return what these options say of a delivery."""
        name = stem if self.preset == "matte" else f"{stem}_{self.preset}"
        return Delivery(
            folder,
            re.sub(r"[^\w.-]+", "_", name),
            depth=self.depth,
            compression=self.compression,
            tight=self.tight,
            premultiplied=None if self.alpha is None else self.alpha == "premultiplied",
        )


def run_export(shot: Shot, folder: Path, how: Delivered, *, overwrite: bool, report: Report) -> list[str]:
    """Write the delivery and return one line per sequence or movie: its pattern and frames.

    Raises
    ------
    OutputError : the folder cannot be written, or files are in the way: then nothing is written.
    """
    preset, writer_class = preset_named(how.preset), WRITERS.get(how.format)
    check_apart(shot, folder)
    remove_leftovers(folder)
    look = Look(how.space, how.foreground)
    together = [shot.objects] if preset.together else [[o] for o in shot.objects]
    writers = [
        (objects, writer_class(plan(shot, folder, how, objects, overwrite=overwrite))) for objects in together
    ]
    if len(writers) > 1:  # of a single one, `render` sees to it
        refuse([p for o, w in writers for p in shot.conflicts(w, preset=preset.name, objects=o, look=look)])
    written = []
    for objects, writer in writers:
        noted = report.follow(shot.render(writer, preset=preset.name, objects=objects, look=look))
        for text in dict.fromkeys(p.note for p in noted):
            report.note(f"frame {spans([p.frame for p in noted if p.note == text])}: {text}")
        numbers = [n for n in shot.numbers() if n not in shot.skipped()]
        written.append(f"{writer.target} {spans(numbers)}")
        report.event("written", objects=objects, pattern=writer.target, frames=numbers)
    return written


def plan(shot: Shot, folder: Path, how: Delivered, objects: list[str], *, overwrite: bool) -> Delivery:
    """Return where the pictures of some objects go and what is said about them."""
    parts = [clip_stem(shot.doc.source.path), *(objects if how.preset != "multi" else [])]
    return replace(
        how.delivery(folder, "_".join(parts)),
        padding=max(4, shot.clip.padding),
        rate=shot.clip.rate,
        overwrite=overwrite,
        facts=shot.facts(objects),
        audio=shot.clip.path if how.audio else None,
    )


def check_apart(shot: Shot, folder: Path) -> None:
    """Make sure that the delivery does not go between the images of the plate.

    Raises
    ------
    OutputError : it would.
    """
    place = shot.clip.path
    home = place if place.is_dir() else place.parent
    if shot.clip.length > 1 and not place.is_file() and home.resolve() == folder.resolve():
        raise OutputError(f"{folder} holds the plate's own images; choose another --out folder")
