# SPDX-License-Identifier: GPL-3.0-or-later
"""The mask and the prompts drawn over the clip; nothing of it is kept or rendered."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

TINT = (0.1, 0.8, 0.3)
COLOURS = {True: (0.1, 1.0, 0.3, 1.0), False: (1.0, 0.15, 0.1, 1.0)}
_handler: list[Any] = []
_masks: dict[tuple[str, int], NDArray[np.float32]] = {}
_textures: dict[tuple[str, int], Any] = {}
KEPT = 32
"""Masks kept at most."""


def put(clip: str, frame: int, mask: NDArray[np.float32]) -> None:
    """Show a mask (H, W) in [0, 1], row 0 on top, on a scene frame of a clip."""
    _masks[(clip, frame)] = mask
    _textures.pop((clip, frame), None)
    while len(_masks) > KEPT:
        oldest = next(iter(_masks))
        del _masks[oldest]
        _textures.pop(oldest, None)


def forget(clip: str) -> None:
    """Forget a clip's masks: they have changed."""
    for key in [k for k in _masks if k[0] == clip]:
        del _masks[key]
        _textures.pop(key, None)


def get(clip: str, frame: int) -> NDArray[np.float32] | None:
    """Return the mask shown there."""
    return _masks.get((clip, frame))


def clear() -> None:
    """Forget all masks."""
    _masks.clear()
    _textures.clear()


def register() -> None:
    """Draw from now on; without a window there is nothing to draw on."""
    if not bpy.app.background:
        _handler.append(
            bpy.types.SpaceClipEditor.draw_handler_add(_draw, (), "WINDOW", "POST_PIXEL")  # type: ignore
        )


def unregister() -> None:
    """Draw no more."""
    while _handler:
        bpy.types.SpaceClipEditor.draw_handler_remove(_handler.pop(), "WINDOW")
    clear()


def _draw() -> None:
    import gpu
    from gpu_extras.batch import batch_for_shader

    context = bpy.context
    clip, region, scene = context.space_data.clip, context.region, context.scene
    if clip is None or not scene.trackmatte.overlay:
        return
    to_region = region.view2d.view_to_region
    corners = [to_region(x, y, clip=False) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))]
    gpu.state.blend_set("ALPHA")
    frame = context.space_data.clip_user.frame_current
    texture = _texture(clip.name, frame, scene.trackmatte)
    if texture is not None:
        shader = gpu.shader.from_builtin("IMAGE" if bpy.app.version >= (4, 0, 0) else "2D_IMAGE")
        values = {"pos": corners, "texCoord": ((0, 0), (1, 0), (1, 1), (0, 1))}
        batch = batch_for_shader(shader, "TRI_FAN", values)
        shader.bind()
        shader.uniform_sampler("image", texture)
        batch.draw(shader)
    _prompts(frame, clip, to_region, gpu, batch_for_shader)
    gpu.state.blend_set("NONE")


def _texture(clip: str, frame: int, settings: Any) -> Any:
    import gpu

    mask = _masks.get((clip, frame))
    if mask is None:
        return None
    look = (settings.view, settings.opacity)
    found = _textures.get((clip, frame))
    if found is None or found[0] != look:
        height, width = mask.shape
        rgba = colours(mask, *look)[::-1]
        buffer = gpu.types.Buffer("FLOAT", height * width * 4, rgba.ravel())
        found = (look, gpu.types.GPUTexture((width, height), format="RGBA16F", data=buffer))
        _textures[(clip, frame)] = found
    return found[1]


def colours(mask: NDArray[np.float32], view: str, opacity: float) -> NDArray[np.float32]:
    """Return what is drawn over the plate for a mask or matte (H, W): straight RGBA (H, W, 4)."""
    rgba = np.ones((*mask.shape, 4), np.float32)
    if view == "ALPHA":
        rgba[..., :3] = mask[..., None]
    else:
        rgba[..., :3] = TINT
        rgba[..., 3] = mask * opacity
    return rgba


def _prompts(frame: int, clip: Any, to_region: Any, gpu: Any, batch_for_shader: Any) -> None:
    from . import clips

    try:
        _, timing = clips.source(clip)
    except clips.ClipError:
        return
    shader = gpu.shader.from_builtin("UNIFORM_COLOR" if bpy.app.version >= (4, 0, 0) else "2D_UNIFORM_COLOR")
    number = timing.source(frame)
    for prompt in clip.trackmatte.prompts:
        if prompt.frame != number:
            continue
        if prompt.kind == "POINT":
            x, y = to_region(prompt.position[0], 1 - prompt.position[1], clip=False)
            lines = [(x - 6, y), (x + 6, y)]
            lines += [(x, y - 6), (x, y + 6)] if prompt.subject else []
        elif prompt.kind == "BOX":
            left, top, right, bottom = prompt.box
            ring = [
                to_region(u, 1 - v, clip=False)
                for u, v in ((left, top), (right, top), (right, bottom), (left, bottom), (left, top))
            ]
            lines = [p for pair in pairwise(ring) for p in pair]
        else:
            continue
        shader.bind()
        shader.uniform_float("color", COLOURS[prompt.subject])
        gpu.state.line_width_set(2.0)
        batch_for_shader(shader, "LINES", {"pos": lines}).draw(shader)
