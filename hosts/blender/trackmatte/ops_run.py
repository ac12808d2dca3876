# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that let the engine work: track, matte, doubtful frames, stop."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import bpy
from bpy.app.handlers import persistent
from bpy.props import EnumProperty, StringProperty

from . import clips, overlay, results
from .work import Doing, Outcome, Request, Work

TICK = 0.1
"""Seconds between two looks at the engine's news."""
LABELS = {
    "show": "Show",
    "track": "Track",
    "matte": "Matte",
    "places": "Doubtful frames",
    "outline": "To mask",
}
Then = Callable[[bpy.types.Context, Any, Outcome], list[str]]


@dataclass
class Running:
    """Something the engine does for a clip."""

    work: Work
    clip: tuple[int, str]
    scene: str
    then: Then
    text: str = ""
    part: float = 0.0


running: list[Running] = []
_waiting: list[tuple[int, str]] = []
"""The clip whose mask is to be shown next; one at most."""
message: dict[str, Any] = {"text": "", "bad": False}
"""What was said last, for the panel."""


def start(
    operator: bpy.types.Operator, context: bpy.types.Context, doing: Doing, then: Then, **more: Any
) -> set[str]:
    """Let the engine work: at once and to the end without a window, else beside the artist's work."""
    clip = clips.current(context)
    if clip is None:
        operator.report({"ERROR"}, "open a clip in the Movie Clip Editor first")
        return {"CANCELLED"}
    if doing != "show" and busy():
        operator.report({"ERROR"}, "the engine is at work; wait, or press Stop")
        return {"CANCELLED"}
    try:
        request = clips.request(context, clip, doing, **more)
    except clips.ClipError as e:
        operator.report({"ERROR"}, str(e))
        return {"CANCELLED"}
    begun = begin(context, clip, request, then)
    if not bpy.app.background:
        return {"FINISHED"}
    while not begun.work.wait(TICK):
        pass
    running.remove(begun)
    said, bad = _finish(context, begun)
    for line in said:
        operator.report({"ERROR" if bad else "INFO"}, line)
    return {"CANCELLED" if bad else "FINISHED"}


def begin(context: bpy.types.Context, clip: Any, request: Request, then: Then) -> Running:
    """Start work and look after it from Blender's timer."""
    begun = Running(Work(request), clips.identity(clip), context.scene.name, then)
    running.append(begun)
    if request.doing != "show":  # what was said of the job before is past
        message.update(text="", bad=False)
    if not bpy.app.background and not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=TICK)
    return begun


def preview(context: bpy.types.Context, clip: Any) -> None:
    """Show the mask of the scene's frame soon; while one is being fetched the newest wish waits."""
    if bpy.app.background:
        return
    if any(r.work.request.doing == "show" for r in running):
        _waiting[:] = [clips.identity(clip)]
    else:
        begin(context, clip, clips.request(context, clip, "show"), results.show)


def show_again(context: bpy.types.Context) -> None:
    """Forget what the clip editors show and fetch it again."""
    overlay.clear()
    for area in context.screen.areas if context.screen else ():
        clip = area.spaces.active.clip if area.type == "CLIP_EDITOR" else None
        if clip is not None and clips.at_hand(clip):
            with suppress(clips.ClipError):
                preview(context, clip)


@persistent
def _moved(scene: Any, *_: object) -> None:
    """Fetch the mask of the frame that the artist went to, unless the clip plays or is rendered."""
    screen = bpy.context.screen
    if screen is None or screen.is_animation_playing or bpy.app.is_job_running("RENDER"):
        return
    if scene != bpy.context.scene or not scene.trackmatte.overlay:
        return
    for area in screen.areas:
        clip = area.spaces.active.clip if area.type == "CLIP_EDITOR" else None
        if clip is None or not clips.at_hand(clip) or overlay.get(clip.name, scene.frame_current) is not None:
            continue
        with suppress(clips.ClipError):
            preview(bpy.context, clip)


