# SPDX-License-Identifier: GPL-3.0-or-later
"""A tracked object as an animated Blender mask, for correction by hand."""

from __future__ import annotations

from typing import Any

import bpy

from . import clips, frames, masks, ops_run, pictures
from .work import Outcome


class TRACKMATTE_OT_to_mask(bpy.types.Operator):
    """Make an animated Blender mask of the tracked object: outlines of its pieces and holes"""

    bl_idname = "trackmatte.to_mask"
    bl_label = "To Animated Mask"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return clips.current(context) is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        clip = clips.current(context)
        numbers = _numbers(clip, context.scene.trackmatte.mask_step)
        if not numbers:
            self.report({"ERROR"}, f"{clips.object_name(clip)} has no tracked frames: press Track first")
            return {"CANCELLED"}
        return ops_run.start(self, context, "outline", _made, frames=numbers)


def _numbers(clip: Any, step: int) -> tuple[int, ...]:
    """Return every so many tracked source frames, and the last."""
    found = clip.trackmatte.objects.get(clips.object_name(clip))
    if found is None or not found.tracked:
        return ()
    every = [n for a, b in frames.parse(found.tracked) for n in range(a, b + 1)]
    return tuple(sorted({*every[::step], every[-1]}))


def _made(context: bpy.types.Context, clip: Any, outcome: Outcome) -> list[str]:
    _, timing = clips.source(clip)
    keys = {timing.scene(n): pictures.decode(png) for n, png in outcome.images.items()}
    settings = context.scene.trackmatte
    mask, empty = masks.animate(context, clip, clips.object_name(clip), keys, settings.mask_points)
    said = [f"made the mask {mask.name} with {len(keys)} keys; correct it, then press Use Corrected Mask"]
    if empty:
        said.append(f"not seen on scene frames {frames.text(empty)}: the mask is empty there")
    return said


CLASSES = (TRACKMATTE_OT_to_mask,)
