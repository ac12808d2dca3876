"""Pictures for the docs: blender --enable-event-simulate --python screenshots.py -- ADDON CLIP FOLDER SCREEN

Needs a Blender with a window on an Xvfb that keeps its screen in the file SCREEN: Blender's own screenshots
are black under Mesa from 4.3 on. ADDON is the module of the installed extension, or the add-on's folder for
Blender 3.4, which has no extensions.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy

ADDON, CLIP, PICTURES, SCREEN = sys.argv[sys.argv.index("--") + 1 :]
Wait = Iterator[Callable[[], bool] | None]
TAB = (1267, 453)
"""Where 3.4 draws the tab Trackmatte in a window of 1280 x 800."""
BOX = (0.18, 0.16, 0.63, 0.77)
LIMIT = 840.0
FOUND: dict[str, Any] = {}


def module(name: str = "") -> Any:
    """Return the add-on or a module of it."""
    package = Path(ADDON).name  # of a folder its name, of a module all of it
    return importlib.import_module(package + (f".{name}" if name else ""))


def editor(kind: str) -> dict[str, Any]:
    """Fill the window with one editor and return what operators need to run in it."""
    window = bpy.context.window_manager.windows[0]
    area = max(window.screen.areas, key=lambda a: a.width * a.height)
    if area.ui_type != kind:
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
    """Save the screen as it is."""
    shutil.copy(SCREEN, f"{PICTURES}/blender-{name}.xwd")


def click(x: float, y: float, *, drag: tuple[float, float] | None = None, ctrl: bool = False) -> None:
    """Let the mouse click in the window, pixels from its lower left."""
    window = bpy.context.window_manager.windows[0]
    at = (round(x), round(y))
    to = at if drag is None else (round(drag[0]), round(drag[1]))
    window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=at[0], y=at[1])
    window.event_simulate(type="LEFTMOUSE", value="PRESS", x=at[0], y=at[1], ctrl=ctrl)
    window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=to[0], y=to[1])
    window.event_simulate(type="LEFTMOUSE", value="RELEASE", x=to[0], y=to[1], ctrl=ctrl)


def press(key: str, **held: bool) -> None:
    """Press and release a key, the mouse being over the clip."""
    window = bpy.context.window_manager.windows[0]
    for value in ("PRESS", "RELEASE"):
        window.event_simulate(type=key, value=value, x=300, y=300, **held)


def on_picture(place: dict[str, Any], x: float, y: float) -> tuple[float, float]:
    """Return where in the window a position of the clip, [0, 1] from the top left, is."""
    region = place["region"]
    u, v = region.view2d.view_to_region(x, 1 - y, clip=False)
    return region.x + u, region.y + v


def to_tab(place: dict[str, Any]) -> Wait:
    """Click on the sidebar's tabs from the top until the add-on's is shown; 3.4 cannot say which one is."""
    if bpy.app.version < (4, 2, 0):
        click(*TAB)
        yield None
        return
    region = next(r for r in place["area"].regions if r.type == "UI")
    for y in range(region.y + region.height - 20, region.y, -20):
        click(region.x + region.width - 10, y)
        yield None
        if region.active_panel_category == "Trackmatte":
            return
    raise RuntimeError("there is no tab Trackmatte")


def idle() -> bool:
    """Whether nothing runs."""
    return not module("ops_run").running


def steps() -> Wait:
    """What an artist does; each yield lets Blender draw, and waits until a condition holds."""
    yield None
    place = editor("CLIP_EDITOR")
    alone(place)
    yield None
    place = editor("CLIP_EDITOR")
    space = place["area"].spaces.active
    space.clip = bpy.data.movieclips.load(CLIP)
    yield None
    space.show_region_toolbar, space.show_region_ui = False, True
    yield None
    with bpy.context.temp_override(**place):
        bpy.ops.clip.view_all(fit_view=True)
        bpy.ops.trackmatte.match()
    yield from to_tab(place)
    yield from absent(place)
    yield from prompting(place)
    yield from computing()
    yield from composing()
    yield from maximising()


def absent(place: dict[str, Any]) -> Wait:
    """Ask for doubtful frames while there is no engine."""
    named = os.environ["TRACKMATTE_PYTHON"]
    os.environ["TRACKMATTE_PYTHON"] = f"{PICTURES}/nowhere"
    with bpy.context.temp_override(**place):
        bpy.ops.trackmatte.doubts()
    yield idle
    os.environ["TRACKMATTE_PYTHON"] = named
    FOUND["absent"] = module("ops_run").message["text"]


def prompting(place: dict[str, Any]) -> Wait:
    """Drag a box, click a point on the subject and one beside it, undo and redo with Blender's own."""
    with bpy.context.temp_override(**place):
        bpy.ops.trackmatte.pick("INVOKE_DEFAULT", mode="ADD")
    yield None
    click(*on_picture(place, *BOX[:2]), drag=on_picture(place, *BOX[2:]))
    yield idle
    click(*on_picture(place, 0.59, 0.44))
    yield idle
    click(*on_picture(place, 0.85, 0.6), ctrl=True)
    yield idle
    FOUND["picked"] = said()
    press("Z", ctrl=True)  # while points are still being picked
    yield idle
    yield None
    FOUND["undone"] = said()
    press("Z", ctrl=True, shift=True)
    yield idle
    yield None
    FOUND["redone"] = said()
    with bpy.context.temp_override(**place):
        bpy.ops.trackmatte.pick("INVOKE_DEFAULT", mode="SUBTRACT")  # in place of the first
    yield None
    click(*on_picture(place, 0.5, -0.05))  # beside the picture
    press("ESC")
    yield idle
    click(*on_picture(place, 0.4, 0.5))
    yield idle
    FOUND["ended"] = said()
    yield None
    shoot("prompt")


