"""What a plate's code values mean: to what models look at, to linear light, and back."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trackmatte import color_config
from trackmatte.color_config import BUILTIN
from trackmatte.errors import UsageError

Curve = Literal[
    "linear", "sRGB", "Rec.709", "Gamma 2.2", "Gamma 2.4", "Gamma 2.6", "Gamma 2.8", "Cineon", "PQ", "HLG"
]
"""How code values relate to light, by the standard that says so; Rec.709 is the camera's curve of BT.709."""
REC709, REC2020, P3 = "Linear Rec.709 (sRGB)", "Linear Rec.2020", "Linear P3-D65"
WHITE = 203.0
"""Luminance in cd/m² of the HDR level that counts as linear 1 (reference white of ITU-R BT.2408)."""
EIGHT = ((np.arange(1 << 16, dtype=np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
"""(65536,) the 8-bit value nearest to every 16-bit one."""


@dataclass(frozen=True, slots=True)
class Colour:
    """What the code values of a plate mean; equal if they mean the same."""

    name: str
    """As told to people and stored, e.g. "sRGB", "Rec.709", "ACEScg", "ARRI LogC3 (EI800)"."""
    linear_name: str
    """The linear space that `linear` gives; recorded in deliveries."""
    curve: Curve | None = None
    """The curve over the primaries of ``linear_name``; None if ``name`` is a space of ``config``."""
    config: str = BUILTIN
    """Identity of the OpenColorIO configuration that knows the names."""

    @property
    def coded_for_display(self) -> bool:
        """Whether the code values are near enough to sRGB's to be looked at as they are."""
        curves = ("sRGB", "Rec.709", "Gamma 2.2", "Gamma 2.4", "Gamma 2.6", "Gamma 2.8")
        return self.curve in curves and self.linear_name == REC709

    @property
    def identity(self) -> str:
        """What decides pixels: the name and the configuration."""
        return f"{self.name} of {self.config}"

    def display(self, rgb: NDArray[Any]) -> NDArray[np.uint8]:
        """Bring code values to 8-bit sRGB, what models and selectors look at.

        Plates coded for display keep their values. Others go through linear light to the primaries of
        Rec.709, are clipped and get the curve of sRGB; there is no tone mapping.

        Parameters
        ----------
        rgb : (H, W, 3) uint8, uint16 (full range) or floating; NaN and -inf count as 0, inf as 1.

        Returns
        -------
        (H, W, 3) uint8; ``rgb`` itself if nothing has to be done.
        """
        if rgb.dtype == np.uint8 and self.coded_for_display:
            return rgb
        if rgb.dtype == np.uint16 and self.coded_for_display:
            return np.asarray(EIGHT[rgb])
        if not np.issubdtype(rgb.dtype, np.integer) and not np.isfinite(rgb).all():
            rgb = np.nan_to_num(rgb, nan=0.0, posinf=1.0, neginf=0.0)
        if self.coded_for_display:
            return np.asarray(np.rint(np.clip(rgb, 0, 1) * 255), np.uint8)
        return color_config.apply(_shown(self), rgb, np.uint8)

    def linear(self, rgb: NDArray[Any]) -> NDArray[np.float32]:
        """Bring code values to light in the space ``linear_name``, unclamped.

        Parameters
        ----------
        rgb : (H, W, 3) uint8, uint16 (full range) or floating.

        Returns
        -------
        (H, W, 3) float32, a new array; a pixel with a channel that is not finite is NaN.
        """
        return _through(_linear(self, inverse=False), rgb)

    def encode(self, linear: NDArray[Any]) -> NDArray[np.float32]:
        """Bring light back to the plate's own code values: the inverse of `linear`.

        Parameters
        ----------
        linear : (H, W, 3) floating, in the space ``linear_name``.

        Returns
        -------
        (H, W, 3) float32, a new array; [0, 1] is the full range of integers. A pixel with a channel that is
        not finite is NaN.
        """
        return _through(_linear(self, inverse=True), linear)


STANDARD = (
    Colour("sRGB", REC709, "sRGB"),
    Colour("Rec.709", REC709, "Rec.709"),
    Colour("Rec.2020", REC2020, "Rec.709"),
    Colour("Display P3", P3, "sRGB"),
    Colour("Gamma 2.2 Rec.709", REC709, "Gamma 2.2"),
    Colour("Gamma 2.4 Rec.709", REC709, "Gamma 2.4"),
    Colour("Rec.2100 PQ", REC2020, "PQ"),
    Colour("Rec.2100 HLG", REC2020, "HLG"),
    Colour("Cineon", REC709, "Cineon"),
)
"""Colours with names of their own, known whatever the configuration."""
SRGB = STANDARD[0]
SAME = {
    "sRGB Encoded Rec.709 (sRGB)": "sRGB",
    "sRGB - Display": "sRGB",
    "Camera Rec.709": "Rec.709",
    "sRGB Encoded P3-D65": "Display P3",
    "Display P3 - Display": "Display P3",
    "Gamma 2.2 Encoded Rec.709": "Gamma 2.2 Rec.709",
    "Gamma 2.2 Rec.709 - Display": "Gamma 2.2 Rec.709",
    "Gamma 2.4 Encoded Rec.709": "Gamma 2.4 Rec.709",
    "Rec.1886 Rec.709 - Display": "Gamma 2.4 Rec.709",
    "Rec.2100-PQ - Display": "Rec.2100 PQ",
    "Rec.2100-HLG - Display": "Rec.2100 HLG",
}
"""Spaces of the built-in configuration that are one of `STANDARD`."""


def unit(rgb: NDArray[Any]) -> NDArray[np.float32]:
    """Return code values as float32, integers scaled from their full range to [0, 1]."""
    if np.issubdtype(rgb.dtype, np.integer):
        return np.asarray(rgb / np.float32(np.iinfo(rgb.dtype).max), np.float32)
    return rgb.astype(np.float32)


def standard(curve: Curve, linear_name: str = REC709) -> Colour:
    """Return the colour with a curve over the primaries of a linear space of the built-in configuration."""
    if curve == "linear":
        return Colour(linear_name, linear_name, curve)
    wanted = (c for c in STANDARD if (c.curve, c.linear_name) == (curve, linear_name))
    return next(wanted, Colour(f"{curve} over {linear_name}", linear_name, curve))


def colour_named(name: str) -> Colour:
    """Return the colour that a name, an alias or a role of the active configuration stands for.

    The configuration is that of $OCIO, or the built-in one. A name it does not know may be one of
    `STANDARD`.

    Raises
    ------
    UsageError : nothing is called that, it holds no pictures, or $OCIO cannot be read.
    """
    identity = color_config.active()
    found = config_colour(name, identity)
    if found is None:
        wanted = (c for c in STANDARD if c.name.lower() == name.strip().lower())
        found = next(wanted, None)
    if found is None:
        near = ", ".join(_near(name, identity))
        hint = f"near it are {near}" if near else "list them with: trackmatte colorspaces"
        raise UsageError(f"There is no colour space {name!r} in {color_config.called(identity)}: {hint}.")
    return found


@cache
def config_colour(name: str, identity: str = BUILTIN) -> Colour | None:
    """Return the colour that a configuration knows by a name, alias or role; None if it knows none.

    Raises
    ------
    UsageError : the space holds data and not pictures, or the configuration has no linear working space.
    """
    config = color_config.config(identity)
    space = config.getColorSpace(name.strip()) if name.strip() else None
    if space is None:
        return None
    full = space.getName()
    if space.isData():
        raise UsageError(f"The colour space {full!r} is for data: name one that pictures are in.")
    if identity == BUILTIN and full in SAME:
        return next(c for c in STANDARD if c.name == SAME[full])
    if color_config.is_linear(identity, full):
        return Colour(full, full, "linear", identity)
    working = config.getColorSpace("scene_linear")
    if working is None:
        raise UsageError(
            f"There is no role scene_linear in {color_config.called(identity)}: "
            "give it one, it says which linear space to work in."
        )
    made = Colour(full, working.getName(), None, identity)
    _linear(made, inverse=False), _shown(made)  # a missing LUT shows here and not amid a pass
    return made


def known_colours(text: str = "") -> list[tuple[str, str, tuple[str, ...]]]:
    """Return (name, family, aliases) of every colour whose name, family or alias contains ``text``.

    Raises
    ------
    UsageError : $OCIO cannot be read.
    """
    config = color_config.config(color_config.active())
    spaces = [(s.getName(), s.getFamily(), tuple(s.getAliases())) for s in config.getColorSpaces()]
    data = {s.getName() for s in config.getColorSpaces() if s.isData()}
    every = [(c.name, "Standard", ()) for c in STANDARD] + [s for s in spaces if s[0] not in data]
    return [s for s in every if text.lower() in "\n".join((s[0], s[1], *s[2])).lower()]


def _near(name: str, identity: str) -> list[str]:
    """Return names that people who wrote ``name`` may have meant, at most six."""
    if not name.strip():
        return []
    spaces = [s for s in color_config.config(identity).getColorSpaces() if not s.isData()]
    names = {c.name.lower(): c.name for c in STANDARD}
    names |= {word.lower(): s.getName() for s in spaces for word in (s.getName(), *s.getAliases())}
    typed = name.strip().lower()
    within = [full for word, full in names.items() if typed in word]
    close = [names[word] for word in difflib.get_close_matches(typed, names, 6)]
    return list(dict.fromkeys(within + close))[:6]


def to_display_code(linear: NDArray[Any], linear_name: str) -> NDArray[np.float32]:
    """Bring light to sRGB display code.

    Parameters
    ----------
    linear : (H, W, 3) floating, in the space ``linear_name``.
    linear_name : a space of the built-in configuration, else of the active one.

    Returns
    -------
    (H, W, 3) float32 in [0, 1]; a pixel with a channel that is not finite is black.

    Raises
    ------
    UsageError : there is no such space.
    """
    identity = BUILTIN if config_colour(linear_name) else colour_named(linear_name).config
    code = _through(color_config.shown_from(identity, linear_name), linear)
    return np.clip(np.nan_to_num(code, copy=False, nan=0.0), 0, 1, out=code)


def converted(linear: NDArray[np.float32], source: Colour, to: Colour) -> NDArray[np.float32]:
    """Return light of one colour's linear space as light of another's.

    Parameters
    ----------
    linear : (H, W, 3) in the space ``source.linear_name``; itself if the two are in the same space.

    Raises
    ------
    UsageError : the configuration of ``to`` does not know both spaces.
    """
    import PyOpenColorIO as ocio

    if source.linear_name == to.linear_name:
        return linear
    transform = ocio.ColorSpaceTransform(source.linear_name, to.linear_name)
    return _through(color_config.processor(to.config, transform), linear)


def _through(made: Any, rgb: NDArray[Any]) -> NDArray[np.float32]:
    """Run a processor; pixels that are not finite come out as NaN, not as what a curve makes of them."""
    out: NDArray[np.float32] = color_config.apply(made, rgb, np.float32)
    if not np.issubdtype(rgb.dtype, np.integer) and not np.isfinite(rgb).all():
        out[~np.isfinite(rgb).all(axis=2)] = np.nan
    return out


@cache
def _linear(colour: Colour, *, inverse: bool) -> Any:
    """Return the processor to linear light, or back."""
    import PyOpenColorIO as ocio

    if colour.curve is None:
        transform: Any = ocio.ColorSpaceTransform(colour.name, colour.linear_name)
    else:
        transform = _decoding(colour.curve)
    return color_config.processor(colour.config, transform, inverse=inverse)


@cache
def _shown(colour: Colour) -> Any:
    """Return the processor to sRGB code."""
    import PyOpenColorIO as ocio

    if colour.curve is None or colour.config != BUILTIN:
        return color_config.shown_from(colour.config, colour.name)
    steps = ocio.GroupTransform()
    steps.appendTransform(_decoding(colour.curve))
    steps.appendTransform(ocio.ColorSpaceTransform(colour.linear_name, color_config.SHOWN))
    return color_config.processor(BUILTIN, steps)


def _decoding(curve: Curve) -> Any:
    """Return the transform from code values to light of the same primaries."""
    import PyOpenColorIO as ocio

    steps = ocio.GroupTransform()
    if curve in ("sRGB", "Rec.709"):
        gamma, offset = (2.4, 0.055) if curve == "sRGB" else (1 / 0.45, 0.099)
        toe = ocio.NEGATIVE_LINEAR
        steps.appendTransform(ocio.ExponentWithLinearTransform([gamma] * 3 + [1], [offset] * 3 + [0], toe))
    elif curve.startswith("Gamma"):
        power = [float(curve.split()[1])] * 3 + [1.0]
        steps.appendTransform(ocio.ExponentTransform(power, ocio.NEGATIVE_MIRROR))
    elif curve == "Cineon":
        # 10-bit printing density, black 95, white 685, gamma .6 (Kodak, 1993).
        black = 10 ** ((95 - 685) * 0.002 / 0.6)
        log = ocio.LogAffineTransform(
            logSideSlope=[0.6 / 0.002 / 1023] * 3,
            logSideOffset=[685 / 1023] * 3,
            linSideSlope=[1 - black] * 3,
            linSideOffset=[black] * 3,
        )
        log.setBase(10)
        log.setDirection(ocio.TRANSFORM_DIR_INVERSE)
        steps.appendTransform(log)
    elif curve in ("PQ", "HLG"):
        if curve == "PQ":
            steps.appendTransform(ocio.BuiltinTransform("CURVE - ST-2084_to_LINEAR"))
        else:
            steps.appendTransform(ocio.ColorSpaceTransform("Rec.2100-HLG - Display", REC2020))
        steps.appendTransform(ocio.MatrixTransform.Scale([100 / WHITE] * 3 + [1.0]))
    return steps
