"""How far a long operation is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of a long operation, yielded after each finished frame."""

    stage: str
    """``track``, ``refine``, ``export``, ``comp``, ``movie``, or ``train`` with steps for frames."""
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

    @property
    def fps(self) -> float:
        """Frames computed per second, 0 before the first."""
        return self.worked / self.seconds if self.seconds > 0 else 0.0

    @property
    def eta(self) -> float:
        """Seconds to go at the present speed; 0 when nothing was computed yet."""
        return (self.total - self.done) / self.fps if self.fps > 0 else 0.0
