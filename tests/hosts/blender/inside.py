"""Runs inside Blender's Python: python inside.py CHAPTER JSON. Prints one line ``RESULT {...}``.

Uses nothing of the project but the installed extension.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
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


def install(package: str) -> None:
    """Install and enable the built package as a user would."""
    for module in ("bl_pkg",):
        bpy.ops.preferences.addon_enable(module=module)
    repos = bpy.context.preferences.extensions.repos
    if not any(r.module == "user_default" for r in repos):
        repos.new(name="User Default", module="user_default", source="USER")
    bpy.ops.extensions.package_install_files(filepath=package, repo="user_default", enable_on_install=True)
    assert ADDON in bpy.context.preferences.addons, "it was not enabled"


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
    tree = kept._tree(other)
    node = tree.nodes.new("CompositorNodeMovieClip")
    node.clip = clip
    maker = kept._Maker(tree, "plate")
    maker.link(node.outputs["Image"], kept._output(tree, maker))
    window = bpy.context.window_manager.windows[0]
    before = window.scene
    window.scene = other
    try:
        return render(other, path)
    finally:
        window.scene = before


def story(said: dict[str, Any]) -> dict[str, Any]:
    """The whole way: prompt, track, matte, load, three set-ups, mask and back, save and reopen."""
    folder = Path(said["folder"])
    blend = folder / "schöne Szene.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    clip = open_clip(said["clip"])
    clip.frame_start = 11
    scene = bpy.context.scene
    state = clip.trackmatte
    found: dict[str, Any] = {"none": refused(bpy.ops.trackmatte.comp)}
    bpy.ops.trackmatte.match()
    found["match"] = [scene.render.resolution_x, scene.frame_start, scene.frame_end, scene.render.fps]
    state.use_range, state.frame_in, state.frame_out = True, 11, 16
    scene.frame_set(11)
    bpy.ops.trackmatte.add_box(box=BOX)
    bpy.ops.trackmatte.add_point(position=(0.05, 0.05), subject=False)
    bpy.ops.trackmatte.show()
    shown = addon("overlay").get(clip.name, 11)
    found["overlay"] = [list(shown.shape), float((shown > 0.5).mean())]
    bpy.ops.trackmatte.track(direction="forward")
    found["tracked"] = state.objects["subject"].tracked
    bpy.ops.trackmatte.matte()
    found["matted"] = state.objects["subject"].matted
    entry = state.deliveries[0]
    found["delivery"] = [entry.object, entry.target, entry.first, entry.last, entry.preset]
    found["places"] = [[p.frame, p.reasons] for p in state.places]
    found["check"] = sorted(bpy.ops.trackmatte.check())

    scene.frame_set(14)
    bpy.ops.trackmatte.comp(effect="BLUR")
    target = addon("clips").absolute(entry.target)
    matte_file = addon("paths").numbered(target, entry.padding, 3)
    np.save(folder / "matte.npy", read(Path(matte_file))[..., 0])
    np.save(folder / "blur.npy", render(scene, folder / "blur.exr"))
    np.save(folder / "plate.npy", plate_only(scene, clip, folder / "plate.exr"))
    bpy.ops.trackmatte.comp(effect="CUTOUT")
    np.save(folder / "cutout.npy", render(scene, folder / "cutout.exr"))
    scene.trackmatte.colour = (0.0, 0.25, 1.0, 1.0)
    bpy.ops.trackmatte.comp(effect="REPLACE")
    np.save(folder / "replace.npy", render(scene, folder / "replace.exr"))

    scene.trackmatte.mask_step = 2
    bpy.ops.trackmatte.to_mask()
    mask = bpy.data.masks[0]
    areas = {}
    for frame in (11, 13, 16):
        scene.frame_set(frame)
        areas[frame] = float(addon("masks").rasterise(bpy.context, mask, *clip.size).mean())
    found["areas"] = areas
    scene.frame_set(16)
    bpy.ops.trackmatte.add_mask(mask=mask.name)
    bpy.ops.trackmatte.track()
    bpy.ops.trackmatte.show()
    found["after mask"] = float((addon("overlay").get(clip.name, 16) > 0.5).mean())

    found["shot"] = state.shot
    before = [(p.object, p.frame, p.kind, tuple(p.position), tuple(p.box), p.mask) for p in state.prompts]
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    clip = bpy.data.movieclips[0]
    state = clip.trackmatte
    after = [(p.object, p.frame, p.kind, tuple(p.position), tuple(p.box), p.mask) for p in state.prompts]
    found["reopened"] = [before == after, len(after), state.deliveries[0].image is not None]
    found["again"] = sorted(bpy.ops.trackmatte.matte())
    found["images"] = sorted(i.name for i in bpy.data.images if i.source == "SEQUENCE")
    found["shots"] = sorted(p.name for p in (folder / "trackmatte").glob("*.shot.json"))
    (folder / "trackmatte").joinpath("gone")
    Path(matte_file).unlink()
    found["missing"] = refused(lambda: bpy.ops.trackmatte.comp(effect="BLUR"))
    return found


CHAPTERS = {f.__name__: f for f in (story,)}


def main() -> None:
    """Run a chapter and leave without Blender's own exit, which hangs in 4.5."""
    chapter, said = sys.argv[-2], json.loads(sys.argv[-1])
    code = 0
    try:
        install(said["package"])
        print("RESULT", json.dumps(CHAPTERS[chapter](said)), flush=True)
        bpy.ops.preferences.addon_disable(module=ADDON)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
