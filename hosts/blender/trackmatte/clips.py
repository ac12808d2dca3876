# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender clip as the engine sees it, and the engine's answers in the clip's properties."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bpy

from . import frames, prefs
from .trackmatte_client import paths, sync
from .work import Doing, Outcome, Request

_sent: dict[tuple[int, str], dict[sync.Key, str]] = {}
"""Digests of sent masks: unlike properties, what the engine has is not undone by Blender's undo."""
_shots: dict[tuple[int, str], str] = {}
"""Shot files, for the same reason."""


class ClipError(Exception):
    """A clip cannot be used; one sentence for people."""


def current(context: bpy.types.Context) -> Any:
    """Return the clip of the Movie Clip Editor, else the scene's active clip, else None."""
    clip = getattr(context.space_data, "clip", None)
    return clip or context.scene.active_clip


def source(clip: Any) -> tuple[str, frames.Timing]:
    """Return a clip's absolute path, as a pattern for a sequence, and where it lies in its scene.

    Raises
    ------
    ClipError : its file is missing or its name has no number.
    """
    path = bpy.path.abspath(clip.filepath, library=clip.library)
    if not Path(path).is_file():  # a .blend from Windows
        path = paths.native(path)
    if not Path(path).is_file():
        raise ClipError(f"{path} is not there: find it with File > External Data > Find Missing Files")
    if not all(clip.size) or clip.frame_duration < 1:
        raise ClipError(f"Blender cannot read {path}: fetch it again, or convert it")
    where = timing(clip)
    path = os.path.normpath(path)
    return (paths.pattern(path)[0] if clip.source == "SEQUENCE" else path), where


def timing(clip: Any) -> frames.Timing:
    """Return where a clip lies in its scene, whether or not its file is there.

    Raises
    ------
    ClipError : the name of its first file has no number.
    """
    first = 0
    if clip.source == "SEQUENCE":
        try:
            _, first = paths.pattern(clip.filepath)
        except ValueError as e:
            raise ClipError(str(e)) from e
    return frames.Timing(first, clip.frame_start, clip.frame_offset, clip.frame_duration)


def absolute(path: str) -> str:
    """Return a stored path in full; Windows' own stay as they are."""
    return bpy.path.abspath(paths.native(path)) if path.startswith("//") else path


def relative(path: str, folder: str | None = None) -> str:
    """Return a path relative to the .blend, or a folder, where there is one and both are on one drive."""
    if folder is None and not bpy.data.filepath:
        return path
    try:
        found = bpy.path.relpath(path, start=folder)
        return found.replace("\\", "/") if os.name == "nt" else found
    except ValueError:
        return path


def base(clip_path: str) -> str:
    """Return the folder for new shots: the .blend's, or the clip's while nothing is saved."""
    return str(Path(bpy.data.filepath or clip_path).parent)


def object_name(clip: Any) -> str:
    """Return the active object's name, ``subject`` before there is one."""
    state = clip.trackmatte
    return state.objects[state.active].name if 0 <= state.active < len(state.objects) else "subject"


def ensure_object(clip: Any) -> str:
    """Return the active object's name; the first one is made when it is needed."""
    state = clip.trackmatte
    if not state.objects:
        state.objects.add().name = "subject"
    if not 0 <= state.active < len(state.objects):  # to set it is to show the mask anew
        state.active = min(max(state.active, 0), len(state.objects) - 1)
    return object_name(clip)


def items(clip: Any) -> list[sync.Item]:
    """Return the prompts of a clip as plain values."""
    return [
        sync.Item(p.object, p.frame, p.kind, (*p.position, int(p.subject)), tuple(p.box), p.mask)
        for p in clip.trackmatte.prompts
    ]


