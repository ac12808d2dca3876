"""Pictures for the docs: blender --factory-startup --python screenshots.py -- STAGED_FOLDER CLIP PICTURES

Needs a Blender with a window (Debian's 3.4 under Xvfb will do), so it takes the add-on's folder, not the package.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy

STAGED, CLIP, PICTURES = (Path(a) for a in sys.argv[sys.argv.index("--") + 1 :])
BOX = (0.18, 0.16, 0.63, 0.77)
LIMIT = 240.0


def module(name: str = "") -> Any:
    """Return the add-on or a module of it."""
    return importlib.import_module(STAGED.name + (f".{name}" if name else ""))


def editor(kind: str) -> dict[str, Any]:
    """Fill the window with one editor and return what operators need to run in it."""
    window = bpy.context.window_manager.windows[0]
    area = max(window.screen.areas, key=lambda a: a.width * a.height)
    area.ui_type = kind
    region = next(r for r in area.regions if r.type == "WINDOW")
    return {"window": window, "area": area, "region": region}


def alone(place: dict[str, Any]) -> None:
    """Close all other editors."""
    for area in list(place["window"].screen.areas):
        if area != place["area"] and len(place["window"].screen.areas) > 1:
            with bpy.context.temp_override(window=place["window"], area=area):
                bpy.ops.screen.area_close()


def shoot(name: str) -> None:
    """Save the window as it is."""
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
        bpy.ops.screen.screenshot(filepath=str(PICTURES / f"blender-{name}.png"))


def steps() -> Iterator[Callable[[], bool] | None]:
    """What an artist does; each yield lets Blender draw, and wait until a condition holds."""
    idle = lambda: not module("ops_run").running  # noqa: E731
    yield None
    place = editor("CLIP_EDITOR")
    alone(place)
    yield None
    place = editor("CLIP_EDITOR")
    space = place["area"].spaces.active
    clip = bpy.data.movieclips.load(str(CLIP))
    space.clip = clip
    space.show_region_ui, space.show_region_toolbar = True, False
    space.view = "CLIP"
    yield None
    with bpy.context.temp_override(**place):
        bpy.ops.clip.view_all()
        bpy.ops.trackmatte.match()
        bpy.ops.trackmatte.add_box("EXEC_DEFAULT", True, box=BOX)
    yield idle
    with bpy.context.temp_override(**place):
        bpy.ops.trackmatte.add_point("EXEC_DEFAULT", True, position=(0.3, 0.55))
        bpy.ops.trackmatte.add_point("EXEC_DEFAULT", True, position=(0.85, 0.6), subject=False)
        prompts = len(clip.trackmatte.prompts)
    yield idle
    bpy.ops.ed.undo()
    clip = bpy.data.movieclips[0]
    print("UNDO", prompts, len(clip.trackmatte.prompts), flush=True)
    bpy.ops.ed.redo()
    clip = bpy.data.movieclips[0]
    print("REDO", len(clip.trackmatte.prompts), flush=True)
    place = editor("CLIP_EDITOR")
    yield None
    shoot("prompt")
    clip.trackmatte.use_range, clip.trackmatte.frame_in, clip.trackmatte.frame_out = True, 1, 24
    with bpy.context.temp_override(**place):
        bpy.ops.trackmatte.track(direction="both")
    yield lambda: idle() or any(r.part > 0.4 for r in module("ops_run").running)
    shoot("track")
    yield idle
    with bpy.context.temp_override(**place):
        bpy.ops.trackmatte.matte()
    yield idle
    print("SAID", module("ops_run").message, flush=True)
    bpy.context.scene.frame_set(12)
    with bpy.context.temp_override(**place):
        bpy.ops.trackmatte.show()
    yield idle
    yield None
    shoot("matte")
    with bpy.context.temp_override(**place):
        bpy.ops.trackmatte.comp(effect="BLUR")
    place = editor("CompositorNodeTree")
    yield None
    with bpy.context.temp_override(**place):
        bpy.ops.node.view_all()
    yield None
    yield None
    shoot("nodes")
    bpy.context.scene.render.filepath = str(PICTURES / "blender-blur.png")
    bpy.ops.render.render(write_still=True)


def main() -> None:
    """Drive the steps from a timer."""
    sys.path.insert(0, str(STAGED.parent))
    module().register()
    story, begun = steps(), time.monotonic()
    waits: list[Callable[[], bool] | None] = [None]

    def tick() -> float | None:
        try:
            if time.monotonic() - begun > LIMIT:
                raise TimeoutError("it took too long")
            if waits[0] is None or waits[0]():
                waits[0] = next(story)
            return 0.5
        except StopIteration:
            code = 0
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        os._exit(code)

    bpy.app.timers.register(tick, first_interval=2.0)


main()
