# SPDX-License-Identifier: GPL-3.0-or-later
"""A .blend that is saved into another folder: Blender takes its own relative paths along, and this ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
from bpy.app.handlers import persistent

from . import clips

_were: list[tuple[Any, str, str]] = []
"""Holder, property and path before the file was saved."""


@persistent
def _before(path: str, *_: object) -> None:
    """Write the paths as they are seen from where the .blend goes."""
    _were.clear()
    now = bpy.data.filepath
    if not now or not path or Path(now).parent == Path(path).parent:
        return
    for clip in bpy.data.movieclips:
        state = clip.trackmatte
        for holder, name in ((state, "shot"), *((d, "target") for d in state.deliveries)):
            value = getattr(holder, name)
            if value.startswith("//"):
                _were.append((holder, name, value))
                setattr(holder, name, clips.relative(clips.absolute(value), str(Path(path).parent)))


@persistent
def _after(path: str, *_: object) -> None:
    """Take that back where a copy was saved, or nothing: what is open stays where it was."""
    if bpy.data.filepath != path:
        for holder, name, value in _were:
            setattr(holder, name, value)
    _were.clear()


def _handlers() -> list[tuple[Any, Any]]:
    known = bpy.app.handlers
    if not hasattr(known, "save_post_fail"):  # Blender 3.4 does not say where it saves
        return []
    return [(known.save_pre, _before), (known.save_post, _after), (known.save_post_fail, _after)]


def register() -> None:
    """Look after files that are saved."""
    for handlers, function in _handlers():
        handlers.append(function)


def unregister() -> None:
    """Look no more."""
    for handlers, function in _handlers():
        if function in handlers:
            handlers.remove(function)
