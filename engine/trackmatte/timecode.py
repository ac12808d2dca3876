"""SMPTE timecode: the label of a frame on tape or in an edit, HH:MM:SS:FF."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from trackmatte.errors import UsageError

TEXT = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.,])(\d\d\d?)", re.ASCII)
DROP_MARKS = ";.,"
DROP_BIT, PHASE_BIT = 1 << 6, 1 << 15


@dataclass(frozen=True, slots=True)
class Timecode:
    """A frame's label, counted as SMPTE ST 12-1 says.

    Frames are counted in whole ones per second: 23.976 counts 24. Drop frame leaves out the first labels of
    every minute that is not a multiple of ten, two at 29.97 and four at 59.94, so that labels follow the
    clock. After 24 hours the count starts again.
    """

    rate: Fraction
    """Frames per second, e.g. 30000/1001."""
    hours: int = 0
    minutes: int = 0
    seconds: int = 0
    frames: int = 0
    drop: bool = False
    """Drop frame; only for 30 and 60 labels a second."""

    def __post_init__(self) -> None:
        """Check it.

        Raises
        ------
        UsageError : there is no such label at this rate.
        """
        if not 1 <= self.nominal <= 999:
            raise UsageError(
                f"{self.rate} frames per second cannot carry a timecode: give a rate from 1 to 999."
            )
        if self.drop and self.nominal not in (30, 60):
            raise UsageError(f"{self} is drop frame, which {float(self.rate):g} fps has not: write a colon.")
        if not (
            0 <= self.hours < 24
            and 0 <= self.minutes < 60
            and 0 <= self.seconds < 60
            and 0 <= self.frames < self.nominal
        ):
            raise UsageError(
                f"{self} is no timecode at {float(self.rate):g} fps: it runs from 00:00:00:00 "
                f"to 23:59:59:{self.nominal - 1:02d}."
            )
        if self.drop and self.minutes % 10 and not self.seconds and self.frames < self._dropped:
            raise UsageError(f"{self} is a label that drop frame leaves out: take the next one.")

    @classmethod
    def parse(cls, text: str, rate: Fraction) -> Self:
        """Read ``01:00:00:00``, or drop frame with a semicolon or point before the frames.

        Raises
        ------
        UsageError : it is of another form, or there is no such label at this rate.
        """
        found = TEXT.fullmatch(text.strip())
        if found is None:
            raise UsageError(f"{text!r} is no timecode: write HH:MM:SS:FF, or HH:MM:SS;FF for drop frame.")
        hours, minutes, seconds, mark, frames = found.groups()
        return cls(rate, int(hours), int(minutes), int(seconds), int(frames), mark in DROP_MARKS)

    @classmethod
    def unpack(cls, words: tuple[int, int], rate: Fraction) -> Self:
        """Read OpenEXR's and DPX's ``smpte:TimeCode``, the inverse of `packed`.

        Raises
        ------
        UsageError : there is no such label at this rate.
        """
        time = words[0]
        hours, minutes, seconds, frames = (
            10 * (time >> shift + 4 & tens) + (time >> shift & 15)
            for shift, tens in ((24, 3), (16, 7), (8, 7), (0, 3))
        )
        if rate > 30:
            frames = 2 * frames + bool(time & PHASE_BIT)
        return cls(rate, hours, minutes, seconds, frames, bool(time & DROP_BIT))

    @property
    def nominal(self) -> int:
        """Labels per second."""
        return round(self.rate)

    @property
    def count(self) -> int:
        """Frames since 00:00:00:00."""
        minutes = 60 * self.hours + self.minutes
        labels = (60 * minutes + self.seconds) * self.nominal + self.frames
        return labels - self._dropped * (minutes - minutes // 10)

    def advanced(self, frames: int) -> Timecode:
        """Return the timecode so many frames later, or earlier if negative; it wraps at 24 hours."""
        ten_minutes = 600 * self.nominal - 9 * self._dropped
        tens, rest = divmod((self.count + frames) % (144 * ten_minutes), ten_minutes)
        label = 600 * self.nominal * tens + rest
        if self.drop:
            minute = 60 * self.nominal - self._dropped
            label += self._dropped * (max(0, rest - self._dropped) // minute)
        seconds, frame = divmod(label, self.nominal)
        return Timecode(self.rate, seconds // 3600, seconds // 60 % 60, seconds % 60, frame, self.drop)

    def at(self, rate: Fraction) -> Timecode:
        """Return the last label at another rate that is not after this one in its second.

        It is drop frame only if as many labels a second stay.
        """
        frame = self.frames * round(rate) // self.nominal
        drop = self.drop and round(rate) == self.nominal
        return Timecode(rate, self.hours, self.minutes, self.seconds, frame, drop)

    def packed(self) -> tuple[int, int]:
        """Return the two 32-bit words of OpenEXR's ``timeCode`` attribute (TV60 packing, no user data).

        A digit pair holds frames up to 39 only. So above 30 fps frames are counted in pairs, of which the
        field bit marks the second (SMPTE ST 12-1, 12.1).
        """
        frames, phase = (self.frames // 2, self.frames % 2) if self.rate > 30 else (self.frames, 0)
        if frames > 39:
            raise UsageError(f"{self} cannot be stored: more than 80 frames per second have no packed form.")
        parts = ((24, self.hours), (16, self.minutes), (8, self.seconds), (0, frames))
        time = sum((value // 10 << 4 | value % 10) << shift for shift, value in parts)
        return time | DROP_BIT * self.drop | PHASE_BIT * phase, 0

    def __str__(self) -> str:
        """Return ``01:00:00:00``, or ``01:00:00;00`` for drop frame."""
        mark = ";" if self.drop else ":"
        return f"{self.hours:02d}:{self.minutes:02d}:{self.seconds:02d}{mark}{self.frames:02d}"

    @property
    def _dropped(self) -> int:
        """Labels left out in a minute."""
        return self.nominal // 15 if self.drop else 0
