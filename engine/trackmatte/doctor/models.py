"""Model weights, and what ``auto`` would take."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from trackmatte.doctor import Finding
from trackmatte.doctor.packages import torch_probe

NEEDS = {"sam2": ("torch", "sam2"), "mam": ("torch", "segment_anything")}


def models() -> Iterator[Finding]:
    """Yield the weights that are installed and the tracker and refiner that ``auto`` takes."""
    from trackmatte import weights
    from trackmatte.refiners.choose import choose_refiner
    from trackmatte.trackers.choose import choose_tracker

    here = weights.installed()
    for w in here:
        yield Finding("weights", w.name, "ok", f"{w.family}, {w.licence}, {weights.find(w.name)}")
    for family, enables in (("sam2", "tracking with SAM 2"), ("mam", "mattes by Matting Anything")):
        if not any(w.family == family for w in here):
            best = next(w for w in weights.known() if w.family == family)
            yield Finding(
                "weights",
                f"{family} weights",
                "missing",
                "none is installed",
                enables,
                f"trackmatte weights fetch {best.name}" if best.direct else "trackmatte weights list",
            )
    for note in weights.notes():
        yield Finding("weights", "folder", "problem", note)
    yield _auto("tracker", choose_tracker)
    yield _auto("refiner", choose_refiner)


def _auto(part: str, choose: Callable[[], tuple[str, str]]) -> Finding:
    name, why = choose()
    wrong = [torch_probe()["packages"].get(p, "") for p in NEEDS.get(name, ())]
    if any(wrong):
        says = f"takes {name}, which cannot run: {next(filter(None, wrong))}"
        plain = "flow" if part == "tracker" else "closed_form"
        return Finding("weights", f"auto {part}", "problem", says, remedy=f"add --{part} {plain}")
    return Finding("weights", f"auto {part}", "ok", f"takes {name}: {why}")
