"""Runs inside Blender's Python: python inside.py CHAPTER JSON. Prints one line ``RESULT {...}``.

Uses nothing of the project but the installed extension.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


def story(said: dict[str, Any]) -> dict[str, Any]:  # noqa: PLR0915 (one story)
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
    matte_file = addon("trackmatte_client.paths").numbered(target, entry.padding, 3)
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
    Path(matte_file).unlink()
    found["missing"] = refused(lambda: bpy.ops.trackmatte.comp(effect="BLUR"))
    return found


def clips(said: dict[str, Any]) -> dict[str, Any]:  # noqa: PLR0915
    """Two clips of one name in two scenes, a compositor in use, moved and renamed files."""
    folder = Path(said["folder"]) / "Projekt ä"
    names = {}
    found: dict[str, Any] = {}
    blend = folder / "two.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    for place, start, offset in (("einß", 1, 0), ("zwei", 101, 1)):
        scene = bpy.data.scenes.new(place)
        bpy.context.window_manager.windows[0].scene = scene
        clip = open_clip(bpy.path.relpath(str(folder / place / "plate.1001.png")))
        clip.frame_start, clip.frame_offset = start, offset
        clip.trackmatte.refiner = "none"
        scene.frame_set(start)
        bpy.ops.trackmatte.object_add(name="Füchsin")
        bpy.ops.trackmatte.add_box(box=BOX)
        if place == "zwei":
            tracks = clip.tracking.tracks
            marker = tracks.new(name="eye", frame=1).markers[0]
            marker.co = (0.4, 0.55)
            tracks[0].select = True
            bpy.ops.trackmatte.add_marker()
            found["marker"] = [round(v, 4) for v in clip.trackmatte.prompts[-1].position]
            tree = addon("comp_tree").tree_of(scene)
            theirs = tree.nodes.new("CompositorNodeRGB")
            tree.links.new(theirs.outputs[0], addon("comp_tree").output_of(tree))
            before = [n.name for n in tree.nodes]
        bpy.ops.trackmatte.match()
        bpy.ops.trackmatte.matte()
        entry = clip.trackmatte.deliveries[0]
        bpy.ops.trackmatte.comp(effect="CUTOUT")
        node = next(n for n in _compositor(scene).nodes if n.bl_idname == "CompositorNodeImage")
        names[place] = [
            clip.trackmatte.prompts[0].frame, entry.first, entry.last, clip.trackmatte.shot,
            scene.frame_start, scene.frame_end, [node.frame_start, node.frame_offset, node.frame_duration],
        ]  # fmt: skip
        if place == "einß":
            scene.frame_set(3)
            np.save(folder.parent / "third.npy", render(scene, folder / "third.exr"))
        else:
            tree = _compositor(scene)
            output = addon("comp_tree").output_of(tree)
            scene.frame_set(102)
            np.save(folder.parent / "offset.npy", plate_only(scene, clip, folder / "offset.exr"))
            found["theirs"] = [
                output.links[0].from_node.name == theirs.name,
                set(before) <= {n.name for n in tree.nodes},
            ]
    found["clips"] = names
    bpy.ops.wm.save_mainfile()

    moved = folder.with_name("moved")
    folder.rename(moved)
    bpy.ops.wm.open_mainfile(filepath=str(moved / "two.blend"))
    bpy.context.window_manager.windows[0].scene = bpy.data.scenes["einß"]
    bpy.ops.trackmatte.matte()
    found["moved"] = sorted(p.name for p in (moved / "trackmatte").glob("*.shot.json"))
    found["moved check"] = sorted(bpy.ops.trackmatte.check())
    clip = bpy.context.scene.active_clip
    entry = clip.trackmatte.deliveries[0]
    clip.filepath, clip.trackmatte.shot = "//einß\\plate.1001.png", "//trackmatte\\plate.shot.json"
    entry.target = entry.target.replace("/", "\\").replace("\\\\", "//", 1)
    found["windows check"] = [entry.target, sorted(bpy.ops.trackmatte.check())]
    found["windows"] = [sorted(bpy.ops.trackmatte.matte()), clip.trackmatte.shot]
    clip.filepath = "D:\\plates\\plate.1001.png"
    found["drive"] = refused(bpy.ops.trackmatte.matte)
    clip.filepath = "//einß/plate.1001.png"
    for file in (moved / "einß").iterdir():
        file.rename(file.with_name(file.name.replace("plate", "renamed")))
    clip = bpy.context.scene.active_clip
    found["lost"] = refused(bpy.ops.trackmatte.matte)
    clip.filepath = str(moved / "einß" / "renamed.1001.png")
    bpy.ops.trackmatte.matte()
    found["cutout"] = _cutout(moved, clip)
    found["renamed"] = [clip.trackmatte.shot, clip.trackmatte.objects[0].matted]
    return found


def _cutout(folder: Path, clip: Any) -> list[Any]:
    """Deliver a cut-out and lay it over a picture of another size."""
    scene = bpy.context.scene
    picture = bpy.data.images.new("sky", 64, 64, float_buffer=True)
    picture.generated_color = (0.2, 0.4, 0.8, 1)
    picture.colorspace_settings.name = "Non-Color"
    scene.trackmatte.background = picture
    clip.trackmatte.preset, clip.trackmatte.refiner = "cutout", "closed_form"
    bpy.ops.trackmatte.matte()
    bpy.ops.trackmatte.comp(effect="REPLACE")
    shown = render(scene, folder / "sky.exr")
    shot = json.loads(Path(bpy.path.abspath(clip.trackmatte.shot)).read_text(encoding="utf-8"))
    corner = [round(float(v), 3) for v in shown[0, 0, :3]]
    return [corner, float(shown[..., 3].min()), shot["refiner"]["name"]]


def _compositor(scene: Any) -> Any:
    return scene.compositing_node_group if bpy.app.version >= (5, 0, 0) else scene.node_tree


def uneven(said: dict[str, Any]) -> dict[str, Any]:
    """A movie of varying frame rate: what Blender shows frame by frame, and mattes on those frames."""
    scene, folder = bpy.context.scene, Path(said["folder"])
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "uneven.blend"))
    clip = open_clip(said["clip"])
    clip.trackmatte.refiner, clip.trackmatte.tracker = "none", "flow"
    bpy.ops.trackmatte.match()
    scene.frame_set(31)
    bpy.ops.trackmatte.add_box(box=(0.3, 0.2, 0.7, 0.8))
    bpy.ops.trackmatte.matte()
    state = clip.trackmatte
    entry, fps = state.deliveries[0], clip.fps
    notes = addon("ops_run").message["text"]
    bpy.ops.trackmatte.matte()  # the shot is found again
    shots = sorted(p.name for p in (folder / "trackmatte").glob("*.shot.json"))
    scene.render.image_settings.file_format = "PNG"
    scene.view_settings.view_transform = "Standard"
    scene.render.filepath = str(folder / "shown" / "f.")
    tree = addon("comp_tree").tree_of(scene)
    plate = tree.nodes.new("CompositorNodeMovieClip")
    plate.clip = clip
    tree.links.new(plate.outputs["Image"], addon("comp_tree").output_of(tree))
    bpy.ops.render.render(animation=True)
    return {
        "fps": fps, "frames": [scene.frame_start, scene.frame_end], "first": entry.first, "last": entry.last,
        "prompt": state.prompts[0].frame, "shot": bpy.path.abspath(state.shot), "shots": shots,
        "notes": notes,
    }  # fmt: skip


PANELS = ("main", "doubts", "comp", "mask", "settings")


def panels(said: dict[str, Any]) -> dict[str, Any]:
    """Every panel in every state, drawn on a layout that knows Blender's own names."""
    sys.path.insert(0, str(Path(__file__).parent))
    import drawing

    def draw() -> dict[str, list[str]]:
        return {name: drawing.draw(f"TRACKMATTE_PT_{name}") for name in PANELS}

    found: dict[str, Any] = {"no clip": draw()}
    clip, scene = open_clip(said["clip"]), bpy.context.scene
    state, preferences = clip.trackmatte, bpy.context.preferences.addons[ADDON].preferences
    found["empty"] = draw()
    bpy.ops.trackmatte.add_box(box=BOX)
    found["prompted"] = draw()
    work = types.SimpleNamespace(request=types.SimpleNamespace(doing="track"))
    addon("ops_run").running.append(types.SimpleNamespace(work=work, part=0.21, text="track 5/24"))
    found["running"] = draw()
    addon("ops_run").running.clear()
    state.objects[0].tracked, state.objects[0].lost, state.use_range = "0-23", "7-9", True
    place = state.places.add()
    place.object, place.frame, place.doubt, place.reasons = "subject", 7, 0.9, "lost"
    scene.trackmatte.background = bpy.data.images.new("sky", 4, 4)
    addon("ops_run").message.update(text="complete\nscene frame 1 shows file 0", bad=False)
    found["done"] = draw()
    preferences.python = "/nowhere/python"
    refused(bpy.ops.trackmatte.test)
    found["no engine"] = draw()
    for wrong in (
        lambda at: at.prop(state, "trakcer"), lambda at: at.operator("trackmatte.trakc"),
        lambda at: at.label(icon="NO_SUCH_ICON"), lambda at: at.row(aligned=True),
        lambda at: setattr(at.operator("trackmatte.pick"), "mode", "NEITHER"),
        lambda at: setattr(at.operator("trackmatte.pick"), "modus", "ADD"),
    ):  # fmt: skip
        try:
            wrong(drawing.Layout([]))
        except AssertionError:
            continue
        raise RuntimeError("a wrong name went unnoticed")
    return found


