"""Which tracker runs, and why."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from trackmatte import weights
from trackmatte.trackers import TRACKERS


def choose_tracker() -> tuple[str, str]:
    """Return the name of the best tracker that can run here, and the reason in half a sentence."""
    if any(find_spec(package) is None for package in ("torch", "sam2")):
        return "flow", "SAM 2 is not installed here (pip install 'trackmatte[sam]')"
    found = weights.installed("sam2")
    if not found:
        return "flow", "there is no SAM 2 checkpoint here (trackmatte weights list)"
    return "sam2", f"its checkpoint {found[0].name} is here"


def settle(tracker: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with everything that decides the masks filled in.

    Raises
    ------
    UsageError : no such tracker, or it has no such setting.
    MissingPartError : it needs a package or weights that are not there.
    """
    return TRACKERS.get(tracker).settle(settings)
