# SPDX-License-Identifier: GPL-3.0-or-later
"""Trackmatte in Blender: track a subject in the Movie Clip Editor and get its matte into the compositor.

The engine is a program of its own; nothing of it runs inside Blender.
"""

from __future__ import annotations

import bpy

from . import ops_mask, ops_prompt, ops_result, ops_run, overlay, panel, prefs, props, saving

_PARTS = (prefs, ops_prompt, ops_run, ops_result, ops_mask, panel)


def register() -> None:
    """Make everything known to Blender."""
    props.register()
    for part in _PARTS:
        for cls in part.CLASSES:
            bpy.utils.register_class(cls)
    overlay.register()
    ops_run.register()
    saving.register()


def unregister() -> None:
    """Stop what runs and leave no trace."""
    saving.unregister()
    ops_run.unregister()
    overlay.unregister()
    for part in reversed(_PARTS):
        for cls in reversed(part.CLASSES):
            bpy.utils.unregister_class(cls)
    props.unregister()
