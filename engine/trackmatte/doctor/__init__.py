"""What is installed and what is not, and what each missing piece would enable.

Importing this needs the standard library alone. Every look is on its own: what fails becomes a finding,
so that a broken package hides nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any, Literal

VERSION = 1
"""Of the findings as JSON; it grows when a field or a state changes its meaning or goes."""
State = Literal["ok", "missing", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    section: str
    name: str
    state: State
    """``missing``: not there, and nothing is wrong with that; ``problem``: there, but it does not work."""
    detail: str = ""
    """Version, size, place, or what is wrong."""
    enables: str = ""
    """What it is good for."""
    remedy: str = ""
    """How to get or to repair it."""
    required: bool = False
    """Whether Trackmatte's main job needs it."""

    @property
    def broken(self) -> bool:
        """Whether the main job cannot run."""
        return self.required and self.state != "ok"

    def fields(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        return asdict(self)


SECTIONS: dict[str, str] = {
    "system": "trackmatte.doctor.machine:system",
    "packages": "trackmatte.doctor.packages:base",
    "optional": "trackmatte.doctor.packages:optional",
    "device": "trackmatte.doctor.packages:device",
    "weights": "trackmatte.doctor.models:models",
    "codecs": "trackmatte.doctor.codecs:codecs",
    "images": "trackmatte.doctor.codecs:images",
    "colour": "trackmatte.doctor.codecs:colour",
    "hosts": "trackmatte.doctor.hosts:hosts",
    "folders": "trackmatte.doctor.machine:folders",
}
"""Name -> ``module:function``, in the order of the report."""


def examine() -> Iterator[Finding]:
    """Yield all findings; never raises."""
    for section, place in SECTIONS.items():
        try:
            module, _, name = place.partition(":")
            look: Callable[[], Iterator[Finding]] = getattr(import_module(module), name)
            yield from look()
        except Exception as e:
            yield Finding(section, section, "problem", f"could not be examined: {reason(e)}")


def reason(error: BaseException) -> str:
    """Return an error in one line."""
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
