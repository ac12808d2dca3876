"""``trackmatte layers``: a picture as a few soft layers that sum to one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import cv2
import numpy as np
from cyclopts import Parameter
from cyclopts.validators import Number
from numpy.typing import NDArray

from trackmatte.cli.options import InputColorspace, Overwrite, Settings, Talk, parse_settings
from trackmatte.cli.report import Report
from trackmatte.errors import OutputError, UsageError
from trackmatte.files import write_image
from trackmatte.media import FrameSource, open_clip
from trackmatte.picture import Picture
from trackmatte.preview import CELL, grey
from trackmatte.refiners.pipeline import filled
from trackmatte.select.layers import Making, soft_layers
from trackmatte.shot import SUFFIX, Shot
from trackmatte.shot.exporting import check_writable, clip_stem
from trackmatte.trackers import TRACKERS
from trackmatte.trackers.choose import choose_tracker
from trackmatte.writers import WRITERS, Delivery

if TYPE_CHECKING:
    from trackmatte.trackers.sam2 import SAM2Tracker

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
        int, Parameter(name="--count", validator=Number(gte=1, lte=40), help="How many layers.")
    ] = 5,
    features: Annotated[
        Literal["auto", "sam2", "plain"],
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
        delivery = Delivery(out, f"{stem}_layers", source.padding, source.rate, overwrite, holds="layers")
    with WRITERS.get("exr")(delivery) as writer:
        if busy := writer.conflicts({wanted: ""}):
            raise OutputError(f"{busy[0]} exists; choose another folder or add --overwrite")
        shown = plate.colour.display(filled(plate.rgb))
        found = soft_layers(shown, _features(features, bare, shown, report), Making(count=count))
        names = tuple(f"layer{i + 1:02d}.A" for i in range(count))
        writer.write(Picture(wanted, found, names))
    report.event("written", pattern=writer.target, frames=[wanted])
    report.say(f"wrote {writer.target} {wanted}")
    if sheet is not None:
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


def _features(kind: str, settings: dict[str, Any], shown: NDArray[np.uint8], report: Report) -> F32 | None:
    """Return SAM 2's features of a frame, (h, w, 256), or None for the weight-free ones."""
    if kind == "auto":
        tracker, why = choose_tracker()
        kind = "sam2" if tracker == "sam2" else "plain"
        report.note(f"features: {kind}, because {why}")
    if kind == "plain":
        if settings:
            raise UsageError(f"plain features have no setting {min(settings)!r}; those of sam2 have")
        return None
    tracker_class = cast("type[SAM2Tracker]", TRACKERS.get("sam2"))
    return encoded(tracker_class(**tracker_class.settle(settings)), shown)


def encoded(tracker: SAM2Tracker, shown: NDArray[np.uint8]) -> F32:
    """Return the coarsest features, (h, w, c) float32, that SAM 2's encoder gives for an sRGB picture."""
    features = tracker.model.encode(tracker.model.prepare(shown))
    coarse = features.maps[-1]
    h, w = features.sizes[-1]
    return np.asarray(coarse.float().cpu().numpy()[:, 0].reshape(h, w, -1), np.float32)


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
