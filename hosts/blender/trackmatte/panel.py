# SPDX-License-Identifier: GPL-3.0-or-later
"""The Trackmatte tab of the Movie Clip Editor."""

from __future__ import annotations

from typing import Any

import bpy

from . import clips, frames, ops_run, prefs


class TRACKMATTE_UL_objects(bpy.types.UIList):
    """The clip's objects."""

    def draw_item(
        self, _context: Any, layout: Any, data: Any, item: Any, _icon: Any, _active: Any, _name: Any
    ) -> None:
        row = layout.split(factor=0.6)
        row.label(text=item.name, icon="ERROR" if item.lost else "MOD_MASK")
        row.label(text=_in_scene(data.id_data, frames.parse(item.tracked)) or "new")


class TRACKMATTE_UL_places(bpy.types.UIList):
    """Frames in doubt."""

    def draw_item(
        self,
        _context: Any,
        layout: Any,
        data: Any,
        item: Any,
        _icon: Any,
        _active: Any,
        _name: Any,
        index: int,
    ) -> None:
        row = layout.split(factor=0.25)
        row.operator(
            "trackmatte.jump", text=_in_scene(data.id_data, [(item.frame,) * 2]), emboss=False
        ).index = index
        row.label(text=item.reasons)


def _in_scene(clip: Any, spans: list[tuple[int, int]]) -> str:
    """Return spans of source numbers as the scene frames that the artist's timeline shows."""
    try:
        timing = clips.timing(clip)
    except clips.ClipError:
        return frames.text(n for a, b in spans for n in range(a, b + 1))
    return frames.text(timing.scene(n) for a, b in spans for n in range(a, b + 1))


class _Tab:
    bl_space_type = "CLIP_EDITOR"
    bl_region_type = "UI"
    bl_category = "Trackmatte"


class TRACKMATTE_PT_main(_Tab, bpy.types.Panel):
    """Say what the subject is, track, matte."""

    bl_label = "Trackmatte"

    def draw(self, context: bpy.types.Context) -> None:
        layout, clip = self.layout, clips.current(context)
        if clip is None:
            layout.label(text="Open a clip", icon="INFO")
            return
        state = clip.trackmatte
        row = layout.row()
        row.template_list("TRACKMATTE_UL_objects", "", state, "objects", state, "active", rows=2)
        side = row.column(align=True)
        side.operator("trackmatte.object_add", text="", icon="ADD")
        side.operator("trackmatte.object_remove", text="", icon="REMOVE")
        column = layout.column(align=True)
        row = column.row(align=True)
        for mode, text, icon in (
            ("ADD", "Plus", "ADD"),
            ("SUBTRACT", "Minus", "REMOVE"),
            ("BOX", "Box", "SELECT_SET"),
        ):
            row.operator("trackmatte.pick", text=text, icon=icon).mode = mode
        row = column.row(align=True)
        row.operator("trackmatte.add_mask", text="Mask", icon="MOD_MASK")
        row.operator("trackmatte.add_marker", text="Markers", icon="TRACKER")
        row = column.row(align=True)
        row.label(text="Clear")
        for what in ("LAST", "FRAME", "ALL"):
            row.operator("trackmatte.clear", text=what.title()).what = what
        self._work(context, layout)

    def _work(self, context: bpy.types.Context, layout: Any) -> None:
        column = layout.column(align=True)
        column.enabled = not ops_run.busy()
        row = column.row(align=True)
        for direction, text, icon in (
            ("backward", "", "TRACKING_BACKWARDS"),
            ("both", "Track", "ARROW_LEFTRIGHT"),
            ("forward", "", "TRACKING_FORWARDS"),
        ):
            row.operator("trackmatte.track", text=text, icon=icon).direction = direction
        column.operator("trackmatte.matte", icon="IMAGE_ALPHA")
        for begun in ops_run.running:
            if begun.work.request.doing != "show":
                prefs.wrapped(layout, f"{begun.part:.0%} {begun.text}")
                layout.operator("trackmatte.stop", icon="CANCEL")
        row = layout.row(align=True)
        row.prop(context.scene.trackmatte, "overlay", text="", icon="OVERLAY", toggle=True)
        row.prop(context.scene.trackmatte, "view", text="")
        row.prop(context.scene.trackmatte, "opacity", text="", slider=True)
        row.operator("trackmatte.show", text="", icon="FILE_REFRESH")
        if ops_run.message["text"]:
            box = layout.box()
            box.alert = ops_run.message["bad"]
            for line in ops_run.message["text"].splitlines():
                prefs.wrapped(box, line)


class _Child(_Tab):
    bl_parent_id = "TRACKMATTE_PT_main"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return clips.current(context) is not None


class TRACKMATTE_PT_doubts(_Child, bpy.types.Panel):
    """The frames that need the artist."""

    bl_label = "Doubtful Frames"

    def draw(self, context: bpy.types.Context) -> None:
        state = clips.current(context).trackmatte
        self.layout.operator("trackmatte.doubts")
        self.layout.template_list("TRACKMATTE_UL_places", "", state, "places", state, "place", rows=3)


class TRACKMATTE_PT_comp(_Child, bpy.types.Panel):
    """What the mattes are for."""

    bl_label = "Compositor"

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.trackmatte
        layout.operator("trackmatte.match", icon="SCENE_DATA")
        layout.operator("trackmatte.comp", text="Cut-out").effect = "CUTOUT"
        row = layout.split(factor=0.7, align=True)
        row.operator("trackmatte.comp", text="Blur Background").effect = "BLUR"
        row.prop(settings, "blur", text="")
        layout.operator("trackmatte.comp", text="Replace Background").effect = "REPLACE"
        layout.template_ID(settings, "background", open="image.open")
        if settings.background is None:
            layout.prop(settings, "colour", text="")
        row = layout.row(align=True)
        row.operator("trackmatte.check", text="Check")
        row.operator("trackmatte.load", text="Load")


class TRACKMATTE_PT_mask(_Child, bpy.types.Panel):
    """Correction by hand."""

    bl_label = "Animated Mask"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        row = self.layout.row(align=True)
        row.prop(context.scene.trackmatte, "mask_step")
        row.prop(context.scene.trackmatte, "mask_points")
        self.layout.operator("trackmatte.to_mask")
        self.layout.operator("trackmatte.add_mask", text="Use Corrected Mask")


class TRACKMATTE_PT_settings(_Child, bpy.types.Panel):
    """Parts, output and the engine."""

    bl_label = "Settings"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, state = self.layout, clips.current(context).trackmatte
        for name in ("tracker", "refiner", "preset", "shot", "use_range"):
            layout.prop(state, name)
        if state.use_range:
            row = layout.row(align=True)
            row.prop(state, "frame_in")
            row.prop(state, "frame_out")
        preferences = prefs.get(context)
        if preferences is not None:
            prefs.draw(layout, preferences)


CLASSES = (
    TRACKMATTE_UL_objects,
    TRACKMATTE_UL_places,
    TRACKMATTE_PT_main,
    TRACKMATTE_PT_doubts,
    TRACKMATTE_PT_comp,
    TRACKMATTE_PT_mask,
    TRACKMATTE_PT_settings,
)