def request(context: bpy.types.Context, clip: Any, doing: Doing, **more: Any) -> Request:
    """Return what the engine is to do with a clip.

    Raises
    ------
    ClipError : the clip or its in and out cannot be used.
    """
    path, timing = source(clip)
    state = clip.trackmatte
    span = None
    if state.use_range:
        span = (timing.source(state.frame_in), timing.source(state.frame_out))
        if span[0] > span[1]:
            raise ClipError(f"In ({state.frame_in}) lies behind Out ({state.frame_out})")
    return Request(
        doing,
        path,
        timing.length if clip.source == "MOVIE" else 0,
        base(path),
        size=tuple(clip.size),
        colour="sRGB" if clip.colorspace_settings.name == "sRGB" else None,
        grid=frames.rate(clip.fps) if clip.source == "MOVIE" else None,
        shot=absolute(state.shot) if state.shot else _shots.get(_key(clip), ""),
        python=prefs.python(context),
        prompts=sync.gather(items(clip)),
        masks=_sent.get(_key(clip)) or {(s.object, s.frame): s.digest for s in state.sent},
        range=span,
        tracker=state.tracker,
        refiner=state.refiner,
        preset=state.preset,
        matte=context.scene.trackmatte.view != "MASK",
        frame=timing.source(context.scene.frame_current),
        object=object_name(clip),
        **more,
    )


def accept(clip: Any, outcome: Outcome) -> None:
    """Write what the engine answered into the clip's properties."""
    state = clip.trackmatte
    shot = outcome.state
    if shot is not None:
        state.shot = relative(shot.path)
        _sent[_key(clip)], _shots[_key(clip)] = dict(outcome.masks), shot.path
        state.sent.clear()
        for (name, frame), digest in outcome.masks.items():
            if digest:
                sent = state.sent.add()
                sent.object, sent.frame, sent.digest = name, frame, digest
        for said in shot.objects:
            found = state.objects.get(said.object) or _new_object(state, said.object)
            found.tracked, found.matted, found.lost = (
                ", ".join(f"{a}-{b}" for a, b in part) for part in (said.tracked, said.matted, said.lost)
            )
    if outcome.places is not None:
        state.places.clear()
        for place in outcome.places:
            new = state.places.add()
            new.object, new.frame, new.first, new.last = place.object, place.frame, place.first, place.last
            new.doubt, new.reasons = place.doubt, ", ".join(place.reasons)
        state.place = min(state.place, max(len(state.places) - 1, 0))


def deliveries(clip: Any, outcome: Outcome) -> list[Any]:
    """Write what was delivered into the clip's properties and return those entries."""
    found = []
    for written in outcome.written:
        name = written.objects[0] if written.objects else "subject"
        entry = delivery(clip, name, outcome.preset)
        if entry is None:
            entry = clip.trackmatte.deliveries.add()
            entry.object, entry.preset = name, outcome.preset
        entry.target, entry.padding = relative(written.target), written.padding
        entry.first, entry.last = written.frames[0][0], written.frames[-1][1]
        found.append(entry)
    return found


def delivery(clip: Any, name: str, preset: str) -> Any:
    """Return the delivered sequence of an object, or None."""
    same = (d for d in clip.trackmatte.deliveries if (d.object, d.preset) == (name, preset))
    return next(same, None)


def _new_object(state: Any, name: str) -> Any:
    new = state.objects.add()
    new.name = name
    return new


def at_hand(clip: Any) -> bool:
    """Whether the engine has worked on a clip since this .blend was opened."""
    return _key(clip) in _shots


def forget() -> None:
    """Forget what the engine has: another .blend is opened."""
    _sent.clear()
    _shots.clear()


def identity(clip: Any) -> tuple[int, str]:
    """Return what `find` takes; a clip may be renamed, and undo may move it, while the engine works."""
    return int(getattr(clip, "session_uid", 0)), clip.name


def find(found: tuple[int, str]) -> Any:
    """Return the clip of an identity; None when it is gone."""
    uid, name = found
    if not uid:
        return bpy.data.movieclips.get(name)
    return next((c for c in bpy.data.movieclips if c.session_uid == uid), None)


def _key(clip: Any) -> tuple[int, str]:
    # Another .blend may have a clip of the same name.
    uid, name = identity(clip)
    return uid, "" if uid else f"{bpy.data.filepath}|{name}"
