# SPDX-License-Identifier: GPL-3.0-or-later
"""Results in Blender's data: image sequences and the overlay's picture."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from . import clips, overlay, sequence
from .trackmatte_client import paths
from .work import Outcome


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
    return sequence.check(target, entry.padding, entry.first, entry.last, rendered=rendered)


def show(context: bpy.types.Context, clip: Any, outcome: Outcome) -> list[str]:
    """Take the mask of a frame over as the overlay's picture."""
    if outcome.overlay:
        overlay.put(clip.name, context.scene.frame_current, pixels(outcome.overlay))
    return [f"{s.object}: {s.share:.1%} of the picture, score {s.score:.2f}" for s in outcome.selected]


def pixels(png: bytes) -> NDArray[np.float32]:
    """Return a grey PNG as (H, W) in [0, 1], row 0 on top; Blender decodes it."""
    with tempfile.TemporaryDirectory(prefix="trackmatte") as folder:
        path = Path(folder) / "mask.png"
        path.write_bytes(png)
        image = bpy.data.images.load(str(path), check_existing=False)
        try:
            image.colorspace_settings.name = "Non-Color"
            width, height = image.size
            flat = np.empty(width * height * image.channels, np.float32)
            image.pixels.foreach_get(flat)
            return flat.reshape(height, width, -1)[::-1, :, 0].copy()
        finally:
            bpy.data.images.remove(image)


def redraw() -> None:
    """Draw the clip editors again."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "CLIP_EDITOR":
                area.tag_redraw()
