"""Runs inside Blender's Python: python inside.py CHAPTER JSON. Prints one line ``RESULT {...}``.

Uses nothing of the project but the installed extension.
"""

from __future__ import annotations

import json
import os
import sys
import traceback

import bpy
from chapters_care import care
from chapters_faults import buttons, faults
from chapters_story import clips, story, uneven
from chapters_use import masks, panels, undo
from helpers import ADDON

CHAPTERS = {f.__name__: f for f in (story, clips, uneven, masks, panels, undo, buttons, faults, care)}


def install(package: str) -> None:
    """Install and enable the built package as a user would."""
    for module in ("bl_pkg",):
        bpy.ops.preferences.addon_enable(module=module)
    repos = bpy.context.preferences.extensions.repos
    if not any(r.module == "user_default" for r in repos):
        repos.new(name="User Default", module="user_default", source="USER")
    bpy.ops.extensions.package_install_files(filepath=package, repo="user_default", enable_on_install=True)
    assert ADDON in bpy.context.preferences.addons, "it was not enabled"


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
