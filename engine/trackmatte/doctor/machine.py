"""The machine: system, memory, folders."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from trackmatte import __version__
from trackmatte.doctor import Finding

LOW = 1 << 30
"""Free bytes below which a disk is called nearly full."""


def system() -> Iterator[Finding]:
    """Yield versions, processor and memory."""
    yield Finding("system", "Trackmatte", "ok", f"{__version__} in {Path(__file__).parents[1]}")
    new = sys.version_info >= (3, 11)
    yield Finding(
        "system",
        "Python",
        "ok" if new else "problem",
        f"{platform.python_version()} ({sys.executable})",
        remedy="" if new else "install Python 3.11 or newer",
        required=True,
    )
    yield Finding("system", "system", "ok", f"{platform.platform()}, {platform.machine()}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("system", "processor", "ok", f"{cores} cores")
    if (total := memory()) is not None:
        yield Finding("system", "memory", "ok", size(total))


def memory() -> int | None:
    """Return the bytes of the machine's memory, or None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def size(count: float) -> str:
    """Return bytes in words."""
    return f"{count / (1 << 30):.1f} GiB"


def folders() -> Iterator[Finding]:
    """Yield where weights and results go: whether they can be written, and what is free."""
    from trackmatte import weights

    yield _folder("weights", weights.folder(), f"choose another with {weights.FOLDER_VARIABLE}")
    yield _folder("current folder", Path.cwd(), "results go where --out says, a shot's cache beside its file")


def _folder(name: str, path: Path, remedy: str) -> Finding:
    nearest = next(p for p in (path, *path.parents) if p.exists())
    free = shutil.disk_usage(nearest).free
    detail = f"{path}, {size(free)} free" + ("" if nearest == path else ", not made yet")
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
        return Finding("folders", name, "problem", f"{detail}, cannot be written", remedy=remedy)
    if free < LOW:
        return Finding("folders", name, "problem", f"{detail}, nearly full", remedy="free some space")
    return Finding("folders", name, "ok", detail)