def everything() -> list[Any]:
    """Return all that Blender's undo must bring back."""
    scene = bpy.context.scene
    clip = bpy.data.movieclips[0]
    state = clip.trackmatte
    tree = _compositor(scene)
    return [
        [(p.object, p.frame, p.kind, tuple(p.position), p.subject, p.mask) for p in state.prompts],
        [tuple(p.box) for p in state.prompts],
        [o.name for o in state.objects], state.active, state.place,
        [(d.object, d.image.name if d.image else "") for d in state.deliveries],
        sorted(n.name for n in tree.nodes) if tree else [], sorted(i.name for i in bpy.data.images),
        [scene.render.resolution_x, scene.render.resolution_y, scene.render.fps, scene.frame_end],
        scene.frame_current, sorted(m.name for m in bpy.data.masks), len(bpy.data.scenes),
    ]  # fmt: skip


def undone(call: Any, **words: Any) -> list[bool]:
    """Do something, undo it and do it again: whether it changed anything, was undone and came back."""
    bpy.ops.ed.undo_push(message="before")
    before = everything()
    call("EXEC_DEFAULT", True, **words)
    after = everything()
    bpy.ops.ed.undo()
    back = everything()
    bpy.ops.ed.redo()
    return [after != before, back == before, everything() == after]


