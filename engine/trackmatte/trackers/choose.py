"""Which tracker runs, and why."""

from __future__ import annotations

from importlib.util import find_spec

from trackmatte import weights


def choose_tracker() -> tuple[str, str]:
    """Return the name of the best tracker that can run here, and the reason in half a sentence."""
    if any(find_spec(package) is None for package in ("torch", "sam2")):
        return "flow", "SAM 2 is not installed here (pip install 'trackmatte[sam]')"
    found = weights.installed("sam2")
    if not found:
        return "flow", "there is no SAM 2 checkpoint here (trackmatte weights list)"
    return "sam2", f"its checkpoint {found[0].name} is here"
