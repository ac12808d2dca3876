"""Whether an object's mask moves with the picture: a sign of jumps and of drift."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.trackers import Arrays
from trackmatte.trackers.flow_motion import luma, positions, sample

SIDE = 256
"""Longest side of the grid on which motion is judged, in pixels."""
_CLIP = 8.0
"""Log-odds beyond this say no more, and would shift the edge when they are interpolated."""

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]


class Drift:
    """Compares each mask with the one before it in the pass, carried along by the picture's motion.

    Motion is dense inverse search flow (Kroeger et al., ECCV 2016) between the two frames on a small
    grid. Feed it the frames in the order of the pass, forward or backward; one frame is remembered.
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self.forget()

    def forget(self) -> None:
        """Start anew: the next frame has nothing before it."""
        self._index: int | None = None
        self._size = (0, 0)
        self._luma: U8 = np.zeros((0, 0), np.uint8)
        self._masks: dict[str, F32] = {}

    def snapshot(self, obj: str) -> Arrays:
        """Return what is remembered of an object, so that an interrupted pass goes on the same."""
        if self._index is None or obj not in self._masks:
            return {}
        return {
            "drift.at": np.array([self._index, *self._size], np.int64),
            "drift.luma": self._luma,
            "drift.mask": self._masks[obj],
        }

    def restore(self, obj: str, state: Arrays) -> None:
        """Put back what `snapshot` returned."""
        if "drift.at" not in state:
            return
        index, width, height = (int(i) for i in state["drift.at"])
        if self._index != index:
            self.forget()
            self._index, self._size, self._luma = index, (width, height), state["drift.luma"]
        self._masks[obj] = state["drift.mask"]

    def measure(self, index: int, rgb: U8, masks: Sequence[Mask]) -> dict[str, float]:
        """Return, per object, how well its mask agrees with its carried predecessor.

        Parameters
        ----------
        index : 0-based position of the frame in the clip.
        rgb : (H, W, 3) uint8 sRGB, the frame as models see it, or `thin`.
        masks : this frame's masks; their logits cover the frame at any scale and aspect.

        Returns
        -------
        Intersection over union in [0, 1] by object name: 1.0 when both masks are empty, 0.0 when one is.
        An object has no entry when nothing is known of it on the neighbouring frame: at the start, after
        a jump of the index, or when the size of the frames changed.
        """
        size = rgb.shape[1], rgb.shape[0]
        if self._index is None or abs(index - self._index) != 1 or size != self._size:
            self.forget()
        columns, rows = grid = _grid(size)
        present = luma(cv2.resize(rgb, grid, interpolation=cv2.INTER_AREA))
        logits = {m.object: _small(m.logits, grid) for m in masks}
        known = [name for name in logits if name in self._masks]
        agreement = {}
        if known:
            at = positions(rows, columns) + self._flow.calc(present, self._luma, None)
            for name in known:
                agreement[name] = _overlap(logits[name] > 0, sample(self._masks[name], at) > 0)
        self._index, self._size, self._luma, self._masks = index, size, present, logits
        return agreement


def thin(frame: Frame) -> U8:
    """Return every so many pixels of a frame, enough for `Drift`: converting all of a 4K plate is not."""
    step = max(1, max(frame.size) // (2 * SIDE))
    return frame.colour.display(frame.rgb[::step, ::step])


def _grid(size: tuple[int, int]) -> tuple[int, int]:
    """Return (columns, rows) of the small grid; no side is below the 16 px that the flow needs."""
    scale = min(1.0, SIDE / max(size))
    columns, rows = (max(16, round(side * scale)) for side in size)
    return columns, rows


def _small(logits: F32, grid: tuple[int, int]) -> F32:
    small = cv2.resize(logits, grid, interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(np.nan_to_num(small), -_CLIP, _CLIP), np.float32)


def _overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    union = np.count_nonzero(a | b)
    return float(np.count_nonzero(a & b) / union) if union else 1.0