def undo(said: dict[str, Any]) -> dict[str, Any]:
    """Every operator that changes the .blend is one step of Blender's undo."""
    ops, found = bpy.ops.trackmatte, {}
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(said["folder"]) / "undo.blend"))
    clip = open_clip(said["clip"])
    clip.trackmatte.refiner = "none"
    tracks = clip.tracking.tracks
    tracks.new(name="eye", frame=1).markers[0].co = (0.4, 0.55)
    tracks[0].select = True
    found["match"] = undone(ops.match)
    found["object_add"] = undone(ops.object_add, name="fox")
    found["add_box"] = undone(ops.add_box, box=BOX)
    found["add_point"] = undone(ops.add_point, position=(0.05, 0.05), subject=False)
    found["add_marker"] = undone(ops.add_marker)
    mask = bpy.data.masks.new("hand")
    square(mask.layers.new(name="a"), 0.1)
    found["add_mask"] = undone(ops.add_mask, mask="hand")
    found["clear last"] = undone(ops.clear, what="LAST")
    found["object_add again"] = undone(ops.object_add, name="tree")
    found["add_point again"] = undone(ops.add_point, position=(0.9, 0.1))
    found["clear frame"] = undone(ops.clear, what="FRAME")
    found["add_box again"] = undone(ops.add_box, box=(0.7, 0, 0.9, 0.5))
    found["clear all"] = undone(ops.clear, what="ALL")
    found["object_remove"] = undone(ops.object_remove)
    state = bpy.data.movieclips[0].trackmatte
    state.use_range, state.frame_in, state.frame_out = True, 1, 3
    ops.matte()
    bpy.data.images.remove(bpy.data.movieclips[0].trackmatte.deliveries[0].image)
    found["load"] = undone(ops.load)
    for effect in ("CUTOUT", "BLUR", "REPLACE"):
        found[f"comp {effect}"] = undone(ops.comp, effect=effect)
    place = bpy.data.movieclips[0].trackmatte.places.add()
    place.object, place.frame = "fox", 2
    found["jump"] = undone(ops.jump, index=len(bpy.data.movieclips[0].trackmatte.places) - 1)
    return found


