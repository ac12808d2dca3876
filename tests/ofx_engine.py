"""The engine's end of the OFX wire inside the test's process, and counts of what it holds."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests import disc
from tests.ofx_wire import Plugin
from trackmatte.server.engine import Engine
from trackmatte.server.ofx import Bridge

SIZE = (48, 32)
BOX = {"x0": 0.1, "y0": 0.1, "x1": 0.9, "y1": 0.9}
MEMORY = 1 << 20


@dataclass(frozen=True)
class Bridged:
    """A bridge that runs."""

    engine: Engine
    sock: Path
    cache: Path

    def plugin(self, size: int = MEMORY, *, hello: bool = True) -> Plugin:
        """Connect."""
        return Plugin(self.sock, hello=hello, size=size)

    def shot(self, session: str) -> Path:
        """Return the shot file of a session."""
        return self.cache / "ofx" / session / "session.shot.json"


@contextmanager
def bridged(folder: Path) -> Iterator[Bridged]:
    """Run a bridge with folders of its own."""
    run = folder / "run"
    run.mkdir(mode=0o700, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKMATTE_CACHE", str(folder / "cache"))
        patch.setenv("XDG_DATA_HOME", str(folder / "data"))
        engine = Engine()
        try:
            with Bridge(engine, run):
                yield Bridged(engine, run / "ofx.sock", folder / "cache")
        finally:
            engine.stopping.set()
            engine.close()


def plate(i: int, dtype: str = "uint8", comps: int = 4, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return frame ``i`` of the test's clip as a host would give it, (H, W, comps)."""
    rgb = disc.plate_at(i % 40, size).astype(np.float64) / 255
    rgba = np.concatenate([rgb, np.ones((*rgb.shape[:2], 1))], axis=2)[..., :comps]
    if np.dtype(dtype).kind == "f":
        return rgba.astype(dtype)
    return np.rint(rgba * np.iinfo(dtype).max).astype(dtype)


def push(plugin: Plugin, session: str, keys: range, dtype: str = "uint8") -> list[bool]:
    """Send frames, and return which of them were known."""
    return [plugin.frame(session, k, plate(k, dtype)) for k in keys]


@dataclass(frozen=True)
class Held:
    """What the process holds: descriptors, mapped memories, threads of the bridge."""

    fds: int
    maps: int
    threads: int

    def more_than(self, other: Held) -> bool:
        """Whether there is more of anything; less may be: what earlier tests held goes when it likes."""
        return self.fds > other.fds or self.maps > other.maps or self.threads > other.threads


def held() -> Held:
    """Count, without what is only waiting to be collected."""
    gc.collect()
    maps = sum("memfd:pixels" in line for line in Path("/proc/self/maps").read_text().splitlines())
    threads = sum(t.name == "trackmatte ofx plugin" for t in threading.enumerate())
    return Held(len(os.listdir("/proc/self/fd")), maps, threads)  # noqa: PTH208


def settles(wanted: Held, seconds: float = 20.0) -> Held:
    """Return the counts once they are no more than wanted, else what they are when the time is over."""
    end = time.monotonic() + seconds
    while (found := held()).more_than(wanted) and time.monotonic() < end:
        time.sleep(0.02)
    return found
