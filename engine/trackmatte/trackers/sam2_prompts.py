"""A prompt in the terms of SAM 2: points, a box, a mask, and paint on top."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.prompt import Prompt, Scribble
from trackmatte.select.raster import draw_seeds

MOST_PER_SIDE = 6
"""Points taken from hint strokes per side; SAM 2 was trained on few clicks."""


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What SAM 2 is told."""

    xy: NDArray[np.float32]
    """(n, 2) in [0, 1]; a box's corners come first."""
    labels: NDArray[np.int32]
    """(n,) 1 subject, 0 background, 2 and 3 a box's corners."""
    mask: NDArray[np.float32] | None
    """(H, W) in [0, 1]."""
    paint: NDArray[np.int8]
    """(H, W) 1 subject, -1 background, 0 not painted."""

    @property
    def only_mask(self) -> bool:
        """Whether no point says anything."""
        return len(self.labels) == 0


def read(prompt: Prompt, size: tuple[int, int]) -> Given:
    """Return a prompt in the terms of SAM 2.

    Parameters
    ----------
    size : (width, height) of the frame.

    Raises
    ------
    PromptError : it contradicts itself.
    """
    paint = draw_seeds(prompt, size).paint
    xy: list[tuple[float, float]] = []
    labels: list[int] = []
    if (b := prompt.box) is not None:
        xy += [(b.x0, b.y0), (b.x1, b.y1)]
        labels += [2, 3]
    for p in prompt.points:
        xy.append((p.x, p.y))
        labels.append(p.label)
    for label in (1, 0):
        strokes = [s for s in prompt.scribbles if s.mode == "hint" and s.label == label]
        for x, y in spread_along(strokes, MOST_PER_SIDE):
            xy.append((x, y))
            labels.append(label)
    mask = prompt.mask
    if mask is not None:
        mask = np.clip(np.nan_to_num(mask.astype(np.float32)), 0, 1)
    elif not labels and paint.any():
        mask = np.zeros(paint.shape, np.float32)
    return Given(np.array(xy, np.float32).reshape(-1, 2), np.array(labels, np.int32), mask, paint)


def spread_along(strokes: list[Scribble], most: int) -> list[tuple[float, float]]:
    """Return at most ``most`` positions spread evenly along the strokes, at least one of each if it fits."""
    if not strokes:
        return []
    share = max(1, most // len(strokes))
    found: list[tuple[float, float]] = []
    for stroke in strokes[:most]:
        path = np.array(stroke.points, np.float64)
        steps = np.hypot(*np.diff(path, axis=0).T) if len(path) > 1 else np.zeros(0)
        along = np.concatenate([[0.0], np.cumsum(steps)])
        count = share if along[-1] > 4 * stroke.radius else 1
        at = (np.arange(count) + 0.5) / count * along[-1]
        found += zip(
            np.interp(at, along, path[:, 0]).tolist(), np.interp(at, along, path[:, 1]).tolist(), strict=True
        )
    return found


def scale_paint(paint: NDArray[np.int8], size: tuple[int, int]) -> NDArray[np.int8]:
    """Bring (H, W) paint to ``size`` (rows, columns); the nearest pixel counts."""
    if paint.shape == size:
        return paint
    scaled = cv2.resize(paint.astype(np.float32), size[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(scaled, np.int8)
