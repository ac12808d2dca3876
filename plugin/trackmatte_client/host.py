"""What a host must be able to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .protocol.events import ProgressEvent, WrittenEvent

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol
else:
    Protocol = object  # Python 3.7 has none


@dataclass(frozen=True)
class HostClip:
    """The clip that the artist works on in the host."""

    path: str
    """Absolute; a movie, or an image sequence as a folder or pattern."""
    first: int
    """In, in the source's own frame numbers."""
    last: int
    """Out, inclusive."""


class Host(Protocol):
    """The four things that differ between hosts."""

    def current_clip(self) -> HostClip | None:
        """Return the clip that the artist has selected; None = there is none."""
        ...

    def on_main_thread(self, function: Callable[[], None]) -> None:
        """Call ``function`` soon on the thread that may touch the host's data."""
        ...

    def show_progress(self, progress: ProgressEvent | None) -> None:
        """Show how far a job is; None = it ended."""
        ...

    def load_alpha(self, sequence: WrittenEvent) -> None:
        """Bring a delivered sequence into the host."""
        ...
