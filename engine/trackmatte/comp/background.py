"""What is put behind the subject: a colour, a picture, or a clip that runs along with the plate."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.color import SRGB, Colour, converted
from trackmatte.errors import ClipError, UsageError
from trackmatte.frame import Frame
from trackmatte.media import FrameSource, decode_ahead, open_clip
from trackmatte.media.sequence import ImageSequence

F32 = NDArray[np.float32]

Fit = Literal["fill", "fit", "stretch"]
"""How a picture of another shape is scaled: cropped, with black bars, or out of proportion."""
After = Literal["loop", "hold"]
"""What follows a clip's last frame: its first one again, or the last one for good."""
SKIP = 48
"""Frames of a clip that are rather decoded and dropped than jumped over."""


class Background(Protocol):
    """Gives the background of every frame, in ascending order of frames."""

    @property
    def key(self) -> list[object]:
        """What decides its pixels, for hashing."""
        ...

    def at(self, number: int, plate: Colour) -> F32:
        """Return (H, W, 3), or (1, 1, 3), in the plate's linear space, for the plate's frame ``number``."""
        ...

    def close(self) -> None:
        """Release what it reads from."""
        ...


@dataclass(frozen=True, slots=True)
class Flat:
    """One colour."""

    colour: tuple[float, float, float]
    space: Colour | None = None
    """Whose code values they are; None = they are the plate's light."""

    @property
    def key(self) -> list[object]:
        """What decides its pixels."""
        return [list(self.colour), self.space and self.space.identity]

    def at(self, number: int, plate: Colour) -> F32:  # noqa: ARG002
        """Return (1, 1, 3)."""
        values = np.array(self.colour, np.float32).reshape(1, 1, 3)
        return values if self.space is None else light_behind(values, self.space, plate)

    def close(self) -> None:
        """Do nothing: a colour reads from nowhere."""


def light_behind(values: NDArray[Any], source: Colour, plate: Colour) -> F32:
    """Return (H, W, 3) code values of another picture as light in the plate's linear space.

    Two pictures that are both coded for display are looked at by their code values, whatever their curves
    are called: so these stay what they are when the composite is coded as the plate is.
    """
    if source.coded_for_display and plate.coded_for_display:
        return plate.linear(values)
    return converted(source.linear(values), source, plate)


def parse_colour(text: str) -> Flat | None:
    """Return the colour that ``#rrggbb`` (sRGB) or ``r,g,b`` (linear, the plate's space) stands for, or None.

    Raises
    ------
    UsageError : it begins like a colour and is none.
    """
    if text.startswith("#"):
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
            raise UsageError(f"{text!r} is no colour; write #rrggbb, e.g. #00b140, or linear R,G,B")
        r, g, b = (int(text[i : i + 2], 16) / 255 for i in (1, 3, 5))
        return Flat((r, g, b), SRGB)
    parts = text.split(",")
    if len(parts) != 3:
        return None
    try:
        r, g, b = (float(p) for p in parts)
    except ValueError:
        return None
    if not np.isfinite([r, g, b]).all():
        raise UsageError(f"{text!r} is no colour; write #rrggbb, e.g. #00b140, or linear R,G,B")
    return Flat((r, g, b))


