"""Where the objects of a shot stand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ObjectStatus:
    """Where one object stands; every tuple holds source frame numbers."""

    object: str
    prompted: tuple[int, ...]
    locked: tuple[int, ...]
    tracked: tuple[int, ...]
    """Masks that are up to date or locked."""
    stale: tuple[int, ...]
    """Masks made from other prompts or settings than the present ones."""
    matted: tuple[int, ...]
    """Mattes that are up to date or locked."""
    lost: tuple[int, ...]
    """Tracked frames on which the subject was not found."""
