"""A movie as a host with a constant frame rate shows it."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Literal

from trackmatte.errors import FrameError
from trackmatte.frame import Frame
from trackmatte.media.source import FrameSource
from trackmatte.media.video import Movie


class OnGrid(FrameSource):
    """A movie read on a host's frame grid; a `FrameSource`.

    Frame k is the stored frame that is shown at time k / rate: stored frames that last longer come several
    times, those between two grid times do not come. Every read is exact.
    """

    def __init__(self, movie: Movie, rate: Fraction) -> None:
        super().__init__(movie.path, movie.on_error)
        self._movie = movie
        self._stored = movie.on_grid(rate)
        self.size, self.rate, self.pixel_aspect = movie.size, rate, movie.pixel_aspect
        self.colour, self.length = movie.colour, len(self._stored)
        self.numbers = range(self.length)
        self.missing = ()
        self.timecode = movie.timecode and movie.timecode.at(rate)
        shown = len(set(self._stored))
        self.notes = (
            *(n for n in movie.notes if "frame rate varies" not in n),
            f"The movie is read on a grid of {float(rate):g} fps: {self.length - shown} of its "
            f"{self.length} frames repeat the one before, {movie.length - shown} of {movie.length} stored "
            "frames are left out.",
        )

    def shown_at(self, rate: Fraction) -> bool:
        """Return whether this is the grid of a host with that frame rate."""
        return rate == self.rate

    def _walk(self, start: int, stop: int, step: Literal[1, -1]) -> Iterator[Frame | FrameError]:
        if start == stop:
            return
        low, high = self._stored[start], self._stored[stop - 1]
        for got in self._movie._walk(low, high + 1, step):
            first = max(start, bisect_left(self._stored, got.index))
            end = min(stop, bisect_right(self._stored, got.index))
            for k in range(first, end)[::step]:
                yield self._shown(got, k) if isinstance(got, Frame) else self._lost(got, k)

    def _read(self, index: int) -> Frame:
        try:
            return self._shown(self._movie[self._stored[index]], index)
        except FrameError as error:
            raise self._lost(error, index) from error

    def _shown(self, stored: Frame, k: int) -> Frame:
        return replace(stored, index=k, number=k, time=k / self.rate)

    def _lost(self, stored: FrameError, k: int) -> FrameError:
        return FrameError(f"On the grid of {float(self.rate):g} fps, frame {k}: {stored}", k)

    def _release(self) -> None:
        self._movie.close()

    def identity(self) -> str:
        """Hash the movie and the grid."""
        return hashlib.sha256(f"{self._movie.identity()} {self.rate}".encode()).hexdigest()[:32]
