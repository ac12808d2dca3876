# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators on results: check, load, compositor set-ups, the scene's size and length."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import EnumProperty

from . import clips, comp_tree, results


class _OnClip(bpy.types.Operator):
    """What these operators have in common."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return clips.current(context) is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            said = self.work(context, clips.current(context))
        except (clips.ClipError, RuntimeError) as e:
            self.report({"ERROR"}, str(e))
            return {"CANCELLED"}
        for line in said:
            self.report({"INFO"}, line)
        return {"FINISHED"}

    def work(self, context: bpy.types.Context, clip: Any) -> list[str]:
        """Do it and return what to say."""
        raise NotImplementedError


class TRACKMATTE_OT_load(_OnClip):
    """Load the delivered mattes again as image sequences, after checking that no frame is missing"""

    bl_idname = "trackmatte.load"
    bl_label = "Load Mattes"

    def work(self, context: bpy.types.Context, clip: Any) -> list[str]:
        entries = clip.trackmatte.deliveries
        if not entries:
            raise clips.ClipError("there are no mattes yet: press Matte")
        return [line for entry in entries for line in results.load(context, clip, entry)]


class TRACKMATTE_OT_check(_OnClip):
    """Look whether every frame of the delivered mattes is there"""

    bl_idname = "trackmatte.check"
    bl_label = "Check Mattes"

    def work(self, context: bpy.types.Context, clip: Any) -> list[str]:
        reports = [results.check(context, clip, e) for e in clip.trackmatte.deliveries]
        lines = [line for report in reports for line in report.lines()]
        if not lines:
            raise clips.ClipError("there are no mattes yet: press Matte")
        if not all(r.complete for r in reports):
            raise clips.ClipError("; ".join(lines))
        return lines


class TRACKMATTE_OT_comp(_OnClip):
    """Add nodes to the scene's compositor; what is there stays"""

    bl_idname = "trackmatte.comp"
    bl_label = "Compositor"

    effect: EnumProperty(
        items=(
            ("CUTOUT", "Cut-out", "The subject alone, on transparency"),
            ("BLUR", "Background Blur", "Blur what is not the subject, without a halo"),
            ("REPLACE", "Replace Background", "Put the subject before a picture or a colour"),
        )
    )

    def work(self, context: bpy.types.Context, clip: Any) -> list[str]:
        name, preset = clips.object_name(clip), clip.trackmatte.preset
        entry = clips.delivery(clip, name, preset)
        if entry is None:
            raise clips.ClipError(f"{name} has no {preset} yet: press Matte")
        said = results.load(context, clip, entry)
        _, timing = clips.source(clip)
        scene, settings = context.scene, context.scene.trackmatte
        plan = comp_tree.Plan(
            self.effect,
            clip,
            entry.image,
            preset == "cutout",
            timing.image_user(entry.first, entry.last),
            blur=settings.blur,
            background=settings.background,
            colour=tuple(settings.colour),
            label=f"Trackmatte {self.effect.lower()}: {name}",
        )
        node, shown = comp_tree.build(scene, plan)
        if not shown:
            said.append(
                f"the compositor has an output already, which stays: connect {node.name} where you want it"
            )
        if not getattr(scene, "use_nodes", True):
            said.append("the scene's compositor is switched off (Use Nodes)")
        scene.render.use_compositing = True
        return said + _mismatch(scene, clip)


class TRACKMATTE_OT_match(_OnClip):
    """Give the scene the clip's size, rate and length"""

    bl_idname = "trackmatte.match"
    bl_label = "Match Scene to Clip"

    def work(self, context: bpy.types.Context, clip: Any) -> list[str]:
        scene = context.scene
        scene.render.resolution_x, scene.render.resolution_y = clip.size
        scene.render.resolution_percentage = 100
        if clip.fps:
            scene.render.fps = max(round(clip.fps), 1)
            scene.render.fps_base = scene.render.fps / clip.fps
        scene.frame_start = clip.frame_start
        scene.frame_end = clip.frame_start + clip.frame_duration - 1 - clip.frame_offset
        return [f"{clip.size[0]}x{clip.size[1]}, frames {scene.frame_start}-{scene.frame_end}"]


def _mismatch(scene: Any, clip: Any) -> list[str]:
    render = scene.render
    size = tuple(
        round(v * render.resolution_percentage / 100) for v in (render.resolution_x, render.resolution_y)
    )
    if size == tuple(clip.size):
        return []
    return [
        f"the scene renders {size[0]}x{size[1]} and the clip has {clip.size[0]}x{clip.size[1]}: "
        "press Match Scene to Clip, unless that is meant"
    ]


CLASSES = (TRACKMATTE_OT_load, TRACKMATTE_OT_check, TRACKMATTE_OT_comp, TRACKMATTE_OT_match)
