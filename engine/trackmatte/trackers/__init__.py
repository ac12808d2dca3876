"""Trackers: prompts and frames in, one soft mask per object and frame out."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray

from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.prompt import Prompt
from trackmatte.registry import Registry


class Tracker(Protocol):
    """A streaming tracker with bounded memory.

    A pass is: ``prompt`` for every prompted frame, in any order, then ``step`` over consecutive
    frames in one direction (indices ascending or descending), starting at a prompted frame.
    ``step`` on a prompted frame returns that prompt's mask exactly and re-anchors the tracker there.
    The caller makes the second direction with a second pass (``rewind``, then ``step`` downwards).
    """

    version: ClassVar[str]
    """Changes whenever the same input gives other masks, so that cached ones become stale."""

    def __init__(self, **settings: Any) -> None: ...

    def prompt(self, frame: Frame, prompt: Prompt) -> Mask:
        """Take a prompt into the permanent memory and return the object's mask on that frame.

        A second prompt for the same object and frame replaces the first.

        Raises
        ------
        PromptError : it contradicts itself, lies outside, or selects nothing.
        """
        ...

    def step(self, frame: Frame) -> list[Mask]:
        """Advance to ``frame`` and return one mask per prompted object, in order of first prompt."""
        ...

    def rewind(self) -> None:
        """Forget where the pass is, keep prompts and permanent memory: the next pass may begin."""
        ...

    def reset(self) -> None:
        """Forget everything."""
        ...

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the state of the pass (not the prompts) as named plain arrays.

        After the same prompts and ``restore``, the next ``step`` gives the very same bytes as if the
        pass had never been interrupted.
        """
        ...

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Put back what ``snapshot`` returned."""
        ...


TRACKERS: Registry[Tracker] = Registry("tracker", {"flow": "trackmatte.trackers.flow:FlowTracker"})

__all__ = ["TRACKERS", "Tracker"]