def square(layer: Any, half: float, x: float = 0.5, y: float = 0.5) -> Any:
    """Add a square to a mask's layer; positions as masks have them."""
    spline = layer.splines.new()
    spline.use_cyclic = True
    spline.points.add(4 - len(spline.points))
    # Clockwise, so that feather lies outside.
    corners = ((-half, -half), (-half, half), (half, half), (half, -half))
    for k, point in enumerate(spline.points):
        at = np.array((x, y)) + corners[k]
        along = np.array(corners[(k + 1) % 4]) - np.array(corners[k - 1])
        point.handle_left_type = point.handle_right_type = "FREE"
        point.co, point.handle_left, point.handle_right = at, at - along / 10, at + along / 10
    return spline


def masks(said: dict[str, Any]) -> dict[str, Any]:
    """Blender's masks as prompts, corrected by hand and handed back; jump to where a track is in doubt."""
    folder, scene = Path(said["folder"]), bpy.context.scene
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "masks.blend"))
    clip = open_clip(said["clip"])
    clip.frame_start = 11
    state, settings = clip.trackmatte, scene.trackmatte
    state.tracker, state.refiner = "flow", "closed_form"
    bpy.ops.trackmatte.match()
    state.use_range, state.frame_in, state.frame_out = True, 11, 15
    found: dict[str, Any] = {"drawn": _drawn(clip)}
    scene.frame_set(11)
    bpy.ops.trackmatte.add_box(box=BOX)
    bpy.ops.trackmatte.track()
    settings.view = "MATTE"
    bpy.ops.trackmatte.show()
    found["no matte"] = addon("ops_run").message["text"]
    state.frame_out = 11
    bpy.ops.trackmatte.matte()
    state.frame_out = 15
    for view in ("MASK", "MATTE", "ALPHA"):
        settings.view = view
        found.setdefault("kept", []).append(addon("overlay").get(clip.name, 11) is not None)
        bpy.ops.trackmatte.show()
        shown = addon("overlay").get(clip.name, 11)
        np.save(folder / f"{view}.npy", addon("overlay").colours(shown, view, 0.5))
    delivered = addon("trackmatte_client.paths").numbered(
        addon("clips").absolute(state.deliveries[0].target), 4, 0
    )
    np.save(folder / "delivered.npy", read(Path(delivered))[..., 0])
    settings.view = "MASK"

    settings.mask_step = 2
    bpy.ops.trackmatte.to_mask()
    mask = bpy.data.masks[f"{clip.name} subject"]
    before = {f: _tracked(clip, f) for f in (12, 14)}
    scene.frame_set(13)
    mask.layers[0].select = True
    for point in mask.layers[0].splines[0].points:
        point.select = True
        for name in ("co", "handle_left", "handle_right"):
            x, y = getattr(point, name)
            setattr(point, name, (x + 0.1, y + 0.02))
    with addon("masks")._Editor(bpy.context, clip, mask) as editor:
        editor.key()
    scene.frame_set(13)
    now = mask.evaluated_get(bpy.context.evaluated_depsgraph_get()).layers[0].splines[0]
    found["spline"] = [[list(p.co), list(p.handle_left), list(p.handle_right)] for p in now.points]
    bpy.ops.trackmatte.add_mask(mask=mask.name)
    bpy.ops.trackmatte.track()
    np.save(folder / "13.npy", _tracked(clip, 13))
    found["moved"] = {f: _middle(_tracked(clip, f)) - _middle(before[f]) for f in before}

    return found | _doubted(state)


def _doubted(state: Any) -> dict[str, Any]:
    """Say something wrong, and go where the engine doubts it."""
    scene = bpy.context.scene
    scene.frame_set(13)
    bpy.ops.trackmatte.clear(what="FRAME")
    bpy.ops.trackmatte.add_mask(mask="whole")
    bpy.ops.trackmatte.track()
    bpy.ops.trackmatte.doubts()
    places = [[p.frame, p.reasons] for p in state.places]
    scene.frame_set(40)
    return {
        "places": places,
        "jump": [sorted(bpy.ops.trackmatte.jump(index=0)), scene.frame_current, state.place],
    }


