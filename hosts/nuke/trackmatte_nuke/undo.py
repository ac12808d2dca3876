"""One step of Nuke's undo for all that one command does, and none for what is not the artist's doing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

import nuke


@contextmanager
def one_step(name: str) -> Iterator[None]:
    """Undo everything in the block in one step; a block that fails leaves nothing behind."""
    nuke.Undo.begin()
    nuke.Undo.name(name)
    try:
        yield
    except BaseException:
        nuke.Undo.cancel()
        raise
    nuke.Undo.end()


@contextmanager
def none() -> Iterator[None]:
    """Record nothing in the block."""
    nuke.Undo.disable()
    try:
        yield
    finally:
        nuke.Undo.enable()
