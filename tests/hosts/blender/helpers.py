"""What the chapters share; runs inside Blender's Python."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np

ADDON = "bl_ext.user_default.trackmatte"
BOX = (0.18, 0.16, 0.63, 0.77)


def addon(name: str) -> Any:
    """Return a module of the installed add-on."""
    return sys.modules[f"{ADDON}.{name}"]


def open_clip(path: str) -> Any:
    """Load a clip as the scene's."""
    clip = bpy.data.movieclips.load(path)
    bpy.context.scene.active_clip = clip
    return clip


def refused(call: Callable[[], Any]) -> str:
    """Return what an operator reports as an error: called from Python, Blender raises the report."""
    try:
        call()
    except RuntimeError as e:
        return str(e)
    return ""


def render(scene: Any, path: Path) -> np.ndarray:
    """Render the scene's frame to a float EXR and return it (H, W, 4), row 0 on top."""
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_mode = "RGBA"
    scene.render.image_settings.color_depth = "32"
    scene.render.filepath = str(path)
    if hasattr(scene.render, "compositor_device"):
        scene.render.compositor_device = "CPU"
    bpy.ops.render.render(write_still=True)
    return read(path)


def read(path: Path) -> np.ndarray:
    """Return an image file (H, W, 4) as Blender reads it, row 0 on top, no colour conversion."""
    image = bpy.data.images.load(str(path), check_existing=False)
    image.colorspace_settings.name = "Non-Color"
    width, height = image.size
    flat = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(flat)
    bpy.data.images.remove(image)
    return flat.reshape(height, width, -1)[::-1]


def plate_only(scene: Any, clip: Any, path: Path) -> np.ndarray:
    """Render the plate through a compositor of its own."""
    kept = addon("comp_tree")
    other = bpy.data.scenes.new("plate")
    other.render.resolution_x, other.render.resolution_y = clip.size
    other.frame_set(scene.frame_current)
    tree = kept.tree_of(other)
    node = tree.nodes.new("CompositorNodeMovieClip")
    node.clip = clip
    tree.links.new(node.outputs["Image"], kept.output_of(tree))
    window = bpy.context.window_manager.windows[0]
    before = window.scene
    window.scene = other
    try:
        return render(other, path)
    finally:
        window.scene = before


def compositor(scene: Any) -> Any:
    """Return the scene's compositor tree, or None."""
    return scene.compositing_node_group if bpy.app.version >= (5, 0, 0) else scene.node_tree


def square(layer: Any, half: float, *, hole: bool = False) -> Any:
    """Add a square to the middle of a mask's layer, a hole the other way round: Blender 5.2 asks for that."""
    spline = layer.splines.new()
    spline.use_cyclic = True
    spline.points.add(4 - len(spline.points))
    # Clockwise, so that feather lies outside.
    corners = ((-half, -half), (-half, half), (half, half), (half, -half))[:: -1 if hole else 1]
    for k, point in enumerate(spline.points):
        at = np.array((0.5, 0.5)) + corners[k]
        along = np.array(corners[(k + 1) % 4]) - np.array(corners[k - 1])
        point.handle_left_type = point.handle_right_type = "FREE"
        point.co, point.handle_left, point.handle_right = at, at - along / 10, at + along / 10
    return spline
