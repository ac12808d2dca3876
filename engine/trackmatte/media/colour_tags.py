"""What the tags of movies and images say about their colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import av
import numpy as np
import OpenImageIO as oiio

from trackmatte.color import (
    P3,
    REC709,
    REC2020,
    SRGB,
    STANDARD,
    WHITE,
    Colour,
    Curve,
    config_colour,
    standard,
)

SAY = "--input-colorspace says otherwise"
UNTAGGED = 2
"""The H.273 code that means "unspecified", for matrix, transfer and primaries alike."""
CURVES: dict[int, Curve] = {
    **dict.fromkeys((1, 6, 7, 11, 12, 14, 15), "Rec.709"),
    4: "Gamma 2.2",
    5: "Gamma 2.8",
    8: "linear",
    13: "sRGB",
    16: "PQ",
    18: "HLG",
}
"""Transfer characteristics of ITU-T H.273; those of Rec.601, SMPTE 240M and Rec.2020 are nearly Rec.709's."""
PRIMARIES = {1: REC709, 4: REC709, 5: REC709, 6: REC709, 7: REC709, 9: REC2020, 11: P3, 12: P3}
"""Colour primaries of H.273; those of SD are taken for Rec.709's."""
CHROMATICITIES = {
    REC709: (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329),
    REC2020: (0.708, 0.292, 0.17, 0.797, 0.131, 0.046, 0.3127, 0.329),
    P3: (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329),
    "ACEScg": (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767),
    "ACES2065-1": (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767),
    "Linear ARRI Wide Gamut 3": (0.684, 0.313, 0.221, 0.848, 0.0861, -0.102, 0.3127, 0.329),
    "Linear ARRI Wide Gamut 4": (0.7347, 0.2653, 0.1424, 0.8576, 0.0991, -0.0308, 0.3127, 0.329),
}
"""x, y of red, green, blue and white that EXR files carry, by linear space of the built-in configuration."""

DPX: dict[str, Curve] = {"log": "Cineon", "printing density": "Cineon", "709": "Rec.709"}
"""What words in a DPX file's transfer say."""
PROFILES = {"srgb": "srgb_rec709_scene", "display p3": "srgb_p3d65_scene", "adobe rgb": "g22_adobergb_scene"}
"""What words in an ICC profile's description say."""


def movie_colour(picture: av.VideoFrame) -> tuple[Colour, list[str]]:
    """Return what a movie's tags say its colours are, and what of it the user should know."""
    rgb = picture.format.is_rgb
    trc, wide = int(picture.color_trc), int(picture.color_primaries)
    curve = CURVES.get(trc, "sRGB" if rgb else "Rec.709")
    primaries = PRIMARIES.get(wide, REC2020 if int(picture.colorspace) in (9, 10) else REC709)
    colour = standard(curve, REC2020 if curve == "HLG" else primaries)
    notes = []
    if trc not in CURVES and trc not in (0, UNTAGGED, 3):
        notes.append(f"The movie's transfer tag ({trc}) is not known: it is read as {curve}; {SAY}.")
    if wide not in PRIMARIES and wide not in (0, UNTAGGED, 3):
        notes.append(f"The movie's primaries tag ({wide}) is not known: it is read as {colour.name}; {SAY}.")
    if curve in ("PQ", "HLG"):
        notes.append(
            f"The movie is HDR ({curve}): models see {WHITE:g} cd/m² as white, what is brighter is clipped."
        )
    return colour, notes


def image_colour(spec: oiio.ImageSpec, dtype: np.dtype[Any]) -> tuple[Colour, list[str]]:
    """Return what an image's tags say its colours are, and what of it the user should know."""
    colour = _from_tags(spec, dtype)
    if colour is not None:
        return colour, []
    colour = standard("linear") if dtype == np.float32 else SRGB
    called = "linear Rec.709" if colour is not SRGB else "sRGB"
    if profile := spec.get_string_attribute("ICCProfile:profile_description"):
        return colour, [
            f"The images' ICC profile {profile!r} is not applied: they are read as {called}; {SAY}."
        ]
    name = spec.get_string_attribute("colorInteropID") or spec.get_string_attribute("oiio:ColorSpace")
    if name.lower() not in ("", "data", "unknown"):
        return colour, [f"The images' colour space {name!r} is not known: they are read as {called}; {SAY}."]
    if spec.getattribute("chromaticities"):
        return colour, [f"The images' primaries are not known: they are read as {called}; {SAY}."]
    if dtype == np.float32:
        return colour, [f"The images do not say what their colours are: they are read as {called}; {SAY}."]
    return colour, []


def _from_tags(spec: oiio.ImageSpec, dtype: np.dtype[Any]) -> Colour | None:
    """Return the colour that the most telling tag of an image names, or None."""
    transfer = spec.get_string_attribute("dpx:Transfer").lower()
    for word, curve in DPX.items():
        if word in transfer:
            return standard(curve)
    if profile := spec.get_string_attribute("ICCProfile:profile_description").lower():
        return next((config_colour(name) for word, name in PROFILES.items() if word in profile), None)
    space = spec.get_string_attribute("oiio:ColorSpace")
    primaries = spec.getattribute("chromaticities")
    name = spec.get_string_attribute("colorInteropID")
    if name or spec.get_int_attribute("acesImageContainerFlag") == 1:
        return _called(name or "ACES2065-1")
    linear = not space or space.lower() in ("linear", "lin_rec709", "lin_rec709_scene", "scene_linear")
    if primaries and dtype == np.float32 and linear:
        return _with_primaries(primaries)
    return _called(space)


def _called(name: str) -> Colour | None:
    """Return the colour that OpenImageIO or an interoperability id calls so."""
    word = name.strip().lower()
    if "kodaklog" in word or "cineon" in word:
        return standard("Cineon")
    if word in ("", "data", "unknown", "raw", "none"):
        return None
    if word in ("linear", "scene_linear"):
        return standard("linear")
    own = (c for c in STANDARD if c.name.lower() == word)
    return config_colour(name) or config_colour(f"ocio:{name}") or next(own, None)


def _with_primaries(primaries: Sequence[float]) -> Colour | None:
    for name, known in CHROMATICITIES.items():
        if np.allclose(primaries, known, rtol=0, atol=6e-4):
            return standard("linear", name)
    return None
