"""Prompts drawn onto the pixel grid of one frame, and the contradictions that shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import PromptError
from trackmatte.prompt import Box, Point, Prompt, Scribble

CLICK_RADIUS = 0.004
"""Radius of the disc a click pins down, as a fraction of the frame's longer side."""
_SHIFT = 4  # fractional bits of OpenCV's drawing coordinates


@dataclass(frozen=True, slots=True, eq=False)
class Seeds:
    """A prompt on an (H, W) pixel grid."""

    subject: NDArray[np.bool_]
    """(H, W) pixels that clicks and hint strokes put into the subject."""
    background: NDArray[np.bool_]
    """(H, W) pixels that clicks and hint strokes put into the background."""
    paint: NDArray[np.int8]
    """(H, W) 1 = painted subject, -1 = painted background, 0 = not painted; wins over everything."""
    box: tuple[int, int, int, int] | None
    """(x0, y0, x1, y1) pixels, half open, at least one pixel wide and high."""
    clicks: tuple[tuple[int, int, bool], ...]
    """(x, y, is subject) of each click, in pixels."""
    stroked: bool = False
    """Whether a hint stroke, more than a dot, is on the subject."""

    @property
    def any(self) -> bool:
        """Whether clicks or hint strokes say anything."""
        return bool(self.subject.any() or self.background.any())


def draw_seeds(prompt: Prompt, size: tuple[int, int]) -> Seeds:
    """Draw a prompt's clicks, strokes and box.

    Parameters
    ----------
    prompt : positions in [0, 1].
    size : (width, height) in pixels.

    Raises
    ------
    PromptError : a pixel is claimed for both sides, or something positive lies outside the box.
    """
    width, height = size
    hints = [s for s in prompt.scribbles if s.mode == "hint"]
    paint = np.zeros((height, width), np.int8)
    for s in prompt.scribbles:
        if s.mode == "paint":
            paint[draw_stroke(s, size)] = 1 if s.label else -1
    if prompt.box is not None:
        _check_box(prompt, prompt.box, hints)
    seeds = [np.zeros((height, width), np.bool_), np.zeros((height, width), np.bool_)]
    for s in hints:
        seeds[s.label] |= draw_stroke(s, size)
    both = _settle_overlap(seeds, hints, size) & (paint == 0)
    clicks = tuple((*to_pixel(p.x, p.y, size), bool(p.label)) for p in prompt.points)
    centres: dict[tuple[int, int], bool] = {}
    for x, y, positive in clicks:
        if paint[y, x] == 0:
            both[y, x] |= centres.setdefault((x, y), positive) != positive or seeds[not positive][y, x]
    if both.any():
        y, x = (int(v[0]) for v in np.nonzero(both))
        raise PromptError(
            f"the prompt on frame {prompt.frame} claims the place ({(x + 0.5) / width:.3f}, "
            f"{(y + 0.5) / height:.3f}) both for {prompt.object!r} and for the background; "
            "take one of the two away"
        )
    _add_clicks(seeds, prompt.points, clicks)
    for label in (0, 1):
        seeds[label] &= paint == 0
    box = None if prompt.box is None else _pixel_box(prompt.box, size)
    stroked = any(s.label and len(s.points) > 1 for s in hints)
    return Seeds(seeds[1], seeds[0], paint, box, clicks, stroked)


def _settle_overlap(
    seeds: list[NDArray[np.bool_]], hints: list[Scribble], size: tuple[int, int]
) -> NDArray[np.bool_]:
    """Where brushes of both sides overlap, keep only the lines in their middle; return where those cross."""
    overlap = seeds[0] & seeds[1]
    if not overlap.any():
        return overlap
    lines = [np.zeros_like(overlap), np.zeros_like(overlap)]
    for s in hints:
        lines[s.label] |= draw_stroke(replace(s, radius=1e-6), size)
    for label in (0, 1):
        seeds[label] &= ~overlap | (lines[label] & ~lines[1 - label])
    return lines[0] & lines[1]


def _add_clicks(
    seeds: list[NDArray[np.bool_]], points: Iterable[Point], clicks: tuple[tuple[int, int, bool], ...]
) -> None:
    """Add the clicks' discs; where discs of both sides meet, only the centres count."""
    height, width = seeds[0].shape
    discs = [np.zeros((height, width), np.bool_), np.zeros((height, width), np.bool_)]
    for p in points:
        discs[p.label] |= draw_disc(p.x, p.y, CLICK_RADIUS * max(width, height), (width, height))
    contested = discs[0] & discs[1]
    for label in (0, 1):
        seeds[label] |= discs[label] & ~contested & ~seeds[1 - label]
    for x, y, is_subject in clicks:
        seeds[is_subject][y, x], seeds[not is_subject][y, x] = True, False


def _check_box(prompt: Prompt, box: Box, hints: list[Scribble]) -> None:
    where = f"the box ({box.x0:g}, {box.y0:g}) to ({box.x1:g}, {box.y1:g})"
    claims = [("positive click", p.x, p.y, 0.0) for p in prompt.points if p.label]
    claims += [("positive stroke", x, y, s.radius) for s in hints if s.label for x, y in s.points]
    for what, x, y, slack in claims:
        if not (box.x0 - slack <= x <= box.x1 + slack and box.y0 - slack <= y <= box.y1 + slack):
            raise PromptError(
                f"the {what} at ({x:g}, {y:g}) on frame {prompt.frame} lies outside {where}; "
                "enlarge the box or take the mark away"
            )


def draw_stroke(scribble: Scribble, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the (H, W) bool pixels under a stroke; at least the pixel of its first position."""
    width, height = size
    one = 1 << _SHIFT
    scaled = np.array(scribble.points, np.float64) * (width, height) - 0.5
    corners = np.rint(scaled * one).astype(np.int32).reshape(-1, 1, 2)
    canvas = np.zeros((height, width), np.uint8)
    radius = scribble.radius * width
    if len(corners) > 1:
        thickness = max(1, round(2 * radius))
        cv2.polylines(canvas, [corners], False, 1, thickness=thickness, lineType=cv2.LINE_8, shift=_SHIFT)
    for x, y in corners[[0, -1], 0]:
        cv2.circle(canvas, (int(x), int(y)), max(1, round(radius * one)), 1, -1, cv2.LINE_8, _SHIFT)
    for x, y in scribble.points:
        column, row = to_pixel(x, y, size)
        canvas[row, column] = 1
    return canvas.astype(np.bool_)


def draw_disc(x: float, y: float, radius: float, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the (H, W) bool pixels whose centre lies within ``radius`` px of (x, y) in [0, 1]."""
    width, height = size
    column, row = to_pixel(x, y, size)
    dx, dy = np.arange(width) - column, np.arange(height) - row
    disc: NDArray[np.bool_] = dx[None, :] ** 2 + dy[:, None] ** 2 <= radius**2
    return disc


def to_pixel(x: float, y: float, size: tuple[int, int]) -> tuple[int, int]:
    """Return the (column, row) of the pixel that holds a position in [0, 1]."""
    width, height = size
    return min(int(x * width), width - 1), min(int(y * height), height - 1)


def _pixel_box(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    width, height = size
    x0, y0 = min(round(box.x0 * width), width - 1), min(round(box.y0 * height), height - 1)
    return x0, y0, max(round(box.x1 * width), x0 + 1), max(round(box.y1 * height), y0 + 1)
