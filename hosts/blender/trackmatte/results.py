# SPDX-License-Identifier: GPL-3.0-or-later
"""Results in Blender's data: image sequences and the overlay's picture."""

from __future__ import annotations

from typing import Any

import bpy

from . import clips, overlay, pictures, sequence
from .trackmatte_client import paths
from .work import Outcome

UNSURE = 0.5
"""Score of a selection below which the artist is told."""


def load(context: bpy.types.Context, clip: Any, entry: Any) -> list[str]:
    """Check a delivered sequence and load it as an image; return the report's lines.

    Raises
    ------
    RuntimeError : it is not complete; the message is the report.
    """
    _, timing = clips.source(clip)
    report = check(context, clip, entry)
    if not report.complete:
        raise RuntimeError("; ".join(report.lines()))
    path = paths.numbered(clips.absolute(entry.target), entry.padding, entry.first)
    image = entry.image
    if image is None:
        image = bpy.data.images.load(path, check_existing=False)
        entry.image = image
        image.name = f"{clip.name} {entry.object} {entry.preset}"
        image.source = "SEQUENCE"
    image.filepath = clips.relative(path)
    if entry.preset == "matte":
        image.colorspace_settings.name = "Non-Color"
    image.reload()
    start = timing.scene(entry.first)
    return [*report.lines(), f"scene frame {start} shows file {entry.first}"]


def check(context: bpy.types.Context, clip: Any, entry: Any) -> sequence.Report:
    """Look at every file of a delivery, and at what the scene renders beyond it."""
    _, timing = clips.source(clip)
    scene = context.scene
    rendered = (timing.source(scene.frame_start), timing.source(scene.frame_end))
    target = clips.absolute(entry.target)
    return sequence.check(
        target, entry.padding, entry.first, entry.last, rendered=rendered, shift=timing.scene(0)
    )


def show(_context: bpy.types.Context, clip: Any, outcome: Outcome) -> list[str]:
    """Take the mask of a frame over as the overlay's picture."""
    # The playhead or the list may have moved since it was asked for.
    if outcome.overlay and outcome.object == clips.object_name(clip):
        overlay.put(clip.name, clips.timing(clip).scene(outcome.frame), pictures.decode(outcome.overlay))
    said = []
    for found in outcome.selected:
        unsure = "" if found.score >= UNSURE else "; unsure: say more with Plus and Minus"
        said.append(f"{found.object}: {found.share:.1%} of the picture{unsure}")
    return said


def redraw() -> None:
    """Draw the clip editors again."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "CLIP_EDITOR":
                area.tag_redraw()
