"""Where a running engine says how to reach it, and where an installed one says where it is."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

ENGINE_FILE = "engine.json"
"""In the runtime folder: port, token, pid, version and protocol of the running engine; its user's alone."""
INSTALL_FILE = "engine.json"
"""In the data folder: the Python that has the engine."""
RUNTIME_VARIABLE = "TRACKMATTE_RUNTIME"
"""Another runtime folder."""
PYTHON_VARIABLE = "TRACKMATTE_PYTHON"
"""The Python that has the engine."""

STARTER_VARIABLE = "TRACKMATTE_STARTER"
"""A mark that a host gives the engine it starts, and that the engine's file repeats as ``starter``."""


def runtime_folder() -> Path:
    """Return the folder of the running engine's file, the same for every program of the user."""
    chosen = os.environ.get(RUNTIME_VARIABLE)
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        return _local_app_data() / "Temp" / "trackmatte"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "TemporaryItems" / "trackmatte"
    user = os.getuid()
    for place in (os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{user}"):
        if place and _private(Path(place), user):
            return Path(place) / "trackmatte"
    return Path(tempfile.gettempdir()) / f"runtime-{user}" / "trackmatte"


def data_folder() -> Path:
    """Return the folder in which Trackmatte keeps what lasts."""
    if sys.platform == "win32":
        return _local_app_data() / "trackmatte"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "trackmatte"
    place = os.environ.get("XDG_DATA_HOME", "")
    base = Path(place) if place.startswith("/") else Path.home() / ".local" / "share"
    return base / "trackmatte"


def _local_app_data() -> Path:
    return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")


def _private(folder: Path, user: int) -> bool:
    """Whether a folder is the user's own and closed to all others."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return folder.is_dir() and found.st_uid == user and found.st_mode & 0o077 == 0