@persistent
def _undone(*_: object) -> None:
    """Show what the prompts select now."""
    show_again(bpy.context)


def _show_waiting() -> None:
    if not _waiting or any(r.work.request.doing == "show" for r in running):
        return
    clip = clips.find(_waiting.pop())
    if clip is not None:
        with suppress(clips.ClipError):
            preview(bpy.context, clip)


def busy() -> bool:
    """Whether a job runs; showing a mask is none."""
    return any(r.work.request.doing != "show" for r in running)


def stop_all() -> None:
    """Stop everything; used before another .blend is opened and when the add-on goes."""
    for begun in running:
        begun.work.leave()
    running.clear()
    _waiting.clear()
    with suppress(ValueError):
        bpy.app.timers.unregister(_tick)


def _tick() -> float | None:
    for begun in list(running):
        news = begun.work.progress()
        if news is not None:
            begun.text, begun.part = news
        if begun.work.finished:
            running.remove(begun)
            said, bad = _finish(bpy.context, begun)
            if said and (bad or begun.work.request.doing != "show"):
                bpy.ops.trackmatte.say(text="; ".join(said), bad="BAD" if bad else "GOOD")
            if begun.work.request.doing != "show":  # showing changes nothing that could be undone
                bpy.ops.ed.undo_push(message=f"Trackmatte: {LABELS[begun.work.request.doing]}")
    _show_waiting()
    results.redraw()
    _status()
    return TICK if running else None


def _status() -> None:
    jobs = [r for r in running if r.work.request.doing != "show"]
    text = None
    if jobs:
        text = f"Trackmatte: {LABELS[jobs[0].work.request.doing]} {jobs[0].part:.0%}  {jobs[0].text}"
    for window in bpy.context.window_manager.windows:
        window.workspace.status_text_set(text)


def _finish(context: bpy.types.Context, begun: Running) -> tuple[list[str], bool]:
    """Take the results over; return what to say and whether it is bad news."""
    work = begun.work
    clip = clips.find(begun.clip)
    if clip is None:
        return [f"the clip {begun.clip[1]} is gone; what was computed lies in its shot"], True
    clips.accept(clip, work.outcome)
    label = LABELS[work.request.doing]
    if work.error:
        said, bad = [work.error], True
    elif work.cancelled:
        said, bad = [f"{label} stopped; what is finished is kept"], False
    else:
        try:
            said, bad = begun.then(context, clip, work.outcome), False
        except (OSError, RuntimeError, clips.ClipError) as e:
            said, bad = [str(e)], True
        except Exception as e:  # nobody is there to catch it, and the artist must hear of it
            said, bad = [f"this should not happen ({e!r}): please report it"], True
    if not bad:
        said += [n for n in dict.fromkeys(work.outcome.notes) if n]
    if said:
        message.update(text="\n".join(said), bad=bad)
    return said, bad


@persistent
def _forget(*_: object) -> None:
    stop_all()
    overlay.clear()
    clips.forget()


