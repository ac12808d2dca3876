"""The whole way, two clips in two scenes, clips of varying rate; runs inside Blender's Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from helpers import BOX, addon, compositor, open_clip, plate_only, read, refused, render


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
        node = next(n for n in compositor(scene).nodes if n.bl_idname == "CompositorNodeImage")
        names[place] = [
            clip.trackmatte.prompts[0].frame, entry.first, entry.last, clip.trackmatte.shot,
            scene.frame_start, scene.frame_end, [node.frame_start, node.frame_offset, node.frame_duration],
        ]  # fmt: skip
        if place == "einß":
            scene.frame_set(3)
            np.save(folder.parent / "third.npy", render(scene, folder / "third.exr"))
        else:
            tree = compositor(scene)
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


def uneven(said: dict[str, Any]) -> dict[str, Any]:
    """A movie of varying frame rate: what Blender shows frame by frame, and mattes on those frames."""
    scene, folder = bpy.context.scene, Path(said["folder"])
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "uneven.blend"))
    clip = open_clip(said["clip"])
    clip.trackmatte.refiner, clip.trackmatte.tracker = "none", "flow"
    clip.trackmatte.use_range, clip.trackmatte.frame_in, clip.trackmatte.frame_out = True, 25, 40
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
