"""Which refiner runs, and why."""

from __future__ import annotations

from importlib.util import find_spec

from trackmatte import weights


def choose_refiner() -> tuple[str, str]:
    """Return the name of the best refiner that can run here, and the reason in half a sentence."""
    if any(find_spec(package) is None for package in ("torch", "segment_anything")):
        return "closed_form", "Matting Anything is not installed here (pip install 'trackmatte[mam]')"
    for found in weights.installed("mam"):
        if weights.find(f"sam_vit_{found.name[-1]}"):
            return "mam", f"its weights {found.name} are here"
    return "closed_form", "there are no weights of Matting Anything here (trackmatte weights list)"