def _drawn(clip: Any) -> dict[str, Any]:
    """Return what part of the picture the add-on takes of masks that Blender's own nodes show whole."""
    rasterise = addon("masks").rasterise
    parts: dict[str, Any] = {}

    def part(mask: Any) -> None:
        picture = rasterise(bpy.context, mask, *clip.size)
        parts[mask.name] = [float(picture.mean()), float(((picture > 0.01) & (picture < 0.99)).mean())]

    def fresh(name: str, holes: bool = False) -> tuple[Any, Any]:
        mask = bpy.data.masks.new(name)
        layer = mask.layers.new(name="a")
        layer.use_fill_holes = holes
        square(layer, 0.2)
        return mask, layer

    part(fresh("whole")[0])
    for name, holes in (("hole", True), ("no hole", False)):
        mask, layer = fresh(name, holes)
        square(layer, 0.1)
        part(mask)
    mask, _ = fresh("subtracted")
    above = mask.layers.new(name="b")
    square(above, 0.1)
    above.blend = "SUBTRACT"
    part(mask)
    mask, layer = fresh("feathered")
    for point in layer.splines[0].points:
        point.weight = 0.1
    part(mask)
    mask, layer = fresh("parented")
    track = clip.tracking.tracks.new(name="follow", frame=1)
    track.markers[0].co = (0.5, 0.5)
    track.markers.insert_frame(5, co=(0.6, 0.5))
    for point in layer.splines[0].points:
        point.parent.id_type, point.parent.id = "MOVIECLIP", clip
        point.parent.parent, point.parent.sub_parent = clip.tracking.objects[0].name, "follow"
    bpy.context.scene.frame_set(clip.frame_start + 4)
    picture = rasterise(bpy.context, mask, *clip.size)
    parts["parented at"] = _middle(picture)
    parts["scenes"] = len(bpy.data.scenes)
    parts["groups"] = len(bpy.data.node_groups)
    return parts


def _tracked(clip: Any, frame: int) -> np.ndarray:
    """Return the engine's mask at a scene frame."""
    bpy.context.scene.frame_set(frame)
    bpy.ops.trackmatte.show()
    found: np.ndarray = addon("overlay").get(clip.name, frame)
    return found


def _middle(mask: np.ndarray) -> float:
    """Return the mean x of a mask, in [0, 1]."""
    return float((mask > 0.5).nonzero()[1].mean() / mask.shape[1])


def buttons(said: dict[str, Any]) -> dict[str, Any]:
    """What Find and Test say, for every way in which an engine cannot be had."""
    ops, folder, run = bpy.ops.trackmatte, Path(said["folder"]), Path(said["run"])
    preferences = bpy.context.preferences.addons[ADDON].preferences
    real, path = os.environ.pop("TRACKMATTE_PYTHON"), os.environ["PATH"]
    found: dict[str, Any] = {}

    def both(name: str) -> None:
        found[f"find {name}"] = [refused(ops.find), preferences.said]
        found[f"test {name}"] = [refused(ops.test), preferences.said]

    def test(name: str, program: Path | str) -> None:
        preferences.python = str(program)
        found[f"test {name}"] = [refused(ops.test), preferences.said]

    os.environ["PATH"] = str(folder / "nothing")
    both("nothing")
    os.environ["TRACKMATTE_PYTHON"] = str(folder / "gone" / "python")
    both("gone")
    del os.environ["TRACKMATTE_PYTHON"]
    record = addon("trackmatte_client.protocol.places")
    record = record.data_folder() / record.INSTALL_FILE
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"python": str(folder / "old" / "python")}))
    both("recorded")
    record.unlink()
    os.environ["PATH"] = path
    plain = folder / "plain.txt"
    plain.write_text("no program")
    test("plain", plain)
    test("other python", sys.executable)
    test("ends", "/bin/false")
    (run / "engine.json").mkdir()
    test("unreadable", real)
    (run / "engine.json").rmdir()
    (run / "engine.json").write_text("{")
    test("junk", real)
    connect = addon("connect")
    stop, kept = addon("trackmatte_client.engine").stop, connect.find_or_start
    stop(connect.connect())
    connect.find_or_start = lambda command: kept(command, timeout=0.5)
    silent = folder / "trackmatte-silent"
    silent.write_text("#!/bin/sh\nexec sleep 30\n")
    silent.chmod(0o755)
    test("silent", silent)
    connect.find_or_start = kept
    with _Engine(said, 99):
        test("newer", real)
    named = folder / "trackmatte"
    named.write_text(f'#!/bin/sh\nexec "{real}" -m trackmatte "$@"\n')
    named.chmod(0o755)
    test("program", named)
    stop(connect.connect())
    os.environ["TRACKMATTE_PYTHON"] = real
    both("well")
    return found


