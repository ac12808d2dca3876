"""All sessions of the bridge, and where they lie."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from threading import Lock

from platformdirs import user_cache_path

from trackmatte.server.engine import Engine
from trackmatte.server.ofx.messages import Open
from trackmatte.server.ofx.session import Session
from trackmatte.server.refusal import Refusal

CACHE_VARIABLE = "TRACKMATTE_CACHE"
"""Another cache folder."""
KNOWN = 64
"""Sessions that the engine remembers; one that it forgot is opened again by the plugin."""


def sessions_folder() -> Path:
    """Return the folder that holds a folder for each session."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return (Path(chosen).absolute() if chosen else user_cache_path("trackmatte", appauthor=False)) / "ofx"


class Sessions:
    """The sessions that plugins opened since the engine started."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine, self._folder = engine, folder
        self._known: OrderedDict[str, Session] = OrderedDict()
        self._lock = Lock()

    def open(self, given: Open) -> Session:
        """Open a session, or change the settings of an open one."""
        name = given.session.lower()
        with self._lock:
            session = self._known.get(name) or Session(self._engine, self._folder / name)
            self._known[name] = session
            self._known.move_to_end(name)
            while len(self._known) > KNOWN:
                self._known.popitem(last=False)
        session.open(given)
        return session

    def get(self, name: str) -> Session:
        """Return a session.

        Raises
        ------
        Refusal : it was not opened.
        """
        with self._lock:
            session = self._known.get(name.lower())
            if session is None or not session.opened:
                raise Refusal("not_found", f"the engine does not know the session {name}; open it first")
            self._known.move_to_end(name.lower())
            return session
