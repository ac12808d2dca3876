"""Which frames a pass must walk over to make the masks that are missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trackmatte.prompt import Prompt
from trackmatte.shot.keys import MaskKey
from trackmatte.trackers import Arrays


@dataclass(frozen=True, slots=True)
class Job:
    """What one object needs; all frames by index."""

    object: str
    keys: dict[int, MaskKey]
    """What each mask should carry."""
    prompts: dict[int, Prompt]
    memories: dict[int, Arrays]
    """Of prompts that corrected what a pass had seen, what came of it."""
    wanted: frozenset[int]
    """Frames to compute; locked and finished ones are not among them."""
    lineage: str
    """Hash of what a saved state of the pass depends on."""

    @property
    def first(self) -> int:
        """The first prompted frame."""
        return min(self.prompts)

    @property
    def last(self) -> int:
        """The last prompted frame."""
        return max(self.prompts)

    def one_sided(self, index: int) -> bool:
        """Whether only one pass reaches the frame, or the frame is prompted."""
        return index in self.prompts or not self.first < index < self.last


@dataclass(slots=True)
class Leg:
    """An uninterrupted walk of one object's pass."""

    object: str
    start: int
    """First frame stepped on."""
    stop: int
    """Last frame stepped on."""
    state: int | None
    """Frame whose saved state is restored before the start; None = the start is a prompted frame."""


def plan(job: Job, need: Iterable[int], sign: int, *, carries: bool, saved: Sequence[int]) -> list[Leg]:
    """Return the legs of one object's pass, in the order of the pass.

    Parameters
    ----------
    need : frames whose masks the pass must make; none lies before the first prompt in pass order.
    sign : 1 forward, -1 backward.
    carries : whether the tracker carries memories over prompted frames; else it may begin at any.
    saved : frames with a valid saved state.
    """
    ordered = sorted(need, key=lambda i: i * sign)
    anchors = sorted(job.prompts, key=lambda i: i * sign)
    legs: list[Leg] = []
    if not ordered:
        return legs
    earliest = job.first if sign > 0 else _last_before(anchors, ordered[0], sign)
    for n in ordered:
        begin = earliest if carries else _last_before(anchors, n, sign)
        at = [r for r in saved if begin * sign <= r * sign < n * sign]
        state = max(at, key=lambda r: r * sign) if at else None
        start = begin if state is None else state + sign
        if legs and ((n - legs[-1].stop) * sign == 1 or start * sign <= (legs[-1].stop + sign) * sign):
            legs[-1].stop = n
        else:
            legs.append(Leg(job.object, start, n, state))
    return legs


def _last_before(anchors: Sequence[int], index: int, sign: int) -> int:
    """Return the last of ``anchors`` at or before ``index`` in pass order."""
    return [a for a in anchors if a * sign <= index * sign][-1]


def segments(legs: Iterable[Leg], sign: int) -> list[tuple[int, int]]:
    """Return the stretches (first, last) of frames, in pass order, that the legs together walk over."""
    result: list[tuple[int, int]] = []
    for leg in sorted(legs, key=lambda g: g.start * sign):
        if result and leg.start * sign <= (result[-1][1] + sign) * sign:
            end = max(result[-1][1], leg.stop, key=lambda i: i * sign)
            result[-1] = (result[-1][0], end)
        else:
            result.append((leg.start, leg.stop))
    return result