class TRACKMATTE_OT_track(bpy.types.Operator):
    """Carry the prompts through the clip; only what is missing or out of date is computed"""

    bl_idname = "trackmatte.track"
    bl_label = "Track"

    direction: EnumProperty(
        items=(
            ("both", "Both", "Both ways from every prompt"),
            ("forward", "Forward", "From the prompts on"),
            ("backward", "Backward", "Back from the prompts"),
        )
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        return start(self, context, "track", _tracked, direction=self.direction)


class TRACKMATTE_OT_matte(bpy.types.Operator):
    """Track what is missing, refine masks into soft mattes, and load them as an image sequence"""

    bl_idname = "trackmatte.matte"
    bl_label = "Matte"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return start(self, context, "matte", _matted)


class TRACKMATTE_OT_show(bpy.types.Operator):
    """Fetch the mask or matte of this frame and show it on the clip"""

    bl_idname = "trackmatte.show"
    bl_label = "Show"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return start(self, context, "show", results.show)


class TRACKMATTE_OT_doubts(bpy.types.Operator):
    """List the frames that need you, most doubtful first"""

    bl_idname = "trackmatte.doubts"
    bl_label = "Find Doubtful Frames"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return start(self, context, "places", lambda _c, clip, _o: _doubtful(clip))


class TRACKMATTE_OT_stop(bpy.types.Operator):
    """Stop after the frame in hand; what is finished stays"""

    bl_idname = "trackmatte.stop"
    bl_label = "Stop"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        for begun in running:
            begun.work.stop()
        return {"FINISHED"}


class TRACKMATTE_OT_say(bpy.types.Operator):
    """Put a sentence into Blender's reports"""

    bl_idname = "trackmatte.say"
    bl_label = "Trackmatte"
    bl_options = {"INTERNAL"}

    text: StringProperty()
    bad: EnumProperty(items=(("GOOD", "Good", ""), ("BAD", "Bad", "")))

    def execute(self, _context: bpy.types.Context) -> set[str]:
        # An ERROR would raise in the timer that calls this.
        self.report({"WARNING" if self.bad == "BAD" else "INFO"}, self.text)
        return {"FINISHED"}


class TRACKMATTE_OT_jump(bpy.types.Operator):
    """Go to the most doubtful frame of this place"""

    bl_idname = "trackmatte.jump"
    bl_label = "Jump"
    bl_options = {"UNDO"}

    index: bpy.props.IntProperty()

    def execute(self, context: bpy.types.Context) -> set[str]:
        clip = clips.current(context)
        state = clip.trackmatte if clip else None
        if state is None or not 0 <= self.index < len(state.places):
            self.report({"ERROR"}, "there is no such place; press Find Doubtful Frames")
            return {"CANCELLED"}
        place = state.places[self.index]
        try:
            _, timing = clips.source(clip)
        except clips.ClipError as e:
            self.report({"ERROR"}, str(e))
            return {"CANCELLED"}
        # Unlike frame_set, this takes the Movie Clip Editors along.
        context.scene.frame_current = timing.scene(place.frame)
        state.place = self.index
        found = max(state.objects.find(place.object), 0)
        if found != state.active:
            state.active = found
        return {"FINISHED"}


def _tracked(context: bpy.types.Context, clip: Any, _outcome: Outcome) -> list[str]:
    overlay.forget(clip.name)
    preview(context, clip)
    return ["tracked", *_doubtful(clip)]


def _matted(context: bpy.types.Context, clip: Any, outcome: Outcome) -> list[str]:
    overlay.forget(clip.name)
    preview(context, clip)
    said = [line for entry in clips.deliveries(clip, outcome) for line in results.load(context, clip, entry)]
    return said or ["nothing was delivered: say what the subject is first"]


def _doubtful(clip: Any) -> list[str]:
    count = len(clip.trackmatte.places)
    return [f"{count} places need you: see Doubtful Frames" if count else "no frame is in doubt"]


def register() -> None:
    """Look after opened files, frame changes and undo."""
    for handlers, function in _handlers():
        handlers.append(function)


def unregister() -> None:
    """Stop what runs."""
    stop_all()
    for handlers, function in _handlers():
        if function in handlers:
            handlers.remove(function)


def _handlers() -> list[tuple[Any, Callable[..., None]]]:
    known = bpy.app.handlers
    shown = [(known.frame_change_post, _moved), (known.undo_post, _undone), (known.redo_post, _undone)]
    return [(known.load_pre, _forget), *([] if bpy.app.background else shown)]


CLASSES = (
    TRACKMATTE_OT_track,
    TRACKMATTE_OT_matte,
    TRACKMATTE_OT_show,
    TRACKMATTE_OT_doubts,
    TRACKMATTE_OT_stop,
    TRACKMATTE_OT_say,
    TRACKMATTE_OT_jump,
)
