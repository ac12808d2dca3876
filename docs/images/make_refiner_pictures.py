"""Make the pictures of docs/refiners.md from the sample clip: python docs/images/make_refiner_pictures.py

One zoomed part of one frame, stage by stage: the band solver for real, and the merge of Matting Anything on
stand-ins, since there are no weights.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.media import open_clip
from trackmatte.preview import cutout, grey
from trackmatte.prompt import Prompt
from trackmatte.refiners.band import contour_distance, hairiness
from trackmatte.refiners.closed_form import CLEAN, DOUBT_WIDTH, HAIRY, ClosedFormRefiner
from trackmatte.refiners.mam_merge import merge
from trackmatte.refiners.region import Region, bounds_of, guard, region_around, region_of
from trackmatte.trackers import TRACKERS

HERE = Path(__file__).resolve().parent
CLIP = HERE.parents[1] / "sample_clips" / "furball"
AT = 30
"""Frame shown, tracked from the first one's mask."""
PART = (slice(76, 196), slice(150, 310))
"""Rows and columns shown."""
ZOOM = 3
LINE = (255, 230, 0)

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]


class Watched(ClosedFormRefiner):
    """The band solver, with its two solves kept."""

    def __init__(self) -> None:
        super().__init__()
        self.solves: list[tuple[F32, F32, F32]] = []

    def _solve(self, rgb: F32, d: F32, unit: float, hairy: F32, start: F32 | None) -> F32:
        alpha = super()._solve(rgb, d, unit, hairy, start)
        self.solves.append((alpha, d, hairy))
        return alpha


def tracked() -> tuple[Frame, Mask, F32, list[Mask]]:
    """Return the frame, its mask, its true alpha and the masks so far."""
    inside = cv2.imread(str(CLIP / "mask0.png"), cv2.IMREAD_GRAYSCALE) > 127
    with open_clip(CLIP / "plate.mp4") as clip:
        tracker = TRACKERS.get("flow")(length=clip.length)
        tracker.prompt(clip[0], Prompt(0, mask=inside))
        frames = list(clip.frames(0, AT + 1))
    masks = [tracker.step(f)[0] for f in frames]
    with av.open(str(CLIP / "alpha.mkv")) as file:
        grey16 = next(islice(file.decode(video=0), AT, None)).to_ndarray(format="gray16le")
    return frames[AT], masks[AT], (grey16 / 65535).astype(np.float32), masks


def panel(picture: U8, label: str, *, whole: bool = False) -> U8:
    """Return the shown part of a picture, enlarged, with a label of one or two lines under it."""
    h, w = (PART[i].stop - PART[i].start for i in (0, 1))
    size = (w * ZOOM, h * ZOOM)
    shown = cv2.resize(picture[PART], size, interpolation=cv2.INTER_CUBIC)
    if whole:
        high = round(picture.shape[0] * size[0] / picture.shape[1])
        shown[:] = 24
        top = (size[1] - high) // 2
        shown[top : top + high] = cv2.resize(picture, (size[0], high), interpolation=cv2.INTER_AREA)
    foot = np.full((56, size[0], 3), 24, np.uint8)
    for i, text in enumerate(label.split("\n")):
        colour = (255, 255, 255) if i == 0 else (190, 190, 190)
        cv2.putText(foot, text, (8, 22 + 24 * i), cv2.FONT_HERSHEY_SIMPLEX, 0.56, colour, 1, cv2.LINE_AA)
    return np.pad(np.concatenate([shown, foot]), ((3, 3), (3, 3), (0, 0)), constant_values=60)


def outlined(rgb: U8, level: F32, colour: tuple[int, int, int] = LINE) -> U8:
    """Return the picture with the line where ``level`` crosses zero."""
    lines, _ = cv2.findContours((level > 0).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(rgb.copy(), lines, -1, colour, 1), np.uint8)


def heat(value: F32) -> U8:
    """Return (H, W) values in [0, 1] as colours, dark to bright."""
    code = np.rint(np.clip(value, 0, 1) * 255).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(code, cv2.COLORMAP_INFERNO)[..., ::-1])


def situation(frame: Frame, masks: list[Mask]) -> U8:
    """Return the whole plate with the shot's region and the part that is shown."""
    region = region_of([b for b in map(bounds_of, masks) if b], frame.size)
    assert region is not None
    whole = outlined(frame.display(), masks[-1].logits)
    cv2.rectangle(whole, (region.x0, region.y0), (region.x1 - 1, region.y1 - 1), (80, 200, 255), 2)
    rows, columns = PART
    cv2.rectangle(whole, (columns.start, rows.start), (columns.stop, rows.stop), (255, 255, 255), 2)
    return whole


