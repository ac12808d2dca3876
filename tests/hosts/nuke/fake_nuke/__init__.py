"""A Nuke for tests: it knows some nodes, knobs and functions of the real one and fails on anything else.

What it does follows Foundry's public documentation and public scripts; `tables` says how each knob is known.
Nobody has compared it with a real Nuke.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from . import api, nodes, panels, script
from .main_thread import Deadlock, WrongThread, pump
from .state import State, running, state

__all__ = ["Deadlock", "State", "WrongThread", "pump", "script", "started", "state"]


@contextmanager
def started(*, gui: bool = True, version: str = "14.0v5") -> Iterator[State]:
    """Let ``import nuke`` give a new Nuke with an empty script; what was imported under it goes with it."""
    before = {n: m for n, m in sys.modules.items() if _under(n)}
    for name in before:
        del sys.modules[name]
    paths = list(sys.path)
    sys.modules["nuke"] = api.module(gui=gui, version=version)
    sys.modules["nukescripts"] = panels.module()
    try:
        with running(State(gui=gui)) as found:
            found.root = nodes.Root()
            found.loose = 0
            yield found
    finally:
        for name in [n for n in sys.modules if _under(n)]:
            del sys.modules[name]
        sys.modules.update(before)
        sys.path[:] = paths


def _under(name: str) -> bool:
    return name.split(".", maxsplit=1)[0] in ("nuke", "nukescripts", "trackmatte_nuke")
