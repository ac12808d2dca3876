"""What the tests of sessions share."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from tests import ofx_wire as w
from tests.ofx_engine import BOX, Bridged, push
from tests.ofx_wire import Plugin
from trackmatte.shot import Shot

KEYS = range(1001, 1007)


def box(frame: int, **more: object) -> dict[str, object]:
    return {"frame": frame, **BOX, **more}


def finished(plugin: Plugin, session: str, keys: range = KEYS, dtype: str = "uint8") -> None:
    """Push, track and refine."""
    plugin.open(session)
    plugin.prompts(session, boxes=[box(keys[0])])
    push(plugin, session, keys, dtype)
    assert plugin.run(w.TRACK, session, keys[0], keys[-1])["frames"] == len(keys)
    assert plugin.run(w.REFINE, session, keys[0], keys[-1])["frames"] == len(keys)


def by_hand(bridge: Bridged, session: str, folder: Path) -> dict[int, np.ndarray]:
    """Copy a session, throw its cache away, and return the mattes that the library makes of its shot file."""
    shutil.copytree(bridge.shot(session).parent, folder)
    shutil.rmtree(folder / "session.shot/track", ignore_errors=True)
    shutil.rmtree(folder / "session.shot/matte", ignore_errors=True)
    shutil.rmtree(folder / "session.shot/state", ignore_errors=True)
    with Shot.open(folder / "session.shot.json") as shot:
        assert list(shot.track())
        assert list(shot.matte())
        return {n: shot.read_matte("subject", n).alpha for n in shot.numbers()}
