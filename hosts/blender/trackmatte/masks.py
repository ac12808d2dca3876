# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's masks from and to pixels. Positions of splines are scaled by the longer side, y up."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from . import comp_tree, outline, pictures, pieces

WIDTH = 960
"""Pixels of a mask handed to the engine, at most."""
encode = outline.png


def rasterise(context: bpy.types.Context, mask: Any, width: int, height: int) -> NDArray[np.float32]:
    """Return a mask as Blender shows it on the scene's frame, (H, W) in [0, 1], row 0 on top.

    Blender itself draws it, in a scene that is gone afterwards: so feather, holes, blended layers and
    parents are what the artist sees. The artist's own render result is not touched.

    Parameters
    ----------
    width, height : of the clip, pixels.

    Raises
    ------
    RuntimeError : Blender renders something else at the moment.
    """
    scale = min(1.0, WIDTH / width)
    scene = bpy.data.scenes.new("Trackmatte mask")
    try:
        scene.frame_current = context.scene.frame_current
        scene.render.resolution_x, scene.render.resolution_y = round(width * scale), round(height * scale)
        scene.render.resolution_percentage = 100
        if hasattr(scene.render, "compositor_device"):
            scene.render.compositor_device = "CPU"
        tree = comp_tree.tree_of(scene)
        node = tree.nodes.new("CompositorNodeMask")
        node.mask = mask
        tree.links.new(node.outputs["Mask"], comp_tree.output_of(tree))
        return _rendered(scene)
    finally:
        group = getattr(scene, "compositing_node_group", None)
        bpy.data.scenes.remove(scene)
        if group is not None:
            bpy.data.node_groups.remove(group)


def _rendered(scene: Any) -> NDArray[np.float32]:
    with tempfile.TemporaryDirectory(prefix="trackmatte") as folder:
        path = Path(folder) / "mask.exr"
        scene.render.image_settings.file_format = "OPEN_EXR"
        scene.render.image_settings.color_depth = "32"
        scene.render.filepath = str(path)
        bpy.ops.render.render(scene=scene.name, write_still=True)
        return pictures.read(path)


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
    """Make an animated mask from pictures of an object: a closed spline for each piece and each hole.

    Parameters
    ----------
    keys : masks (H, W) in [0, 1] by scene frame, all of one size.
    count : points of the longest spline, the same on all frames.

    Returns
    -------
    The mask, and the frames on which it is empty because the object is not seen there.

    Raises
    ------
    RuntimeError : it is seen nowhere, or there is no window to set keys in.
    """
    found = pieces.follow({frame: mask > 0.5 for frame, mask in keys.items()})
    if not found:
        raise RuntimeError(f"{name} is seen on none of these frames: track first")
    scene, frames = context.scene, sorted(keys)
    mask = bpy.data.masks.new(f"{clip.name} {name}")
    mask.frame_start, mask.frame_end = scene.frame_start, scene.frame_end
    layer = mask.layers.new(name=name)
    layer.select = layer.use_fill_holes = True
    splines = []
    for piece, number in zip(found, pieces.counts(found, count), strict=True):
        spline = layer.splines.new()
        spline.use_cyclic = True
        spline.points.add(number - len(spline.points))
        splines.append((spline, pieces.points(piece, frames, number)))
    size = np.array(next(iter(keys.values())).shape[::-1])
    frame = scene.frame_current
    with _Editor(context, clip, mask) as editor:
        for at in frames:
            scene.frame_set(at)
            for spline, shapes in splines:
                _place(spline, shapes[at] / size, *clip.size)
            editor.key()
    scene.frame_current = frame
    return mask, sorted(set(frames) - {f for piece in found for f in piece.lines})


def _place(spline: Any, points: NDArray[np.float64], width: int, height: int) -> None:
    """Put a spline's points on an outline, with tangents from their neighbours (Catmull-Rom)."""
    at = np.array([from_picture(x, y, width, height) for x, y in points])
    along = (np.roll(at, -1, axis=0) - np.roll(at, 1, axis=0)) / 6
    for point, co, tangent in zip(spline.points, at, along, strict=True):
        point.handle_left_type = point.handle_right_type = "FREE"
        point.select = True
        if hasattr(point, "select_control_point"):  # not in 3.4
            point.select_control_point = True
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
