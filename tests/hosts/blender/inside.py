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
            tree = addon("comp_tree")._tree(scene)
            theirs = tree.nodes.new("CompositorNodeRGB")
            maker = addon("comp_tree")._Maker(tree, "x")
            maker.link(theirs.outputs[0], addon("comp_tree")._output(tree, maker))
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
            output = addon("comp_tree")._output(tree, maker)
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
    with _OldEngine(said):
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


class _OldEngine:
    """An engine that speaks protocol 0."""

    def __init__(self, said: dict[str, Any]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps({"protocol": 0, "engine": "0.0.1", "pid": os.getpid()}).encode()
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


CHAPTERS = {f.__name__: f for f in (story, clips, faults)}


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
