# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the engine is: the only thing that belongs to the user and not to a .blend."""

from __future__ import annotations

import textwrap

import bpy
from bpy.props import StringProperty

from .trackmatte_client import EngineError, connect

NARROW, MARGIN, LETTER = 28, 12, 6
"""Letters of a line at least, letters lost at its ends, pixels of a letter."""


class TrackmattePreferences(bpy.types.AddonPreferences):
    """The add-on's preferences."""

    bl_idname = __package__

    python: StringProperty(
        name="Engine",
        description="The Python (or trackmatte program) that has the engine; empty: find it",
        subtype="FILE_PATH",
    )
    said: StringProperty(options={"SKIP_SAVE"})

    def draw(self, _context: bpy.types.Context) -> None:
        draw(self.layout, self)


class TRACKMATTE_OT_find(bpy.types.Operator):
    """Find the installed engine"""

    bl_idname = "trackmatte.find"
    bl_label = "Find"

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            found = connect.installed()
        except (EngineError, OSError) as e:
            return _answer(self, context, [str(e)], bad=True)
        preferences = get(context)
        if preferences is not None:
            preferences.python = found
        return _answer(self, context, [f"found {found}"])


class TRACKMATTE_OT_test(bpy.types.Operator):
    """Start the engine and say what it can do, or what is wrong with it"""

    bl_idname = "trackmatte.test"
    bl_label = "Test"

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            lines = connect.describe(python(context))
        except (EngineError, OSError) as e:
            return _answer(self, context, [str(e)], bad=True)
        return _answer(self, context, lines)


def get(context: bpy.types.Context) -> TrackmattePreferences | None:
    """Return the preferences; None when the add-on was registered without being enabled."""
    addon = context.preferences.addons.get(__package__)
    return addon.preferences if addon else None


def python(context: bpy.types.Context) -> str:
    """Return the program that the user chose; empty = find it."""
    preferences = get(context)
    return preferences.python if preferences else ""


def draw(layout: bpy.types.UILayout, preferences: TrackmattePreferences) -> None:
    """Draw path, Find, Test and what they said."""
    layout.prop(preferences, "python")
    row = layout.row(align=True)
    row.operator("trackmatte.find")
    row.operator("trackmatte.test")
    for line in preferences.said.splitlines():
        wrapped(layout, line)


def wrapped(layout: bpy.types.UILayout, text: str) -> None:
    """Draw a long sentence on several lines; Blender would cut it."""
    column = layout.column(align=True)
    for line in textwrap.wrap(text, _letters(), break_on_hyphens=False):
        column.label(text=line)


def _letters() -> int:
    """Return how many letters a line of the region being drawn has room for, about."""
    region = bpy.context.region
    if region is None:
        return NARROW
    return max(round(region.width / bpy.context.preferences.system.ui_scale / LETTER) - MARGIN, NARROW)


def _answer(
    operator: bpy.types.Operator, context: bpy.types.Context, lines: list[str], *, bad: bool = False
) -> set[str]:
    preferences = get(context)
    if preferences is not None:
        preferences.said = "\n".join(lines)
    operator.report({"ERROR" if bad else "INFO"}, "; ".join(lines))
    return {"CANCELLED" if bad else "FINISHED"}


CLASSES = (TrackmattePreferences, TRACKMATTE_OT_find, TRACKMATTE_OT_test)
