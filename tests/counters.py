"""A frame number drawn into the picture, so that a test can prove which frame it has in hand.

    image = counter_image(1003)         what a clip is made of
    read_counter(frame.rgb) == 1003     after any codec
    read_counter(alpha) == 1003         in a delivered matte, if the shot was tracked by "bright"

`register` makes the tracker ``bright`` known: its mask is what is bright in the picture, so that blocks of
the counter become blocks of the matte and every delivered file says which frame it was computed from.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fake import FakeTracker
from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.trackers import TRACKERS

BITS, COLUMNS = 12, 6
BLOCK = 16
"""Side of one counter block in pixels; large enough to survive 4:2:0 and hard quantisation."""
MARK = COLUMNS
"""Column that is always white above black, without which there is no counter."""


def counter_image(n: int, size: tuple[int, int] = (160, 96)) -> NDArray[np.uint8]:
    """Return an (H, W, 3) uint8 picture of frame ``n``: a drifting pattern with the counter on top."""
    w, h = size
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    wave = 110 + 60 * np.sin((x + 3 * n) / 9) * np.cos((y - 2 * n) / 11)
    rgb = np.stack([wave, np.roll(wave, n, 1), 220 - wave], -1)
    for bit in range(BITS):
        rgb[_block(bit // COLUMNS, bit % COLUMNS)] = 235 if n >> bit & 1 else 20
    rgb[_block(0, MARK)], rgb[_block(1, MARK)] = 235, 20
    return np.asarray(np.clip(rgb, 0, 255), np.uint8)


def read_counter(pixels: NDArray[Any]) -> int:
    """Read the number back from the (H, W, C) or (H, W) pixels of a frame or a matte, integer or floating.

    Raises
    ------
    AssertionError : the picture carries no counter.
    """
    scale = np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1
    assert _bright(pixels, 0, MARK, scale), "no counter in this picture"
    assert not _bright(pixels, 1, MARK, scale), "no counter in this picture"
    return sum(_bright(pixels, bit // COLUMNS, bit % COLUMNS, scale) << bit for bit in range(BITS))


def _block(row: int, column: int, inset: int = 0) -> tuple[slice, slice]:
    top, left, side = BLOCK * row + inset, BLOCK * column + inset, BLOCK - 2 * inset
    return slice(top, top + side), slice(left, left + side)


def _bright(pixels: NDArray[Any], row: int, column: int, scale: float) -> bool:
    return bool(pixels[_block(row, column, 4)].astype(np.float64).mean() > scale / 2)


class BrightTracker(FakeTracker):
    """The subject is what is bright: each mask depends on its own frame alone."""

    def _logits(self, frame: Frame) -> NDArray[np.float32]:
        return (frame.display().astype(np.float32).mean(2) - 127.5) / 4

    def step(self, frame: Frame, look: object = None) -> list[Mask]:  # noqa: ARG002
        return [Mask(frame.index, obj, self._logits(frame), 1.0) for obj in self.prompts]


def register() -> None:
    """Make the tracker known as ``bright``."""
    TRACKERS._builtin["bright"] = "tests.counters:BrightTracker"
