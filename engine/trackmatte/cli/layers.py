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

from trackmatte.cli.options import (
    InputColorspace,
    NoSpaceCheck,
    Overwrite,
    Settings,
    Talk,
    parse_range,
    parse_settings,
)
from trackmatte.cli.report import Report
from trackmatte.cli.target import check_free
from trackmatte.errors import UsageError
from trackmatte.files import write_image
from trackmatte.media import FrameSource, open_clip
from trackmatte.preview import CELL, grey
from trackmatte.refiners.pipeline import filled
from trackmatte.shot import SUFFIX, Shot
from trackmatte.shot.exporting import check_writable, clip_stem
from trackmatte.shot.layering import (
    MOST,
    Features,
    Method,
    Split,
    Told,
    choose_features,
    encoder,
    frame_layers,
    layer_delivery,
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
    frames: Annotated[
        str | None,
        Parameter(
            name="--range",
            metavar="IN-OUT",
            help="Source frames to split, one EXR each, with layers in the order of the frame before.",
        ),
    ] = None,
    count: Annotated[
        int, Parameter(name="--count", validator=Number(gte=1, lte=MOST), help="How many layers.")
    ] = 5,
    method: Annotated[
        Method,
        Parameter(
            name="--method",
            help="How: semantic soft segmentation; spectral matting; gmm, Gaussian colours; mrf, regions of "
            "colour whose neighbours agree.",
        ),
    ] = "semantic",
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
    no_space_check: NoSpaceCheck = False,
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """Split a frame or a range into soft layers: an EXR with the channels layer01.A, layer02.A and so on."""
    report = talk.report()
    if frames is not None and (frame is not None or sheet is not None):
        raise UsageError("--range splits many frames; leave out --frame and --sheet, which are of one")
    if sheet is not None and sheet.suffix.lower() != ".png":
        raise UsageError(f"the sheet {sheet} must end in .png")
    check_writable(out)
    bare, prefixed = parse_settings(settings)
    if prefixed:
        raise UsageError(f"layers has no refiner, so refiner.{min(prefixed)} means nothing here")
    if method != "semantic" and (features != "auto" or bare):
        raise UsageError(f"{method} layers take no features; leave out --features and --set")
    with _opened(clip, input_colorspace) as (source, stem):
        if sheet is not None:
            check_free(sheet, source, overwrite=overwrite)
        for note in source.notes:
            report.note(note)
        kind, why = choose_features(features if method == "semantic" else "plain")
        if features == "auto" and method == "semantic":
            report.note(f"features: {kind}, because {why}")
        if frames is not None:
            delivery = layer_delivery(out, stem, source, overwrite=overwrite)
            numbers = _numbers(clip, source, frames)
            room = not no_space_check
            _range(report, Split(source, numbers, count, kind, bare, delivery, room, method))
            return
        wanted = source.first_number if frame is None else frame
        if wanted not in source.numbers:
            raise UsageError(f"{clip} has no frame {wanted}; {_there(source)}")
        plate = source[source.numbers.index(wanted)]
        with (
            layer_writer(out, stem, source, wanted, overwrite=overwrite) as writer,
            report.watching() as tell,
        ):
            watch = Told(tell, 1).watch(wanted)
            found = frame_layers(plate, count, encoder(kind, bare), watch, method=method)
            writer.write(layer_picture(wanted, found))
    report.event("written", pattern=writer.target, frames=[wanted])
    report.say(f"wrote {writer.target} {wanted}")
    if sheet is not None:
        shown = plate.colour.display(filled(plate.rgb))
        write_image(sheet, layer_sheet(shown, found), {"oiio:ColorSpace": "sRGB"}, "uint8")
        report.event("written", file=str(sheet))
        report.say(f"wrote {sheet}")


def _range(report: Report, split: Split) -> None:
    with report.watching() as tell:
        pattern, written = split.write(tell)
    report.event("written", pattern=pattern, frames=list(split.numbers))
    spans = f"{split.numbers[0]}-{split.numbers[-1]}"
    report.say(f"wrote {pattern} {spans}" if written else f"{pattern} {spans} is up to date: nothing written")


def _numbers(clip: str, source: FrameSource, frames: str) -> tuple[int, ...]:
    """Return the frames of a range that the clip has."""
    first, last = parse_range(frames)
    found = tuple(n for n in source.numbers if first <= n <= last)
    if not found:
        raise UsageError(f"{clip} has no frame of {frames}; {_there(source)}")
    return found


def _there(source: FrameSource) -> str:
    return f"there are {source.numbers[0]} to {source.numbers[-1]}"


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
