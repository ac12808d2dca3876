# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that say what the subject is; each is one step of Blender's undo."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatVectorProperty, StringProperty

from . import clips, masks, ops_run


class _Prompting(bpy.types.Operator):
    """What prompts have in common."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return clips.current(context) is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        clip = clips.current(context)
        try:
            _, timing = clips.source(clip)
            number = timing.source(context.scene.frame_current)
            if not 0 <= number - timing.first < timing.length:
                first, last = timing.scene(timing.first), timing.scene(timing.first + timing.length - 1)
                raise clips.ClipError(f"the clip is not seen here: it lies on frames {first} to {last}")
            self.say(context, clip, number)
            ops_run.preview(context, clip)
        except clips.ClipError as e:
            self.report({"ERROR"}, str(e))
            return {"CANCELLED"}
        return {"FINISHED"}

    def say(self, context: bpy.types.Context, clip: Any, number: int) -> None:
        """Add to the clip's prompts at a source frame."""
        raise NotImplementedError


class TRACKMATTE_OT_add_point(_Prompting):
    """Say with a point what is subject or background"""

    bl_idname = "trackmatte.add_point"
    bl_label = "Add Point"

    position: FloatVectorProperty(
        name="Position", description="From the top left", size=2, min=0, max=1, default=(0.5, 0.5)
    )
    subject: BoolProperty(name="Subject", default=True)

    def say(self, _context: bpy.types.Context, clip: Any, number: int) -> None:
        new = _new(clip, number, "POINT")
        new.position, new.subject = self.position, self.subject


class TRACKMATTE_OT_add_box(_Prompting):
    """Say with a box where the subject is"""

    bl_idname = "trackmatte.add_box"
    bl_label = "Add Box"

    box: FloatVectorProperty(
        name="Box",
        description="Left, top, right, bottom",
        size=4,
        min=0,
        max=1,
        default=(0.25, 0.25, 0.75, 0.75),
    )

    def say(self, _context: bpy.types.Context, clip: Any, number: int) -> None:
        left, top, right, bottom = self.box
        if left >= right or top >= bottom:
            raise clips.ClipError("the box is empty: drag from one corner to the other")
        _drop(clip, number, "BOX")
        _new(clip, number, "BOX").box = self.box


class TRACKMATTE_OT_add_mask(_Prompting):
    """Use a Blender mask, as it is on this frame, as the prompt; also to hand a corrected mask back"""

    bl_idname = "trackmatte.add_mask"
    bl_label = "Use Mask"

    mask: StringProperty(name="Mask", description="Empty: the one shown in the editor")

    def say(self, context: bpy.types.Context, clip: Any, number: int) -> None:
        name = self.mask or getattr(getattr(context.space_data, "mask", None), "name", "")
        mask = bpy.data.masks.get(name)
        if mask is None:
            raise clips.ClipError(
                "choose a mask: set the Movie Clip Editor to Mask and pick one in its header"
            )
        try:
            picture = masks.rasterise(context, mask, *clip.size)
        except RuntimeError as e:
            raise clips.ClipError(f"the mask {mask.name} cannot be drawn: {e}") from e
        if picture.max() < 0.5:
            raise clips.ClipError(f"the mask {mask.name} covers nothing on this frame")
        _drop(clip, number, "MASK")
        _new(clip, number, "MASK").mask = masks.encode(picture)


class TRACKMATTE_OT_add_marker(_Prompting):
    """Use the selected tracking markers, as they are on this frame, as points on the subject"""

    bl_idname = "trackmatte.add_marker"
    bl_label = "Use Markers"

    subject: BoolProperty(name="Subject", default=True)

    def say(self, context: bpy.types.Context, clip: Any, number: int) -> None:
        frame = context.scene.frame_current - clip.frame_start + 1
        found = []
        for track in clip.tracking.objects.active.tracks:
            marker = track.markers.find_frame(frame) if track.select else None
            if marker is not None and not marker.mute:
                found.append((marker.co[0], 1 - marker.co[1]))
        if not found:
            raise clips.ClipError("no selected marker has a position on this frame")
        for position in found:
            new = _new(clip, number, "POINT")
            new.position, new.subject = position, self.subject


