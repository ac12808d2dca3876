"""All sessions of the bridge, and where they lie."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from msgspec.structs import replace
from platformdirs import user_cache_path

from trackmatte.server.engine import Engine
from trackmatte.server.ofx.messages import Open
from trackmatte.server.ofx.naming import number_in, numbered_clip, session_of
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


@dataclass(frozen=True)
class Known:
    """A session that a plugin opened."""

    session: Session
    folder: str
    number: int | None
    """By which the plugin named the clip."""
    path: str


class Sessions:
    """The sessions that plugins opened since the engine started."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine, self._folder = engine, folder
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._lock = Lock()

    def open(self, given: Open) -> Session:
        """Open a session, or change the settings of an open one.

        A clip that goes by a number has the session of its path, so that numbers can change hands.

        Raises
        ------
        UsageError : no clip has that number.
        """
        name = folder = given.session.lower()
        number = number_in(given.path) if given.mode == "media" else None
        if number is not None:
            path = numbered_clip(self._folder, number)
            if name == str(session_of(given.path)):
                folder = str(session_of(path))
            given = replace(given, path=path, session=folder)
        with self._lock:
            shared = (known.session for known in self._known.values() if known.folder == folder)
            session = next(shared, None) or Session(self._engine, self._folder / folder)
            self._known[name] = Known(session, folder, number, given.path)
            self._known.move_to_end(name)
            while len(self._known) > KNOWN:
                self._known.popitem(last=False)
        session.open(given)
        return session

    def get(self, name: str) -> Session:
        """Return a session.

        Raises
        ------
        Refusal : it was not opened, or its number is another clip's now.
        UsageError : its number is no clip's any more.
        """
        with self._lock:
            known = self._known.get(name.lower())
            if known is None or not known.session.opened:
                raise Refusal("not_found", f"the engine does not know the session {name}; open it first")
            self._known.move_to_end(name.lower())
        if known.number is not None and numbered_clip(self._folder, known.number) != known.path:
            raise Refusal("not_found", f"the number {known.number} is another clip's now; open it again")
        return known.session
