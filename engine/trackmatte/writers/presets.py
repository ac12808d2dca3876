"""Presets: which channels a delivered frame has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trackmatte.color import SRGB, Colour
from trackmatte.errors import UsageError
from trackmatte.matte import Matte
from trackmatte.picture import Encoding, Picture


@dataclass(frozen=True, slots=True)
class Preset:
    """What a delivery holds."""

    name: str
    what: str
    """One line for people."""
    foreground: bool = False
    """Whether it shows the subject's colour."""
    together: bool = False
    """Whether all objects share a file."""


PRESETS = {
    p.name: p
    for p in (
        Preset("matte", "alpha in R, G, B and A: every host reads it"),
        Preset("alpha", "alpha in A alone: for Nuke"),
        Preset("cutout", "the subject in its own colour, with alpha", foreground=True),
        Preset("multi", "one layer per object, NAME.A, all in one file", together=True),
    )
}


def preset_named(name: str) -> Preset:
    """Return a preset.

    Raises
    ------
    UsageError : there is none of that name.
    """
    if name not in PRESETS:
        raise UsageError(f"there is no preset {name!r}; choose one of: {', '.join(PRESETS)}")
    return PRESETS[name]


def compose(
    preset: Preset,
    mattes: Sequence[Matte],
    number: int,
    *,
    encoding: Encoding = "data",
    colour: Colour = SRGB,
    origin: str = "",
) -> Picture:
    """Return the picture of one frame.

    Parameters
    ----------
    mattes : all objects' for ``multi``, one otherwise; with foreground for ``cutout``.
    encoding, colour : what the foreground's values are.
    """
    first = mattes[0]
    if preset.name == "multi":
        names = layer_names([m.object for m in mattes])
        pixels = np.stack([m.alpha for m in mattes], axis=-1)
        return Picture(number, pixels, tuple(f"{n}.A" for n in names), origin=origin)
    if preset.name == "alpha":
        return Picture(number, first.alpha[..., None], ("A",), origin=origin)
    if preset.name == "matte":
        same = np.broadcast_to(first.alpha[..., None], (*first.alpha.shape, 4))  # takes no memory
        return Picture(number, same, ("R", "G", "B", "A"), origin=origin)
    if first.foreground is None:
        raise ValueError("a cut-out needs the matte's foreground")
    pixels = np.dstack([first.foreground, first.alpha]).astype(np.float32)
    return Picture(number, pixels, ("R", "G", "B", "A"), encoding, colour, origin=origin)


def layer_names(objects: Sequence[str]) -> list[str]:
    """Return an EXR layer name for each object: letters, digits and ``_``, no two alike."""
    names: list[str] = []
    for obj in objects:
        base = re.sub(r"\W+", "_", obj, flags=re.ASCII).strip("_") or "object"
        base = f"_{base}" if base[0].isdigit() else base
        name, count = base, 2
        while name in names:
            name, count = f"{base}_{count}", count + 1
        names.append(name)
    return names
