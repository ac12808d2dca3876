# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing the engine does for the artist, in a process of its own: Python's threads crash Blender.

Blender does not support them ("Python Threads are Not Supported" in its API's documents), and one beside
a running operator did bring it down. The process is Blender's own Python with `steps` and no Blender; the
two talk through files in a private folder, which work alike on every system.
"""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .trackmatte_client import sync
from .trackmatte_client.protocol import messages as m
from .trackmatte_client.protocol.events import WrittenEvent

Doing = Literal["show", "track", "matte", "places", "outline"]
REQUEST, NEWS, RESULT, STOP, LEFT, LOG = "request", "news", "result", "stop", "left", "log"
"""Files: a `Request`; (text, part) as JSON; a `Result`; there to stop; there when nobody waits; prints."""
BEGIN = """
import importlib, sys, types
folder, package, room = sys.argv[1:]
names = package.split(".")
for k in range(1, len(names) + 1):
    sys.modules[".".join(names[:k])] = module = types.ModuleType(".".join(names[:k]))
    module.__path__ = [folder] if k == len(names) else []
importlib.import_module(package + ".steps").main(room)
"""
"""Runs `steps` under the add-on's name, so that both sides know the same classes, without its __init__."""


@dataclass(frozen=True)
class Request:
    """What to do, as plain values taken from the .blend."""

    doing: Doing
    clip: str
    """Absolute: movie, or pattern of a sequence."""
    length: int
    """Frames that Blender counts in a movie; 0 = a sequence, which may have gaps."""
    base: str
    """Absolute folder for new shots."""
    size: tuple[int, int] = (0, 0)
    """Width and height as Blender shows it, pixels; of a proxy when one is shown."""
    colour: str | None = None
    """What Blender takes the clip's code values for, by the engine's name; None = as the clip's tags say."""
    grid: str | None = None
    """Rate at which Blender shows a movie; None = a sequence, whose files are its frames."""
    shot: str = ""
    """Absolute path of the shot file, if there is one."""
    python: str = ""
    prompts: dict[sync.Key, m.Prompt] = field(default_factory=dict)
    masks: dict[sync.Key, str] = field(default_factory=dict)
    """Digests of the masks that were sent before."""
    range: tuple[int, int] | None = None
    tracker: str = "auto"
    refiner: str = "auto"
    preset: str = "matte"
    direction: Literal["both", "forward", "backward"] = "both"
    frame: int = 0
    object: str = "subject"
    matte: bool = False
    """Whether the matte is to be shown, not the mask."""
    frames: tuple[int, ...] = ()
    """Whose masks are to be fetched for an outline."""


@dataclass
class Outcome:
    """What came of it."""

    state: m.ShotState | None = None
    masks: dict[sync.Key, str] = field(default_factory=dict)
    places: tuple[m.Place, ...] | None = None
    written: list[WrittenEvent] = field(default_factory=list)
    preset: str = ""
    frame: int = 0
    """Source number that the overlay is of."""
    object: str = ""
    overlay: bytes = b""
    """Grey PNG."""
    images: dict[int, bytes] = field(default_factory=dict)
    """Grey PNGs by source number."""
    selected: list[m.Selected] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class Result:
    """How it ended."""

    outcome: Outcome
    error: str = ""
    """One sentence when it failed."""
    cancelled: bool = False


class Work:
    """Runs a request; poll `progress` and `finished` from a timer."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self._result = Result(Outcome(frame=request.frame, object=request.object))
        self._process: subprocess.Popen[bytes] | None = None
        self._told: tuple[str, float] | None = None
        self._room = Path(tempfile.mkdtemp(prefix="trackmatte-"))
        try:
            (self._room / REQUEST).write_bytes(pickle.dumps(request))
            self._process = self._started()
        except OSError as e:
            self._result.error = f"{e.filename or sys.executable}: {e.strerror or e}"
            shutil.rmtree(self._room, ignore_errors=True)

    def _started(self) -> subprocess.Popen[bytes]:
        package, folder = __name__.rpartition(".")[0], Path(__file__).parent
        with (self._room / LOG).open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-I", "-c", BEGIN, folder, package, self._room],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )

    @property
    def finished(self) -> bool:
        """Whether nothing more will come."""
        if self._process is not None and self._process.poll() is not None:
            self._take(self._process.returncode)
            self._process = None
        return self._process is None

    @property
    def outcome(self) -> Outcome:
        """What came of it, once it is finished."""
        return self._result.outcome

    @property
    def error(self) -> str:
        """One sentence when it failed, else empty."""
        return self._result.error

    @property
    def cancelled(self) -> bool:
        """Whether it was stopped."""
        return self._result.cancelled

    def progress(self) -> tuple[str, float] | None:
        """Return the newest (text, part done in [0, 1]) if it is another than at the last call, else None."""
        try:
            text, part = json.loads((self._room / NEWS).read_text(encoding="utf-8"))
        except (OSError, ValueError):  # nothing yet, or it is being replaced
            return None
        last, self._told = self._told, (text, part)
        return None if last == self._told else self._told

    def stop(self) -> None:
        """Stop after the frame in hand; what is finished stays."""
        with suppress(OSError):
            (self._room / STOP).touch()

    def leave(self) -> None:
        """Stop, and wait no more for what comes of it."""
        if self._process is not None:
            with suppress(OSError):
                (self._room / LEFT).touch()
            self.stop()

    def wait(self, seconds: float) -> bool:
        """Wait until it is finished; return whether it is."""
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        return self.finished

    def _take(self, code: int) -> None:
        try:
            self._result = pickle.loads((self._room / RESULT).read_bytes())
        except (OSError, EOFError, pickle.UnpicklingError):
            last = ""
            with suppress(OSError):
                lines = (self._room / LOG).read_text(encoding="utf-8", errors="replace").split("\n")
                last = "".join(f"{line}; " for line in lines[-2:-1])
            self._result.error = f"what speaks with the engine ended ({code}): {last}try again"
        shutil.rmtree(self._room, ignore_errors=True)
