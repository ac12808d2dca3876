"""How far a long operation is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of a long operation: a finished frame, or a part of one where `parts` says so."""

    stage: str
    """``track``, ``refine``, ``steady``, ``export``, ``comp``, ``movie``, ``layers``, or ``train`` with steps
    for frames."""
    done: int
    """Frames finished in this stage, including those found finished."""
    total: int
    """Frames this stage has to finish."""
    frame: int
    """Source number of the frame just finished."""
    seconds: float
    """Since the stage began."""
    worked: int
    """Frames computed since the stage began; what was found finished is not counted."""
    note: str = ""
    """Something the artist should know about this frame, or empty."""
    parts: int = 1
    """What `done`, `total` and `worked` count of one frame: 100 = hundredths of frames."""

    @property
    def fps(self) -> float:
        """Frames computed per second, 0 before the first."""
        return self.worked / self.parts / self.seconds if self.seconds > 0 else 0.0

    @property
    def eta(self) -> float:
        """Seconds to go at the present speed; 0 when nothing was computed yet."""
        return (self.total - self.done) / self.parts / self.fps if self.fps > 0 else 0.0
