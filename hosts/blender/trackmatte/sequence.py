# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a delivered sequence whole? Blender itself renders a missing file as empty and says nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import frames
from .trackmatte_client import paths

EXR_MAGIC = b"\x76\x2f\x31\x01"


@dataclass(frozen=True)
class Report:
    """What is wrong with a sequence."""

    target: str
    first: int
    last: int
    missing: tuple[int, ...] = ()
    broken: tuple[int, ...] = ()
    """Files that are empty or no EXR."""
    outside: tuple[int, ...] = ()
    """Frames that the scene renders and the sequence does not have: Blender holds its nearest end there."""

    @property
    def complete(self) -> bool:
        """Whether every frame from first to last can be read."""
        return not self.missing and not self.broken

    def lines(self) -> list[str]:
        """Return the report for people."""
        name = Path(self.target).name
        count = self.last - self.first + 1
        if self.complete:
            said = [f"{name}: complete, {count} frames {self.first}-{self.last}"]
        else:
            said = [f"{name}: {len(self.missing) + len(self.broken)} of {count} frames cannot be used"]
        if self.missing:
            said.append(f"missing files: {frames.text(self.missing)}; press Matte to make them")
        if self.broken:
            said.append(f"damaged files: {frames.text(self.broken)}; delete them and press Matte")
        if self.outside:
            said.append(
                f"the scene also renders source frames {frames.text(self.outside)}, which have no matte: "
                "there the nearest one is held"
            )
        return said


def check(
    target: str, padding: int, first: int, last: int, *, rendered: tuple[int, int] | None = None
) -> Report:
    """Look at every file of a delivered sequence.

    Parameters
    ----------
    target : pattern with ``#`` for digits.
    first, last : source numbers it must have.
    rendered : source numbers that the scene renders.
    """
    missing, broken = [], []
    for number in range(first, last + 1):
        path = Path(paths.numbered(target, padding, number))
        try:
            with path.open("rb") as file:
                head = file.read(len(EXR_MAGIC))
        except FileNotFoundError:
            missing.append(number)
            continue
        except OSError:
            head = b""
        if not head or (path.suffix.lower() == ".exr" and head != EXR_MAGIC):
            broken.append(number)
    outside = ()
    if rendered is not None:
        outside = tuple(n for n in range(rendered[0], rendered[1] + 1) if not first <= n <= last)
    return Report(target, first, last, tuple(missing), tuple(broken), outside)