def band_sheet(frame: Frame, mask: Mask, masks: list[Mask]) -> U8:
    """Return the stages of ``closed_form``."""
    refiner = Watched()
    matte = refiner.refine(frame, mask)
    whole = Region(0, 0, *frame.size)
    distance = contour_distance(mask.logits, frame.size, whole)
    (first, _, _), (second, _, hairy) = refiner.solves
    put = _putter(frame, mask)
    spread = heat(hairiness(put(first), distance, 1.0))
    share = put(hairy, 0.0)
    growth = CLEAN.growth + share * (HAIRY.growth - CLEAN.growth)
    wide = CLEAN.half_width + share * (HAIRY.half_width - CLEAN.half_width)
    rgb = frame.display()
    band = heat(np.asarray(np.abs(distance) / growth / 2, np.float32))  # two powers of ten
    outside = np.abs(distance) > wide
    band[outside] = spread[outside] = rgb[outside] // 4
    return _sheet(
        panel(situation(frame, masks), "plate\nblue: the shot's region; white: the part shown", whole=True),
        panel(outlined(rgb, mask.logits), "tracked mask\nits contour on the plate"),
        panel(grey(put(first)), "first solve\nband of 8 px, firm prior"),
        panel(
            outlined(spread, distance), "hairiness of the first solve\nbright = strands across the contour"
        ),
        panel(
            outlined(band, distance),
            "band and weight of the prior\ndark: the plate decides; bright: the mask",
        ),
        panel(grey(put(second)), "second solve\nwide and loose where it is hairy"),
        panel(grey(matte.alpha), "alpha\ngrain taken off, guarded"),
        panel(cutout(rgb, matte.alpha, 8), "over a checkerboard\nwith the estimated colour"),
    )


def merge_sheet(frame: Frame, mask: Mask, truth: F32) -> U8:
    """Return the merge of three scales and the guard, on stand-ins made from the true alpha."""
    os8, os4, os1 = (np.asarray(cv2.GaussianBlur(truth, (0, 0), s), np.float32) for s in (8, 4, 1))
    hard = mask.binary.astype(np.float32)
    limits = {"area": float(hard.sum()), "width": frame.size[0]}
    trust = np.abs(guard(1 - hard, mask.logits, **limits) - hard)[..., None]
    rgb = frame.display()
    tinted = np.asarray(np.rint(rgb * (0.3 + 0.7 * trust)), np.uint8)
    alpha = guard(merge(os8, os4, os1, mask.binary), mask.logits, **limits)
    stand_in = "\nstand-in: true alpha, blurred by {} px"
    return _sheet(
        panel(rgb, "plate"),
        panel(grey(hard), "tracked mask\nguide of the decoder, start of the merge"),
        panel(outlined(tinted, mask.logits), "guard\nbright = alpha may differ from the mask"),
        panel(grey(os8), "os8" + stand_in.format(8)),
        panel(grey(os4), "os4" + stand_in.format(4)),
        panel(grey(os1), "os1" + stand_in.format(1)),
        panel(grey(alpha), "merged and guarded alpha\nof the stand-ins: not MAM's output"),
        panel(cutout(rgb, alpha, 8), "over a checkerboard\nof the stand-ins: not MAM's output"),
    )


def _putter(frame: Frame, mask: Mask) -> Callable[..., F32]:
    """Return what puts a stage's crop back into the frame."""
    region = region_around(mask, frame.size, DOUBT_WIDTH + 4)
    assert region is not None

    def put(crop: F32, around: float | None = None) -> F32:
        whole = (mask.logits > 0).astype(np.float32) if around is None else np.full(mask.logits.shape, around)
        whole = np.asarray(whole, np.float32)
        region.crop(whole)[:] = crop
        return whole

    return put


def _sheet(*panels: U8) -> U8:
    half = len(panels) // 2
    return np.concatenate([np.concatenate(panels[:half], 1), np.concatenate(panels[half:], 1)])


def main() -> None:
    """Write both pictures beside this file."""
    frame, mask, truth, masks = tracked()
    for name, sheet in (("band", band_sheet(frame, mask, masks)), ("merge", merge_sheet(frame, mask, truth))):
        path = HERE / f"refiner_{name}.jpg"
        cv2.imwrite(str(path), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
        print(path, sheet.shape, path.stat().st_size // 1000, "kB")


if __name__ == "__main__":
    main()
