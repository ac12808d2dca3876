# SPDX-License-Identifier: GPL-3.0-or-later
"""Which outline is which from frame to frame: a spline of an animated mask lives through the whole clip."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from . import outline

LEAST = 0.02
"""Part of the largest outline's area below which a piece or hole is left out."""
MOST = 12
"""Splines at most: each one is something to correct by hand."""
CORNERS = 6
"""Points of a spline, at least."""

GONE = 1e-3
"""Size of what is not there: Blender draws a line where all points of a spline lie on one spot."""


@dataclass(eq=False)
class Piece:
    """A piece of the subject, or a hole in it, by frame."""

    hole: bool
    lines: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    """Outlines (N, 2), pixels."""

    @property
    def size(self) -> float:
        """The largest area it has."""
        return max(abs(outline.area(line)) for line in self.lines.values())

    def away(self, line: NDArray[np.float64]) -> float:
        """Return how far an outline is from where this was last, in its own widths."""
        last = next(reversed(self.lines.values()))
        step = np.hypot(*(line.mean(0) - last.mean(0)))
        return float(step / max(abs(outline.area(line)), abs(outline.area(last))) ** 0.5)


def follow(masks: dict[int, NDArray[np.bool_]]) -> list[Piece]:
    """Return the pieces and holes of a subject, the largest first.

    Parameters
    ----------
    masks : (H, W) by frame.
    """
    pieces: list[Piece] = []
    largest: list[Piece] = []
    for frame in sorted(masks):
        lines = outline.trace(masks[frame])
        free = list(pieces)
        for line in lines:
            size = outline.area(line)
            if abs(size) < LEAST * outline.area(lines[0]):
                break
            near = [p for p in free if p.hole == (size < 0) and p.away(line) < 1]
            if line is lines[0]:  # the subject itself may be fast
                near = near or largest
            piece = min(near, key=lambda p: p.away(line)) if near else Piece(size < 0)
            if near:
                free.remove(piece)
            else:
                pieces.append(piece)
            if line is lines[0]:
                largest = [piece]
            piece.lines[frame] = line
    return sorted(pieces, key=lambda p: -p.size)[:MOST]


def points(piece: Piece, frames: list[int], count: int) -> dict[int, NDArray[np.float64]]:
    """Return a piece's points (count, 2) on all frames, pixels; where it is not, tiny ones."""
    shapes: dict[int, NDArray[np.float64]] = {}
    before = None
    for frame in sorted(piece.lines):
        before = shapes[frame] = outline.fitted(piece.lines[frame], count, before)
    for frame in frames:
        if frame not in shapes:
            nearest = min(piece.lines, key=lambda f: abs(f - frame))
            middle = shapes[nearest].mean(0)
            shapes[frame] = middle + GONE * (shapes[nearest] - middle)
    return shapes


def counts(pieces: list[Piece], most: int) -> list[int]:
    """Return how many points each piece gets: the longest outline ``most``, the others by their lengths."""
    lengths = [max(len(line) for line in p.lines.values()) for p in pieces]
    return [max(round(most * n / max(lengths)), min(CORNERS, most)) for n in lengths]
