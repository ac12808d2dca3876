# SPDX-License-Identifier: GPL-3.0-or-later
"""What the .blend keeps: per clip the prompts, settings and deliveries, per scene how they are shown."""

from __future__ import annotations

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

TRACKERS = (
    ("auto", "Automatic", "The best one that this engine can run"),
    ("flow", "Flow", "Optical flow; needs no weights"),
    ("sam2", "SAM 2", "Needs weights, and better a GPU"),
)
REFINERS = (
    ("auto", "Automatic", "The best one that this engine can run"),
    ("closed_form", "Closed form", "Matting on a band around the mask; needs no weights"),
    ("bayesian", "Bayesian", "Colour models around each pixel of the band; needs no weights"),
    ("mam", "Matting Anything", "Needs weights"),
    ("hiera", "Hiera", "Needs weights"),
    ("none", "None", "The tracked mask as it is"),
)
PRESETS = (
    ("matte", "Matte", "Coverage in all channels; the plate keeps its own colours"),
    ("cutout", "Cut-out", "The subject's own colour with alpha, without a rim of the old background"),
)
_FILE = {"subtype": "FILE_PATH"}
if bpy.app.version >= (4, 5, 0):
    _FILE["options"] = {"PATH_SUPPORTS_BLEND_RELATIVE"}
VIEWS = (
    ("MASK", "Mask", "The tracked mask as a tint on the clip"),
    ("MATTE", "Matte", "The soft matte as a tint on the clip"),
    ("ALPHA", "Alpha", "The matte itself, white on black"),
)
KINDS = (("POINT", "Point", ""), ("BOX", "Box", ""), ("MASK", "Mask", ""))


class TrackmattePrompt(bpy.types.PropertyGroup):
    """One thing said about an object on a frame; positions in [0, 1] from the top left."""

    object: StringProperty(name="Object")
    frame: IntProperty(name="Source frame")
    kind: EnumProperty(name="Kind", items=KINDS)
    position: FloatVectorProperty(name="Position", size=2)
    subject: BoolProperty(name="Subject", default=True)
    box: FloatVectorProperty(name="Box", size=4)
    mask: StringProperty(name="Mask")


class TrackmatteObject(bpy.types.PropertyGroup):
    """One subject; `name` is the engine's name of it."""

    tracked: StringProperty(name="Tracked")
    matted: StringProperty(name="Matted")
    lost: StringProperty(name="Lost")


class TrackmattePlace(bpy.types.PropertyGroup):
    """Neighbouring frames in doubt, by source numbers."""

    object: StringProperty()
    frame: IntProperty()
    first: IntProperty()
    last: IntProperty()
    doubt: FloatProperty()
    reasons: StringProperty()


class TrackmatteDelivery(bpy.types.PropertyGroup):
    """One delivered sequence."""

    object: StringProperty()
    target: StringProperty()
    """Pattern with # for digits; relative to the .blend where that is possible."""
    padding: IntProperty()
    first: IntProperty()
    last: IntProperty()
    preset: StringProperty()
    image: PointerProperty(type=bpy.types.Image)


class TrackmatteSent(bpy.types.PropertyGroup):
    """Digest of the mask that the engine has been sent."""

    object: StringProperty()
    frame: IntProperty()
    digest: StringProperty()


def _shown_changed(_group: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    from . import ops_run

    ops_run.show_again(context)


class TrackmatteClip(bpy.types.PropertyGroup):
    """All that belongs to one clip."""

    shot: StringProperty(
        name="Shot", description="The engine's file for this clip; empty: made when needed", **_FILE
    )
    prompts: CollectionProperty(type=TrackmattePrompt)
    objects: CollectionProperty(type=TrackmatteObject)
    active: IntProperty(name="Active object", update=_shown_changed)
    places: CollectionProperty(type=TrackmattePlace)
    place: IntProperty(name="Active place")
    deliveries: CollectionProperty(type=TrackmatteDelivery)
    sent: CollectionProperty(type=TrackmatteSent)
    tracker: EnumProperty(name="Tracker", items=TRACKERS)
    refiner: EnumProperty(name="Refiner", items=REFINERS)
    preset: EnumProperty(name="Output", items=PRESETS)
    use_range: BoolProperty(name="In / Out", description="Work on a part of the clip")
    frame_in: IntProperty(name="In", description="First scene frame", default=1)
    frame_out: IntProperty(name="Out", description="Last scene frame", default=100)


class TrackmatteScene(bpy.types.PropertyGroup):
    """How a scene shows and uses mattes."""

    overlay: BoolProperty(name="Overlay", description="Show mask or matte on the clip", default=True)
    view: EnumProperty(
        name="View", description="What is shown on the clip", items=VIEWS, update=_shown_changed
    )
    opacity: FloatProperty(name="Opacity", default=0.5, min=0, max=1)
    blur: IntProperty(name="Blur", description="Background blur in pixels", default=24, min=0, max=512)
    background: PointerProperty(
        name="Background", description="Picture behind the subject; empty: a colour", type=bpy.types.Image
    )
    colour: FloatVectorProperty(
        name="Colour", subtype="COLOR", size=4, default=(0.05, 0.18, 0.05, 1), min=0, max=1
    )
    mask_step: IntProperty(
        name="Every",
        description="A key every so many frames: fewer are less to correct, more follow fast motion",
        default=2,
        min=1,
    )
    mask_points: IntProperty(
        name="Points",
        description="Points of the longest outline: more follow it closer",
        default=32,
        min=4,
        max=256,
    )


CLASSES = (
    TrackmattePrompt,
    TrackmatteObject,
    TrackmattePlace,
    TrackmatteDelivery,
    TrackmatteSent,
    TrackmatteClip,
    TrackmatteScene,
)


def register() -> None:
    """Make the properties known."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.MovieClip.trackmatte = PointerProperty(type=TrackmatteClip)
    bpy.types.Scene.trackmatte = PointerProperty(type=TrackmatteScene)


def unregister() -> None:
    """Forget them; the .blend keeps the values."""
    del bpy.types.Scene.trackmatte
    del bpy.types.MovieClip.trackmatte
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