def said() -> list[list[Any]]:
    """Return the clip's prompts."""
    return [
        [p.kind, p.subject, [round(v, 2) for v in (p.box if p.kind == "BOX" else p.position)]]
        for p in bpy.data.movieclips[0].trackmatte.prompts
    ]


KILLER = """
import json, os, signal, sys, time
from pathlib import Path
while not any(Path(sys.argv[1]).glob("trackmatte/*.shot/track/*/*")):
    time.sleep(0.01)
os.kill(json.loads(Path(sys.argv[2]).read_text())["pid"], signal.SIGKILL)
"""
"""Kills the engine as soon as it has written a frame, however slowly Blender draws meanwhile."""


def computing() -> Wait:
    """Track, matte and look."""
    place, clip = editor("CLIP_EDITOR"), bpy.data.movieclips[0]
    clip.trackmatte.use_range, clip.trackmatte.frame_in, clip.trackmatte.frame_out = True, 1, 24
    engine = Path(os.environ["TRACKMATTE_RUNTIME"], "engine.json")
    killer = subprocess.Popen([sys.executable, "-c", KILLER, Path(CLIP).parent, engine])
    with bpy.context.temp_override(**place):
        bpy.ops.trackmatte.track(direction="both")
    yield lambda: killer.poll() is not None
    yield idle
    FOUND["killed"] = module("ops_run").message["text"]
    with bpy.context.temp_override(**place):
        bpy.ops.trackmatte.track(direction="both")
    yield lambda: idle() or any(r.part > 0.2 for r in module("ops_run").running)
    shoot("track")
    yield idle
    with bpy.context.temp_override(**place):
        bpy.ops.trackmatte.matte()
    yield idle
    bpy.context.scene.frame_current = 12
    bpy.context.scene.trackmatte.view = "MATTE"
    yield idle
    yield None
    shoot("matte")
    FOUND["picture"] = [*on_picture(place, 0, 1), *on_picture(place, 1, 0)]
    yield from correcting(place)


def correcting(place: dict[str, Any]) -> Wait:
    """Turn the subject into an animated mask, look at it, hand it back; take that back again."""
    scene, space = bpy.context.scene, place["area"].spaces.active
    with bpy.context.temp_override(**place):
        bpy.ops.trackmatte.to_mask()
    yield idle
    mask = bpy.data.masks[0]
    FOUND["modes"] = [space.mode, scene.frame_current]
    space.mode, space.mask, scene.trackmatte.overlay = "MASK", mask, False
    yield None
    shoot("mask")
    before = said()
    with bpy.context.temp_override(**place):
        bpy.ops.trackmatte.add_mask("EXEC_DEFAULT", True)
    FOUND["mask"] = [said()[:-1] == before, said()[-1][0], len(bpy.data.scenes)]
    yield idle
    with bpy.context.temp_override(**place):
        bpy.ops.trackmatte.clear("EXEC_DEFAULT", True, what="LAST")
    FOUND["cleared"] = said() == before
    yield idle
    space.mode, scene.trackmatte.overlay = "TRACKING", True
    yield None


def composing() -> Wait:
    """Build the blurred background and render it."""
    with bpy.context.temp_override(**editor("CLIP_EDITOR")):
        bpy.ops.trackmatte.comp(effect="BLUR")
    place = editor("CompositorNodeTree")
    place["area"].spaces.active.show_region_ui = False
    yield None
    with bpy.context.temp_override(**place):
        bpy.ops.node.select_all(action="DESELECT")
        bpy.ops.node.view_all()
    yield None
    yield None
    shoot("nodes")
    bpy.context.scene.view_settings.view_transform = "Standard"
    bpy.context.scene.render.filepath = f"{PICTURES}/blender-blur.png"
    bpy.ops.render.render(write_still=True)


def maximising() -> Wait:
    """Maximise the editor while points are picked: the pick ends, or, in 5.2, goes on in the large one."""
    place = editor("CLIP_EDITOR")
    yield None
    place = editor("CLIP_EDITOR")
    before = said()
    with bpy.context.temp_override(**place):
        bpy.ops.trackmatte.pick("INVOKE_DEFAULT", mode="ADD")
        bpy.ops.screen.screen_full_area()
    yield None
    click(*on_picture(place, 0.5, 0.5))
    yield idle
    FOUND["maximised"] = said()[: len(before)] == before


def main() -> None:
    """Drive the steps from a timer."""
    faulthandler.enable()  # where Blender was when it crashed
    bpy.context.preferences.view.show_splash = False
    if os.sep in ADDON:
        sys.path.insert(0, str(Path(ADDON).parent))
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
            print("RESULT", json.dumps(FOUND), flush=True)
            code = 0
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        os._exit(code)

    bpy.app.timers.register(tick, first_interval=2.0)


main()
