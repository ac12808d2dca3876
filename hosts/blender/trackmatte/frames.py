# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's scene frames and the source's own frame numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Timing:
    """Where a clip lies in its scene.

    Parameters
    ----------
    first : number of the source's first frame: 0 in a movie, the first file's number in a sequence.
    start : scene frame at which the clip begins (`MovieClip.frame_start`).
    offset : frames skipped at its head (`MovieClip.frame_offset`).
    length : frames that Blender counts.
    """

    first: int
    start: int = 1
    offset: int = 0
    length: int = 0

    def source(self, scene_frame: int) -> int:
        """Return the source's number of what the scene shows at a frame."""
        return self.first + scene_frame - self.start + self.offset

    def scene(self, number: int) -> int:
        """Return the scene frame that shows a source number."""
        return number - self.first + self.start - self.offset

    def image_user(self, first: int, last: int) -> tuple[int, int, int]:
        """Return (frame_start, frame_offset, frame_duration) that show files ``first`` to ``last`` on time.

        Blender shows at scene frame f the file f - frame_start + 1 + frame_offset.
        """
        return self.scene(first), first - 1, last - first + 1


def parse(text: str) -> list[tuple[int, int]]:
    """Return the spans of ``1001-1004, 1007-1007``."""
    return [(int(a), int(b)) for a, b in re.findall(r"(-?\d+)-(-?\d+)", text)]


def rate(fps: float) -> str:
    """Return frames per second that Blender keeps in 32 bits as they are meant: ``25``, ``30000/1001``."""
    return str(Fraction(fps).limit_denominator(1001))


def spans(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return sorted numbers as inclusive spans."""
    found: list[tuple[int, int]] = []
    for n in sorted(set(numbers)):
        if found and n == found[-1][1] + 1:
            found[-1] = (found[-1][0], n)
        else:
            found.append((n, n))
    return found


def text(numbers: Iterable[int]) -> str:
    """Return numbers for people: ``1001-1004, 1007``."""
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans(numbers))
