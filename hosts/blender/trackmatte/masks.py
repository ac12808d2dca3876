# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's masks from and to pixels. Positions of splines are scaled by the longer side, y up."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from . import outline

WIDTH = 960
"""Pixels of a mask handed to the engine, at most."""
encode = outline.png


def rasterise(context: bpy.types.Context, mask: Any, width: int, height: int) -> NDArray[np.bool_]:
    """Return a mask as it is on the scene's frame, (H, W), row 0 on top; feather is left out.

    Parameters
    ----------
    width, height : of the clip, pixels.
    """
    now = mask.evaluated_get(context.evaluated_depsgraph_get())
    scale = min(1.0, WIDTH / width)
    size = (round(width * scale), round(height * scale))
    found = np.zeros(size[::-1], bool)
    # The layer on top of Blender's list is composed last.
    for layer in reversed(now.layers):
        if layer.hide_render or layer.hide:
            continue
        area = np.zeros_like(found)
        for spline in layer.splines:
            if spline.use_fill and spline.use_cyclic and len(spline.points) > 1:
                area |= outline.fill([_polygon(spline, width, height)], *size)
        if layer.invert:
            area = ~area
        found = _blend(found, area, layer.blend)
    return found


def _blend(below: NDArray[np.bool_], area: NDArray[np.bool_], how: str) -> NDArray[np.bool_]:
    if how in ("SUBTRACT", "MERGE_SUBTRACT"):
        return below & ~area
    if how in ("MUL", "DARKEN"):
        return below & area
    if how == "REPLACE":
        return area
    return below ^ area if how == "DIFFERENCE" else below | area


def _polygon(spline: Any, width: int, height: int) -> list[tuple[float, float]]:
    """Return a closed spline as positions in [0, 1], y down."""
    points = list(spline.points)
    found: list[tuple[float, float]] = []
    for a, b in zip(points, points[1:] + points[:1]):  # noqa: B905 (Python 3.10's strict is not needed)
        found += outline.bezier(tuple(a.co), tuple(a.handle_right), tuple(b.handle_left), tuple(b.co))
    return [to_picture(x, y, width, height) for x, y in found]


def to_picture(x: float, y: float, width: int, height: int) -> tuple[float, float]:
    """Return a mask's position as one in [0, 1] of the picture from the top left."""
    longer = max(width, height)
    return 0.5 + (x - 0.5) * longer / width, 0.5 - (y - 0.5) * longer / height


def from_picture(x: float, y: float, width: int, height: int) -> tuple[float, float]:
    """Return a position in [0, 1] from the top left as a mask's."""
    longer = max(width, height)
    return 0.5 + (x - 0.5) * width / longer, 0.5 + (0.5 - y) * height / longer


def animate(
    context: bpy.types.Context,
    clip: Any,
    name: str,
    keys: dict[int, NDArray[np.float32]],
    count: int,
) -> tuple[Any, list[int]]:
    """Make an animated mask with one closed spline from pictures of an object.

    Parameters
    ----------
    keys : masks (H, W) in [0, 1] by scene frame.
    count : points of the spline, the same on all frames.

    Returns
    -------
    The mask, and the frames left out because the object is not seen there.

    Raises
    ------
    RuntimeError : it is seen nowhere, or there is no window to set keys in.
    """
    shapes = _shapes(keys, count)
    if not shapes:
        raise RuntimeError(f"{name} is seen on none of these frames: track first")
    scene = context.scene
    mask = bpy.data.masks.new(f"{clip.name} {name}")
    mask.frame_start, mask.frame_end = scene.frame_start, scene.frame_end
    layer = mask.layers.new(name=name)
    spline = layer.splines.new()
    spline.use_cyclic = True
    spline.points.add(count - len(spline.points))
    layer.select = True
    frame = scene.frame_current
    with _Editor(context, clip, mask) as editor:
        for at, points in shapes.items():
            scene.frame_set(at)
            _place(spline, points, *clip.size)
            editor.key()
    scene.frame_current = frame
    return mask, sorted(set(keys) - set(shapes))


def _shapes(keys: dict[int, NDArray[np.float32]], count: int) -> dict[int, NDArray[np.float64]]:
    """Return (count, 2) outlines in [0, 1], y down, by scene frame."""
    shapes: dict[int, NDArray[np.float64]] = {}
    before = None
    for frame in sorted(keys):
        line = outline.trace(keys[frame] > 0.5)
        if len(line) >= 4:
            before = outline.resample(line, count, before)
            shapes[frame] = before / np.array(keys[frame].shape[::-1])
    return shapes


def _place(spline: Any, points: NDArray[np.float64], width: int, height: int) -> None:
    """Put a spline's points on an outline, with tangents from their neighbours (Catmull-Rom)."""
    at = np.array([from_picture(x, y, width, height) for x, y in points])
    along = (np.roll(at, -1, axis=0) - np.roll(at, 1, axis=0)) / 6
    for point, co, tangent in zip(spline.points, at, along):  # noqa: B905
        point.handle_left_type = point.handle_right_type = "FREE"
        point.select = point.select_control_point = True
        point.co = co
        point.handle_left, point.handle_right = co - tangent, co + tangent


class _Editor:
    """A Movie Clip Editor in mask mode for as long as shapes are keyed: Blender keys them nowhere else."""

    def __init__(self, context: bpy.types.Context, clip: Any, mask: Any) -> None:
        windows = context.window_manager.windows
        if not windows:
            raise RuntimeError("Blender runs without any window: an animated mask cannot be made")
        self.window = windows[0]
        areas = list(self.window.screen.areas)
        self.area = next((a for a in areas if a.type == "CLIP_EDITOR"), areas[0])
        self.was = self.area.ui_type
        self.area.type = "CLIP_EDITOR"
        self.space = self.area.spaces.active
        self.before = (self.space.clip, self.space.mode, self.space.mask)
        self.space.clip, self.space.mode = clip, "MASK"
        self.space.mask = mask

    def __enter__(self) -> _Editor:
        return self

    def key(self) -> None:
        """Key the shape of the mask's selected layers on the scene's frame."""
        region = next(r for r in self.area.regions if r.type == "WINDOW")
        place = {"window": self.window, "screen": self.window.screen, "area": self.area, "region": region}
        with bpy.context.temp_override(**place):
            if "FINISHED" not in bpy.ops.mask.shape_key_insert():
                raise RuntimeError("Blender did not key the mask's shape")

    def __exit__(self, *_: object) -> None:
        clip, mode, mask = self.before
        if self.was == "CLIP_EDITOR":
            self.space.clip, self.space.mode = clip, mode
            if mask is not None:
                self.space.mask = mask
        else:
            self.area.ui_type = self.was