class ClipBackground:
    """A picture, sequence or movie, scaled to the plate.

    A sequence that has the plate's first number runs by numbers; anything else starts on its own first frame.

    Parameters
    ----------
    clip : closed with this background.
    size : (width, height) of the plate in px.
    numbers : of the plate's frames that will be asked for, ascending.
    fit : how it is scaled.
    after : what follows its last frame; None = it must be long enough.

    Raises
    ------
    UsageError : it is too short, or lacks a frame.
    """

    def __init__(
        self,
        clip: FrameSource,
        size: tuple[int, int],
        numbers: Sequence[int],
        *,
        fit: Fit = "fill",
        after: After | None = None,
    ) -> None:
        self.clip, self.size, self.fit, self.after = clip, size, fit, after
        numbered = isinstance(clip, ImageSequence) and numbers[0] in clip.numbers
        self._offset = numbers[0] if not numbered else clip.first_number
        self._order = (
            {n - clip.first_number: i for i, n in enumerate(clip.numbers)}
            if numbered
            else {i: i for i in range(clip.length)}
        )
        self._span = max(self._order) + 1
        for number in numbers:
            self.index(number)
        self._frames: Iterator[Frame] | None = None
        self._next = 0
        self._made: tuple[int, Colour, F32] | None = None

    @property
    def key(self) -> list[object]:
        """What decides its pixels."""
        colour = self.clip.colour.identity
        return [self.clip.identity(), colour, list(self.size), self._offset, self.fit, self.after]

    def index(self, number: int) -> int:
        """Return which of the clip's frames goes behind the plate's frame ``number``.

        Raises
        ------
        UsageError : there is none.
        """
        place = number - self._offset
        if self.clip.length == 1:
            return 0
        if place >= self._span:
            if self.after is None:
                raise UsageError(
                    f"{self.clip.path} ends after {self.clip.length} frames, before frame {number} of the "
                    "plate; add --loop or --hold, or take a longer one"
                )
            place = place % self._span if self.after == "loop" else self._span - 1
        if place not in self._order:
            raise UsageError(
                f"{self.clip.path} has no frame {place + self.clip.first_number}, which belongs behind frame "
                f"{number} of the plate; complete the sequence"
            )
        return self._order[place]

    def at(self, number: int, plate: Colour) -> F32:
        """Return (H, W, 3) for the plate's frame ``number``; pixels that are not finite are black."""
        index = self.index(number)
        if self._made is None or self._made[:2] != (index, plate):
            frame = self._read(index)
            light = light_behind(frame.rgb, frame.colour, plate)
            light = np.nan_to_num(light, nan=0, posinf=0, neginf=0)
            self._made = index, plate, scaled(light, self.size, self.fit)
        return self._made[2]

    def _read(self, index: int) -> Frame:
        """Return a frame, decoding on from the last one where that is near."""
        if self._frames is None or not self._next <= index <= self._next + SKIP:
            self._stop()
            self._frames, self._next = decode_ahead(self.clip.frames(index), depth=2), index
        for frame in self._frames:
            self._next = frame.index + 1
            if frame.index == index:
                return frame
        raise AssertionError("a clip ends where it says")

    def _stop(self) -> None:
        if self._frames is not None:
            self._frames.close()  # type: ignore[attr-defined]
            self._frames = None

    def close(self) -> None:
        """Stop reading."""
        self._stop()
        self.clip.close()


def scaled(image: F32, size: tuple[int, int], fit: Fit) -> F32:
    """Return a linear (h, w, 3) picture scaled to ``size`` (width, height), within its own range."""
    (h, w), (width, height) = image.shape[:2], size
    if (w, h) == size:
        return image
    ratios = width / w, height / h
    factor = {"fill": max(ratios), "fit": min(ratios), "stretch": 0.0}[fit]
    target = size if fit == "stretch" else (max(1, round(w * factor)), max(1, round(h * factor)))
    smaller = target[0] < w or target[1] < h
    method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    made = np.clip(cv2.resize(image, target, interpolation=method), image.min(), image.max())
    if made.shape[1::-1] == size:
        return np.asarray(made, np.float32)
    out = np.zeros((height, width, 3), np.float32)
    x, y = (width - target[0]) // 2, (height - target[1]) // 2  # below 0 where the picture is cropped
    part = made[max(0, -y) : max(0, -y) + height, max(0, -x) : max(0, -x) + width]
    out[max(0, y) : max(0, y) + part.shape[0], max(0, x) : max(0, x) + part.shape[1]] = part
    return out


def open_background(
    what: str | os.PathLike[str],
    size: tuple[int, int],
    numbers: Sequence[int],
    *,
    fit: Fit = "fill",
    after: After | None = None,
    colorspace: str | None = None,
) -> Background:
    """Return the background that a text stands for: a colour, or the path of a picture, sequence or movie.

    Parameters
    ----------
    size, numbers : of the plate; see `ClipBackground`.
    colorspace : name of what its code values mean; None = as its tags say.

    Raises
    ------
    ClipError : it cannot be read.
    UsageError : it is too short, or there is no such colour space.
    """
    flat = None if Path(what).exists() else parse_colour(os.fspath(what))
    if flat is not None:
        if colorspace is not None:
            raise UsageError(
                "--background-colorspace is for pictures; a colour is #rrggbb, sRGB, or linear R,G,B"
            )
        return flat
    try:
        clip = open_clip(what, colorspace)
    except ClipError as e:
        if Path(what).exists():
            raise
        raise ClipError(f"{e} A colour is written #rrggbb, or as linear R,G,B.") from e
    try:
        return ClipBackground(clip, size, numbers, fit=fit, after=after)
    except BaseException:
        clip.close()
        raise
