"""Pictures to judge a matte by: overlay, cut-out over a checkerboard, contact sheet, preview movie."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import OutputError
from trackmatte.files import atomic, write_error, write_image
from trackmatte.numerics.foreground import estimate_foreground

Rgb8 = NDArray[np.uint8]
Alpha = NDArray[np.float32]
CELL = 320
"""Width of a picture on the contact sheet, in pixels."""
LABEL = 18
"""Height of a label line, in pixels."""

_CODE = np.arange(256, dtype=np.float32) / 255
_TO_LIGHT = np.where(_CODE <= 0.04045, _CODE / 12.92, ((_CODE + 0.055) / 1.055) ** 2.4).astype(np.float32)


def overlay(rgb: Rgb8, alpha: Alpha, tint: tuple[int, int, int] = (255, 40, 40)) -> Rgb8:
    """Return the plate with the subject tinted, (H, W, 3) uint8 sRGB; for the eye, not for a comp."""
    a = 0.5 * alpha[..., None]
    return np.asarray(np.rint(rgb * (1 - a) + np.array(tint, np.float32) * a), np.uint8)


def grey(alpha: Alpha) -> Rgb8:
    """Return the matte as (H, W, 3) uint8."""
    return np.repeat(np.rint(alpha * 255).astype(np.uint8)[..., None], 3, axis=2)


def cutout(rgb: Rgb8, alpha: Alpha, square: int = 16) -> Rgb8:
    """Return the subject over a checkerboard, composited in linear light, (H, W, 3) uint8 sRGB.

    Soft pixels take the estimated colour of the subject alone, as in a comp with a decontaminated edge.
    """
    h, w = alpha.shape
    straight = estimate_foreground(rgb, alpha, method="multilevel")
    rgb = np.rint(np.clip(straight, 0, 1) * 255).astype(np.uint8)
    y, x = np.indices((h, w)) // square
    board = np.where((x + y) % 2, np.float32(0.12), np.float32(0.3))[..., None]
    light = _TO_LIGHT[rgb] * alpha[..., None] + board * (1 - alpha[..., None])
    code = np.where(light <= 0.0031308, light * 12.92, 1.055 * np.power(light, 1 / 2.4) - 0.055)
    return np.asarray(np.rint(np.clip(code, 0, 1) * 255), np.uint8)


VIEWS: dict[str, Callable[[Rgb8, Alpha], Rgb8]] = {
    "plate": lambda rgb, _: rgb,
    "matte": lambda _, alpha: grey(alpha),
    "overlay": overlay,
    "cut-out": cutout,
}


def row(rgb: Rgb8, alpha: Alpha, label: str) -> Rgb8:
    """Return all views of one frame side by side under a label line."""
    h, w = alpha.shape
    size = (CELL, max(1, round(CELL * h / w)))
    cells: list[Rgb8] = []
    for name, view in VIEWS.items():
        picture = cv2.resize(view(rgb, alpha), size, interpolation=cv2.INTER_AREA)
        head = np.full((LABEL, CELL, 3), 24, np.uint8)
        text = f"{label} {name}" if not cells else name
        cv2.putText(head, text, (4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (220, 220, 220), 1, cv2.LINE_AA)
        cells.append(np.vstack([head, picture]))
    return np.ascontiguousarray(np.hstack(cells))


def write_sheet(path: Path, rows: Sequence[Rgb8]) -> None:
    """Write a contact sheet, one row per frame, as PNG.

    Raises
    ------
    OutputError : it cannot be written.
    """
    write_image(path, np.vstack(rows), {"oiio:ColorSpace": "sRGB"}, "uint8")


def write_movie(path: Path, pictures: Iterable[Rgb8], rate: Fraction) -> Iterator[int]:
    """Write an H.264 preview movie, yielding the count after each picture; frames are never gathered.

    Parameters
    ----------
    pictures : (H, W, 3) uint8 sRGB, all of one size; odd sizes lose their last row or column.
    rate : frames per second.

    Raises
    ------
    OutputError : it cannot be written.
    """
    with atomic(path) as temporary:
        try:
            yield from _encode(temporary, pictures, rate)
        except av.error.FFmpegError as e:
            raise write_error(path, e if isinstance(e, OSError) else str(e)) from e


def _encode(path: Path, pictures: Iterable[Rgb8], rate: Fraction) -> Iterator[int]:
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as out:
        stream = None
        for count, picture in enumerate(pictures, 1):
            h, w = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
            if not h or not w:
                raise OutputError("the pictures are too small for a movie; make a contact sheet instead")
            if stream is None:
                stream = out.add_stream("libx264", rate=rate, options={"crf": "18", "preset": "fast"})
                stream.width, stream.height, stream.pix_fmt = w, h, "yuv420p"
                stream.thread_count = 2
                stream.codec_context.colorspace = 1  # Rec.709
                stream.codec_context.color_range = 1
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:h, :w]), format="rgb24")
            out.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace="ITU709")))
            yield count
        if stream is not None:
            out.mux(stream.encode(None))