class TRACKMATTE_OT_pick(bpy.types.Operator):
    """Click on the clip: a point on the subject, with Ctrl on the background; drag: a box; Esc ends"""

    bl_idname = "trackmatte.pick"
    bl_label = "Pick"

    mode: EnumProperty(
        items=(("ADD", "Subject", ""), ("SUBTRACT", "Background", ""), ("BOX", "Box", "")), default="ADD"
    )
    _start: tuple[float, float] | None = None
    _picks = 0
    """How often one was begun: the newest takes the clicks and ends the others."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.area is not None and clips.current(context) is not None

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        if context.area.type != "CLIP_EDITOR":
            self.report({"ERROR"}, "points are picked in the Movie Clip Editor")
            return {"CANCELLED"}
        TRACKMATTE_OT_pick._picks += 1
        self._number = TRACKMATTE_OT_pick._picks
        context.window_manager.modal_handler_add(self)
        context.window.cursor_modal_set("CROSSHAIR")
        context.area.header_text_set("Click: subject   Ctrl: background   Drag: box   Esc, right click: end")
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if self._number != TRACKMATTE_OT_pick._picks:
            return {"FINISHED", "PASS_THROUGH"}
        area = context.area  # None once the editor was maximised or closed
        if event.type in {"ESC", "RIGHTMOUSE", "RET"} or area is None or area.type != "CLIP_EDITOR":
            context.window.cursor_modal_restore()
            if area is not None:
                area.header_text_set(None)
            return {"FINISHED"}
        where = _position(context, event)
        if event.type != "LEFTMOUSE" or (where is None and event.value == "PRESS"):
            return {"PASS_THROUGH"}
        if event.value == "PRESS":
            self._start = where
        elif event.value == "RELEASE" and self._start is not None:
            self._place(self._start, where or self._start, minus=event.ctrl or self.mode == "SUBTRACT")
            self._start = None
        return {"RUNNING_MODAL"}

    def _place(self, start: tuple[float, float], end: tuple[float, float], *, minus: bool) -> None:
        (x, y), (u, v) = start, end
        try:
            if abs(x - u) > 0.01 and abs(y - v) > 0.01:
                box = (min(x, u), min(y, v), max(x, u), max(y, v))
                bpy.ops.trackmatte.add_box("EXEC_DEFAULT", True, box=box)
            elif self.mode != "BOX":
                bpy.ops.trackmatte.add_point("EXEC_DEFAULT", True, position=start, subject=not minus)
        except RuntimeError as e:
            self.report({"WARNING"}, str(e).removeprefix("Error: ").strip())


class TRACKMATTE_OT_clear(bpy.types.Operator):
    """Take back what was said about the object"""

    bl_idname = "trackmatte.clear"
    bl_label = "Clear"
    bl_options = {"REGISTER", "UNDO"}

    what: EnumProperty(
        items=(
            ("LAST", "Last", "The last prompt on this frame"),
            ("FRAME", "Frame", "All prompts on this frame"),
            ("ALL", "All", "All prompts on all frames"),
        )
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        clip = clips.current(context)
        try:
            number = clips.source(clip)[1].source(context.scene.frame_current)
        except (clips.ClipError, AttributeError) as e:
            self.report({"ERROR"}, str(e) if clip else "there is no clip")
            return {"CANCELLED"}
        name, prompts = clips.object_name(clip), clip.trackmatte.prompts
        of_object = [i for i, p in enumerate(prompts) if p.object == name]
        here = [i for i in of_object if prompts[i].frame == number]
        for index in reversed({"LAST": here[-1:], "FRAME": here, "ALL": of_object}[self.what]):
            prompts.remove(index)
        ops_run.show_again(context)
        return {"FINISHED"}


class TRACKMATTE_OT_object_add(bpy.types.Operator):
    """Add an object"""

    bl_idname = "trackmatte.object_add"
    bl_label = "Add Object"
    bl_options = {"REGISTER", "UNDO"}

    name: StringProperty(name="Name", default="subject")

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context: bpy.types.Context) -> set[str]:
        clip = clips.current(context)
        name = self.name.strip()
        if clip is None or not name or clip.trackmatte.objects.get(name):
            self.report(
                {"ERROR"}, f"there is an object {name!r} already" if name else "an object needs a name"
            )
            return {"CANCELLED"}
        state = clip.trackmatte
        state.objects.add().name = name
        state.active = len(state.objects) - 1
        return {"FINISHED"}


class TRACKMATTE_OT_object_remove(bpy.types.Operator):
    """Remove the object and all that was said about it; delivered files stay"""

    bl_idname = "trackmatte.object_remove"
    bl_label = "Remove Object"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        clip = clips.current(context)
        if clip is None or not clip.trackmatte.objects:
            return {"CANCELLED"}
        state, name = clip.trackmatte, clips.ensure_object(clip)
        for index in reversed([i for i, p in enumerate(state.prompts) if p.object == name]):
            state.prompts.remove(index)
        state.objects.remove(state.active)
        state.active = max(state.active - 1, 0)
        return {"FINISHED"}


def _new(clip: Any, number: int, kind: str) -> Any:
    name = clips.ensure_object(clip)
    new = clip.trackmatte.prompts.add()
    new.object, new.frame, new.kind = name, number, kind
    return new


def _drop(clip: Any, number: int, kind: str) -> None:
    """Remove the object's prompts of a kind that there is one of per frame."""
    name, prompts = clips.ensure_object(clip), clip.trackmatte.prompts
    for index in reversed(range(len(prompts))):
        if (prompts[index].object, prompts[index].frame, prompts[index].kind) == (name, number, kind):
            prompts.remove(index)


def _position(context: bpy.types.Context, event: bpy.types.Event) -> tuple[float, float] | None:
    """Return where on the picture the mouse is, from the top left; None beside it."""
    region = next(r for r in context.area.regions if r.type == "WINDOW")
    x, y = event.mouse_x - region.x, event.mouse_y - region.y
    if not (0 <= x < region.width and 0 <= y < region.height):
        return None
    u, v = region.view2d.region_to_view(x, y)
    return (u, 1 - v) if 0 <= u <= 1 and 0 <= v <= 1 else None


CLASSES = (
    TRACKMATTE_OT_add_point,
    TRACKMATTE_OT_add_box,
    TRACKMATTE_OT_add_mask,
    TRACKMATTE_OT_add_marker,
    TRACKMATTE_OT_pick,
    TRACKMATTE_OT_clear,
    TRACKMATTE_OT_object_add,
    TRACKMATTE_OT_object_remove,
)
