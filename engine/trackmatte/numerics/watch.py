"""Long calculations that tell how far they are and can be ended between two steps."""

from __future__ import annotations

from collections.abc import Callable

Watch = Callable[[float], None]
"""Called between steps with the part that is done, 0 to 1, never falling. What it raises ends the work."""


def unwatched(_: float) -> None:
    """Nobody looks."""


def part_of(watch: Watch, begin: float, end: float) -> Watch:
    """Return the watch of a stage that takes the work from ``begin`` to ``end``."""
    return lambda share: watch(begin + (end - begin) * min(1.0, share))
