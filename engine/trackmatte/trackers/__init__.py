"""Trackers: prompts and frames in, one soft mask per object and frame out."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Protocol

from numpy.typing import NDArray

from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.prompt import Prompt
from trackmatte.registry import Registry

Arrays = dict[str, NDArray[Any]]
"""Named plain arrays, what a cache can keep."""


class Tracker(Protocol):
    """A streaming tracker with bounded memory.

    A pass is: ``prompt`` for every prompted frame, in any order, then ``step`` over consecutive frames in
    one direction (indices ascending or descending). An object is under way from the first prompted frame
    that the pass meets, or from `restore`, until `rewind`. ``step`` on a prompted frame returns that
    prompt's mask exactly. Objects do not influence each other.
    """

    version: ClassVar[str]
    """Changes whenever the same input gives other masks, so that cached ones become stale."""
    carries: ClassVar[bool]
    """Whether a pass carries memories over a prompted frame; else it begins afresh there."""
    between: ClassVar[Literal["blend", "forward"]]
    """Frames between two prompts: both passes blended, or the forward pass alone."""

    def __init__(self, *, length: int | None = None, **settings: Any) -> None:
        """Make a tracker for a clip of ``length`` frames; None = not known, many."""
        ...

    @classmethod
    def settle(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Return the settings with everything that decides the masks filled in, such as a model's hash.

        Raises
        ------
        UsageError : there is no such setting.
        MissingPartError : a package or the weights are not there.
        """
        ...

    def prompt(self, frame: Frame, prompt: Prompt, memory: Arrays | None = None) -> Mask:
        """Take a prompt into the permanent memory and return the object's mask on that frame.

        A second prompt for the same object and frame replaces the first. A prompt on the very frame that
        the object's pass has just stepped on corrects what the pass saw there.

        Parameters
        ----------
        memory : what `memory` returned for this very prompt earlier: taken as it is.

        Raises
        ------
        PromptError : it contradicts itself, lies outside, or selects nothing.
        """
        ...

    def memory(self, obj: str, index: int) -> Arrays:
        """Return what the prompt of frame ``index`` became, when it cannot be had again from it alone.

        Empty when the prompt says everything.
        """
        ...

    def look(self, frame: Frame) -> object:
        """Do the part of ``step`` that knows no objects; may run ahead in another thread."""
        ...

    def step(self, frame: Frame, look: object = None) -> list[Mask]:
        """Advance to ``frame`` and return one mask per object under way, in order of first prompt.

        Parameters
        ----------
        look : what `look` returned for the same frame, if it was called.
        """
        ...

    def rewind(self, obj: str | None = None) -> None:
        """Forget where the pass of one or all objects is; prompts and permanent memory stay."""
        ...

    def reset(self) -> None:
        """Forget everything."""
        ...

    def snapshot(self, obj: str) -> Arrays:
        """Return the state of an object's pass (not the prompts); empty when it is not under way.

        After the same prompts and ``restore``, the next ``step`` gives the very same bytes as if the
        pass had never been interrupted.
        """
        ...

    def restore(self, obj: str, state: Arrays) -> None:
        """Put back what ``snapshot`` returned."""
        ...


TRACKERS: Registry[Tracker] = Registry(
    "tracker",
    {
        "flow": "trackmatte.trackers.flow:FlowTracker",
        "sam2": "trackmatte.trackers.sam2:SAM2Tracker",
    },
)

__all__ = ["TRACKERS", "Arrays", "Tracker"]
