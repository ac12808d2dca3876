"""What must not surprise: moved playheads, other folders, turned clips; runs inside Blender's Python."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from helpers import BOX, addon, compositor, open_clip, plate_only, read, refused, render


def care(said: dict[str, Any]) -> dict[str, Any]:
    """Cut-out, overlay, prompts beside the clip, nodes, a .blend saved elsewhere."""
    folder, ops = Path(said["folder"]), bpy.ops.trackmatte
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "care.blend"))
    clip, scene = open_clip(said["clip"]), bpy.context.scene
    clip.frame_start, state = 11, clip.trackmatte
    state.tracker, state.refiner, state.preset = "flow", "closed_form", "cutout"
    state.use_range, state.frame_in, state.frame_out = True, 11, 12
    ops.match()
    found: dict[str, Any] = {}
    for frame in (10, 59):
        scene.frame_set(frame)
        found[f"at {frame}"] = refused(ops.add_point)
    scene.frame_set(11)
    ops.add_box(box=BOX)
    ops.matte()

    scene.trackmatte.colour = (0, 0, 0, 1)
    ops.comp(effect="REPLACE")
    entry = state.deliveries[0]
    target = addon("clips").absolute(entry.target)
    file = Path(addon("trackmatte_client.paths").numbered(target, entry.padding, 0))
    inside = read(file)[..., 3] > 0.9999
    shown, plate = render(scene, folder / "shown.exr"), plate_only(scene, clip, folder / "plate.exr")
    found["colour"] = [float(inside.mean()), float(np.abs(shown - plate)[inside].mean())]
    ops.comp(effect="BLUR")
    ops.comp(effect="CUTOUT")
    found["nodes"] = _nodes(compositor(scene))
    found |= _late(clip) | _other_object(clip) | _turned(clip)
    found["saved"] = _elsewhere(folder, clip)
    return found


def _nodes(tree: Any) -> list[list[float]]:
    """Return the highest and lowest place of each set-up's nodes, in the order they were added."""

    def height(node: Any) -> float:
        return node.location.y + (height(node.parent) if node.parent else 0)

    frames = [n for n in tree.nodes if n.bl_idname == "NodeFrame"]
    every = [[height(n) for n in tree.nodes if n.parent == frame] for frame in frames]
    return [[max(heights), min(heights)] for heights in every]


def _late(clip: Any) -> dict[str, Any]:
    """Let answers come after the playhead was moved, and after another object was chosen."""
    scene, state, overlay = bpy.context.scene, clip.trackmatte, addon("overlay")
    ops_run, work = addon("ops_run"), addon("work")
    kept: list[list[bool]] = []
    for moved in (lambda: scene.frame_set(12), lambda: bpy.ops.trackmatte.object_add(name="other")):
        overlay.clear()
        scene.frame_set(11)
        request = addon("clips").request(bpy.context, clip, "show")
        begun = ops_run.Running(
            work.Work(request), addon("clips").identity(clip), scene.name, addon("results").show
        )
        threads = threading.active_count()
        moved()
        begun.work.wait(600)
        ops_run._finish(bpy.context, begun)
        kept.append([overlay.get(clip.name, frame) is not None for frame in (11, 12)])
    state.active = 0
    return {"late": kept, "threads": threads}


def _other_object(clip: Any) -> dict[str, Any]:
    """Choose another object while a mask is shown; take markers of a tracking object of its own."""
    scene, state, overlay = bpy.context.scene, clip.trackmatte, addon("overlay")
    scene.frame_set(11)
    bpy.ops.trackmatte.show()
    shown = [overlay.get(clip.name, 11) is not None]
    state.active = 1
    shown.append(overlay.get(clip.name, 11) is not None)
    objects = clip.tracking.objects
    objects.active = objects.new("Hero")
    track = objects.active.tracks.new(name="nose", frame=1)
    track.markers[0].co, track.select = (0.25, 0.5), True
    bpy.ops.trackmatte.add_marker()
    marker = list(state.prompts[-1].position)
    bpy.ops.trackmatte.object_remove()
    return {"chosen": shown, "marker": marker}


def _turned(clip: Any) -> dict[str, Any]:
    """Ask for a clip that Blender shows turned, as 4.2 shows one with a rotation tag."""
    request = addon("clips").request(bpy.context, clip, "show")
    turned = addon("work").Work(dataclasses.replace(request, size=request.size[::-1]))
    turned.wait(600)
    return {"turned": turned.error}


def _elsewhere(folder: Path, clip: Any) -> list[Any]:
    """Save a copy into another folder, fail to save, save there, and open that."""
    state, ops = clip.trackmatte, bpy.ops.trackmatte
    before = [state.shot, state.deliveries[0].target]
    (folder / "shots" / "v2").mkdir(parents=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shots" / "copy.blend"), copy=True)
    kept = [[state.shot, state.deliveries[0].target] == before]
    refused(lambda: bpy.ops.wm.save_as_mainfile(filepath=str(folder / "nowhere" / "a.blend")))
    kept.append([state.shot, state.deliveries[0].target] == before)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shots" / "v2" / "care.blend"))
    checks = [refused(ops.check)]
    for name in ("copy.blend", "v2/care.blend"):
        bpy.ops.wm.open_mainfile(filepath=str(folder / "shots" / name))
        checks.append(refused(ops.check))
    state = bpy.data.movieclips[0].trackmatte
    ops.matte()
    shots = sorted(str(p.relative_to(folder)) for p in folder.rglob("*.shot.json"))
    return [kept, checks, state.shot, state.deliveries[0].target, shots]
