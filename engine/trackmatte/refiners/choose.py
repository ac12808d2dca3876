"""Which refiner runs, and why."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from trackmatte import weights
from trackmatte.refiners import REFINERS


def choose_refiner() -> tuple[str, str]:
    """Return the name of the best refiner that can run here, and the reason in half a sentence."""
    if any(find_spec(package) is None for package in ("torch", "segment_anything")):
        return "closed_form", "Matting Anything is not installed here (pip install 'trackmatte[mam]')"
    for found in weights.installed("mam"):
        if weights.find(f"sam_vit_{found.name[-1]}"):
            return "mam", f"its weights {found.name} are here"
    return "closed_form", "there are no weights of Matting Anything here (trackmatte weights list)"


def settle(refiner: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with everything that decides the mattes filled in.

    Raises
    ------
    UsageError : no such refiner, or it has no such setting.
    MissingPartError : it needs a package or weights that are not there.
    """
    return REFINERS.get(refiner).settle(settings)
