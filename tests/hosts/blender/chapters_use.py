"""Panels, undo, masks and doubtful frames; runs inside Blender's Python."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import bpy
import drawing
import numpy as np
from helpers import ADDON, BOX, addon, compositor, open_clip, read, refused, square

PANELS = ("main", "doubts", "comp", "mask", "settings")


def panels(said: dict[str, Any]) -> dict[str, Any]:
    """Every panel in every state, drawn on a layout that knows Blender's own names."""

    def draw() -> dict[str, list[str]]:
        return {name: drawing.draw(f"TRACKMATTE_PT_{name}") for name in PANELS}

    found: dict[str, Any] = {"no clip": draw()}
    clip, scene = open_clip(said["clip"]), bpy.context.scene
    state, preferences = clip.trackmatte, bpy.context.preferences.addons[ADDON].preferences
    clip.frame_start = 11
    scene.frame_set(11)
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
    tree = compositor(scene)
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
    found: dict[str, Any] = {"drawn": _drawn(clip), "pieces": _pieces(clip)}
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
    found["outline"] = {f: _overlap(_tracked(clip, f), _rasterised(clip, mask, f)) for f in range(11, 16)}
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
        square(layer, 0.1, hole=True)
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


def _pieces(clip: Any) -> dict[str, Any]:
    """Return how an animated mask of a ring and a disc fits, also when hole, disc and all are gone."""
    y, x = np.mgrid[:360, :640]

    def disc(u: float, radius: float) -> np.ndarray:
        return np.hypot(x - u, y - 180) < radius

    pictures = {
        11: disc(200, 90) & ~disc(200, 40) | disc(480, 50),
        13: disc(220, 90) & ~disc(220, 45) | disc(470, 40),
        15: disc(240, 90),
        17: np.zeros((360, 640), bool),
    }
    keys = {f: p.astype(np.float32) for f, p in pictures.items()}
    mask, empty = addon("masks").animate(bpy.context, clip, "made", keys, 32)
    fits = [_overlap(_rasterised(clip, mask, f), keys[f]) for f in (11, 13, 15)]
    nothing = float(_rasterised(clip, mask, 17).mean())
    return {"splines": len(mask.layers[0].splines), "fits": fits, "nothing": nothing, "empty": empty}


def _tracked(clip: Any, frame: int) -> np.ndarray:
    """Return the engine's mask at a scene frame."""
    bpy.context.scene.frame_set(frame)
    bpy.ops.trackmatte.show()
    found: np.ndarray = addon("overlay").get(clip.name, frame)
    return found


def _rasterised(clip: Any, mask: Any, frame: int) -> np.ndarray:
    """Return a Blender mask at a scene frame."""
    bpy.context.scene.frame_set(frame)
    found: np.ndarray = addon("masks").rasterise(bpy.context, mask, *clip.size)
    return found


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Return what two masks share, as a part of what either has."""
    a, b = one > 0.5, other > 0.5
    return float((a & b).sum() / (a | b).sum())


def _middle(mask: np.ndarray) -> float:
    """Return the mean x of a mask, in [0, 1]."""
    return float((mask > 0.5).nonzero()[1].mean() / mask.shape[1])
