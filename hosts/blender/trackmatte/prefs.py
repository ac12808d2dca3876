# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the engine is: the only thing that belongs to the user and not to a .blend."""

from __future__ import annotations

import bpy
from bpy.props import StringProperty

from .trackmatte_client import EngineError, connect


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
        except EngineError as e:
            return _answer(self, context, [e.message], bad=True)
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
        except EngineError as e:
            return _answer(self, context, [e.message], bad=True)
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
    row = layout.row(align=True)
    row.prop(preferences, "python")
    row.operator("trackmatte.find")
    row.operator("trackmatte.test")
    for line in preferences.said.splitlines():
        wrapped(layout, line)


def wrapped(layout: bpy.types.UILayout, text: str, width: int = 28) -> None:
    """Draw a long sentence on several lines; Blender would cut it."""
    column = layout.column(align=True)
    line = ""
    for word in text.split():
        if line and len(line) + len(word) >= width:
            column.label(text=line)
            line = ""
        line = f"{line} {word}".strip()
    column.label(text=line)


def _answer(
    operator: bpy.types.Operator, context: bpy.types.Context, lines: list[str], *, bad: bool = False
) -> set[str]:
    preferences = get(context)
    if preferences is not None:
        preferences.said = "\n".join(lines)
    operator.report({"ERROR" if bad else "INFO"}, "; ".join(lines))
    return {"CANCELLED" if bad else "FINISHED"}


CLASSES = (TrackmattePreferences, TRACKMATTE_OT_find, TRACKMATTE_OT_test)