def faults(said: dict[str, Any]) -> dict[str, Any]:
    """No clip, no prompt, no engine, an old engine, an engine that is killed."""
    ops, found = bpy.ops.trackmatte, {}
    found["no clip"] = refused(ops.track)
    clip = open_clip(said["clip"])
    clip.trackmatte.shot = ""
    found["no mask"] = refused(ops.add_mask)
    found["no marker"] = refused(ops.add_marker)
    found["empty box"] = refused(lambda: ops.add_box(box=(0.5, 0.5, 0.5, 0.9)))
    found["no mattes"] = refused(ops.check)
    found["not tracked"] = refused(ops.to_mask)
    found["no place"] = refused(lambda: ops.jump(index=3))
    preferences = bpy.context.preferences.addons[ADDON].preferences
    preferences.python = str(Path(said["folder"]) / "nowhere" / "python")
    found["absent"] = refused(ops.track)
    found["absent test"] = refused(ops.test)
    preferences.python = "C:\\Program Files\\Trackmatte\\python.exe"
    found["windows"] = refused(ops.track)
    preferences.python = ""
    with _Engine(said, 0):
        found["old"] = refused(ops.track)
        found["old test"] = refused(ops.test)
    found["find"] = sorted(ops.find())
    found["found"] = preferences.python
    found["test"] = sorted(ops.test())
    found["said"] = preferences.said
    found["no prompt"] = refused(ops.track)
    ops.add_box(box=BOX)
    killer = threading.Thread(target=_kill_at_work, args=(said,), daemon=True)
    killer.start()
    found["killed"] = refused(ops.track)
    killer.join(60)
    clip.trackmatte.use_range, clip.trackmatte.frame_in, clip.trackmatte.frame_out = True, 1, 2
    found["after"] = sorted(ops.track())
    engine = json.loads((Path(said["run"]) / "engine.json").read_text())["pid"]
    os.kill(engine, signal.SIGSTOP)
    found["frozen"] = refused(ops.track)
    os.kill(engine, signal.SIGCONT)
    found["thawed"] = sorted(ops.track())
    clip.trackmatte.frame_in = 5
    found["in out"] = refused(ops.track)
    clip.trackmatte.use_range = False
    stopper = threading.Thread(target=_stop_at_work, daemon=True)
    stopper.start()
    found["stopped"] = sorted(ops.track())
    found["stopped says"] = addon("ops_run").message["text"]
    stopper.join(60)
    return found


def _at_work() -> None:
    """Wait until the engine has finished a frame."""
    running = addon("ops_run").running
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if any((r.work.progress() or ("", 0))[1] > 0 for r in running):
            return
        time.sleep(0.01)


def _kill_at_work(said: dict[str, Any]) -> None:
    _at_work()
    os.kill(json.loads((Path(said["run"]) / "engine.json").read_text())["pid"], signal.SIGKILL)


def _stop_at_work() -> None:
    _at_work()
    for begun in addon("ops_run").running:
        begun.work.stop()


class _Engine:
    """An engine that speaks another protocol."""

    def __init__(self, said: dict[str, Any], protocol: int) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps({"protocol": protocol, "engine": "0.0.1", "pid": os.getpid()}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.file = Path(said["run"]) / "engine.json"

    def __enter__(self) -> None:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        port = self.server.server_address[1]
        self.file.write_text(json.dumps({"port": port, "token": "x", "pid": os.getpid()}))

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.file.unlink()


CHAPTERS = {f.__name__: f for f in (story, clips, uneven, masks, panels, undo, buttons, faults)}


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
