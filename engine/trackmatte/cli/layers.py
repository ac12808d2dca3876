"""``trackmatte layers``: a picture as a few soft layers that sum to one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
from cyclopts import Parameter
from cyclopts.validators import Number
from numpy.typing import NDArray

from trackmatte.cli.options import InputColorspace, Overwrite, Settings, Talk, parse_settings
from trackmatte.errors import OutputError, UsageError
from trackmatte.files import write_image
from trackmatte.media import FrameSource, open_clip
from trackmatte.preview import CELL, grey
from trackmatte.refiners.pipeline import filled
from trackmatte.shot import SUFFIX, Shot
from trackmatte.shot.exporting import check_writable, clip_stem
from trackmatte.shot.layering import (
    MOST,
    Features,
    choose_features,
    frame_layers,
    layer_picture,
    layer_writer,
)

F32 = NDArray[np.float32]


def layers(
    clip: Annotated[str, Parameter(help="A picture, a clip, or a shot file.")],
    /,
    *,
    out: Annotated[Path, Parameter(name="--out", help="Folder for the EXR.")],
    frame: Annotated[
        int | None, Parameter(name="--frame", help="Source number of the frame; the first unless given.")
    ] = None,
    count: Annotated[
        int, Parameter(name="--count", validator=Number(gte=1, lte=MOST), help="How many layers.")
    ] = 5,
    features: Annotated[
        Features,
        Parameter(
            name="--features",
            help="What says which places belong together: SAM 2's encoder (needs weights), plain colours, "
            "texture and place (needs none), or auto: sam2 where it can run.",
        ),
    ] = "auto",
    settings: Settings = [],  # noqa: B006 (cyclopts copies defaults)
    sheet: Annotated[
        Path | None, Parameter(name="--sheet", metavar="FILE", help="Also write a PNG to look at.")
    ] = None,
    input_colorspace: InputColorspace = None,
    overwrite: Overwrite = False,
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """Split one frame into soft layers, one EXR with the channels layer01.A, layer02.A and so on."""
    report = talk.report()
    if sheet is not None and sheet.suffix.lower() != ".png":
        raise UsageError(f"the sheet {sheet} must end in .png")
    if sheet is not None and sheet.exists() and not overwrite:
        raise OutputError(f"{sheet} exists; choose another name or add --overwrite")
    check_writable(out)
    bare, prefixed = parse_settings(settings)
    if prefixed:
        raise UsageError(f"layers has no refiner, so refiner.{min(prefixed)} means nothing here")
    with _opened(clip, input_colorspace) as (source, stem):
        for note in source.notes:
            report.note(note)
        wanted = source.first_number if frame is None else frame
        if wanted not in source.numbers:
            raise UsageError(
                f"{clip} has no frame {wanted}; there are {source.numbers[0]} to {source.numbers[-1]}"
            )
        plate = source[source.numbers.index(wanted)]
        kind, why = choose_features(features)
        if features == "auto":
            report.note(f"features: {kind}, because {why}")
        with layer_writer(out, stem, source, wanted, overwrite=overwrite) as writer:
            found = frame_layers(plate, count, kind, bare)
            writer.write(layer_picture(wanted, found))
    report.event("written", pattern=writer.target, frames=[wanted])
    report.say(f"wrote {writer.target} {wanted}")
    if sheet is not None:
        shown = plate.colour.display(filled(plate.rgb))
        write_image(sheet, layer_sheet(shown, found), {"oiio:ColorSpace": "sRGB"}, "uint8")
        report.event("written", file=str(sheet))
        report.say(f"wrote {sheet}")


@contextmanager
def _opened(clip: str, colorspace: str | None) -> Iterator[tuple[FrameSource, str]]:
    """Yield the clip, or that of a shot file, and the stem of what is written."""
    if not clip.endswith(SUFFIX):
        with open_clip(clip, colorspace) as source:
            yield source, clip_stem(clip)
        return
    if colorspace is not None:
        raise UsageError("a shot file says itself what its plate's values mean; leave out --input-colorspace")
    with Shot.open(Path(clip)) as shot:
        yield shot.clip, Path(clip).name.removesuffix(SUFFIX)


def layer_sheet(shown: NDArray[np.uint8], found: F32) -> NDArray[np.uint8]:
    """Return plate and layers, (h, w, count), three in a row."""
    h, w = shown.shape[:2]
    size = (CELL, max(1, round(CELL * h / w)))
    small = cv2.resize(shown, size, interpolation=cv2.INTER_AREA)
    cells = [small]
    for i in range(found.shape[2]):
        layer = cv2.resize(np.ascontiguousarray(found[..., i]), size, interpolation=cv2.INTER_AREA)
        cells.append(grey(layer))
    cells += [np.full_like(small, 24)] * (-len(cells) % 3)
    return np.ascontiguousarray(np.vstack([np.hstack(cells[i : i + 3]) for i in range(0, len(cells), 3)]))
