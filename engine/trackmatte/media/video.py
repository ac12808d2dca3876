"""Movie files, decoded with PyAV and exact for any order of reading."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Literal

from trackmatte.color import Colour
from trackmatte.errors import ClipError, FrameError
from trackmatte.frame import Frame
from trackmatte.media.label import movie_label, read_label
from trackmatte.media.source import FrameSource, OnError
from trackmatte.media.video_decode import (
    Picture,
    Pictures,
    count_pictures,
    open_movie,
    pictures,
    video_stream,
)
from trackmatte.media.video_index import MovieIndex, build_index
from trackmatte.media.video_pixels import look_of, to_rgb

BLOCK_BYTES = 192 << 20
"""Decoded pictures that backward reading holds at once, in bytes; at least 4 and at most 64 frames."""
HASH_BYTES = 1 << 20
MOST_RATE = 1000
"""Frames per second above which the rate stored is damaged."""


class Movie(FrameSource):
    """One video stream of a movie file; a `FrameSource`.

    Frames are numbered from 0 in the order they are shown, one for every frame stored, whatever their times.
    Eight-bit movies give uint8, deeper ones uint16; grey becomes three channels, alpha is ignored, the
    rotation stored in the file is applied. A damaged frame takes with it what is decoded from it, up to the
    next keyframe.
    """

    def __init__(self, path: Path, on_error: OnError = "stop", colour: Colour | None = None) -> None:
        super().__init__(path, on_error)
        self._reader: Pictures | None = None
        self._at = 0
        with open_movie(path) as movie:
            stream = video_stream(movie)
            index = build_index(movie, stream)
            rates = (stream.average_rate, stream.guessed_rate)
            rate = next((r for r in rates if r and 0 < r <= MOST_RATE), Fraction(24))
            aspect = stream.sample_aspect_ratio
            alpha = stream.metadata.get("alpha_mode") == "1"
            label = movie_label(movie, stream)
        if index.ordinal:
            index = MovieIndex.untimed(count_pictures(path), 1 / Fraction(rate))
        if not len(index):
            raise ClipError(f"{path} holds no video frames: it may be cut off, fetch or render it again.")
        self.rate = Fraction(rate)
        self._index = index
        self._look = look_of(self._first_picture(), aspect, alpha=alpha, colour=colour)
        self.size, self.colour = self._look.size, self._look.colour
        self.length = len(index)
        self.numbers = range(self.length)
        self.missing = ()
        self.pixel_aspect = Fraction(aspect or 1)
        if self._look.turns % 2:
            self.pixel_aspect = 1 / self.pixel_aspect
        self.timecode, unread = read_label(label, self.rate)
        self.notes = (*self._look.notes, *_timing_notes(index), *unread)

    def on_grid(self, rate: Fraction) -> list[int]:
        """Return the stored frame that is shown at each time k / rate from the movie's first frame on.

        Raises
        ------
        ClipError : that would be more frames than any clip has.
        """
        try:
            return self._index.on_grid(rate)
        except ValueError as error:
            raise ClipError(
                f"{self.path} would have {error} on a grid of {rate} fps, so its times are damaged: "
                "rewrite it, or read it without --grid."
            ) from error

    def shown_at(self, rate: Fraction) -> bool:
        """Return whether frame k is what a host with a constant frame rate shows as its frame k."""
        return self.on_grid(rate) == list(self.numbers)

    def _walk(self, start: int, stop: int, step: Literal[1, -1]) -> Iterator[Frame | FrameError]:
        block = stop - start if step == 1 else self._block()
        while start < stop:
            low = max(start, stop - block)
            if step == -1:
                low = self._index.key_from(low, stop)
            with closing(self._pictures(low)) as decoded:
                chosen = (got for _, got in zip(range(low, stop), decoded, strict=False))
                if step == 1:
                    yield from (self._frame(i, picture) for i, picture in chosen)
                else:
                    held = list(chosen)
            while step == -1 and held:
                yield self._frame(*held.pop())
            stop = low

    def _block(self) -> int:
        """Return how many pictures backward reading decodes before it hands them out from the last."""
        return max(4, min(64, BLOCK_BYTES // self._look.bytes))

    def _read(self, index: int) -> Frame:
        """Go on decoding if the frame is a little ahead, else seek."""
        key = self._index.keys[max(0, self._index.key_before(index))]
        if self._reader is None or self._at > index or self._at < key:
            self._release()
            self._reader, self._at = self._pictures(index), index
        try:
            i, picture = next(got for got in self._reader if got[0] == index)
        except BaseException:
            self._release()
            raise
        self._at = i + 1
        got = self._frame(i, picture)
        if isinstance(got, FrameError):
            raise got
        return got

    def _release(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def identity(self) -> str:
        """Hash the file's size, its first and its last mebibyte."""
        try:
            size = self.path.stat().st_size
            digest = hashlib.sha256(str(size).encode())
            with self.path.open("rb") as f:
                digest.update(f.read(HASH_BYTES))
                f.seek(max(0, size - HASH_BYTES))
                digest.update(f.read(HASH_BYTES))
        except OSError as error:
            raise ClipError(f"{self.path} is gone since the clip was opened: put it back.") from error
        return digest.hexdigest()[:32]

    def _frame(self, i: int, picture: Picture | None) -> Frame | FrameError:
        if picture is None:
            lost = i >= self.length - self._index.cut
            cause = "is missing because the file is cut off" if lost else "is damaged"
            return FrameError(f"Frame {i} of {self.path} {cause}: skip it with --on-error skip.", i)
        if (picture.width, picture.height) != self._look.stored:
            return FrameError(
                f"Frame {i} of {self.path} is {picture.width}x{picture.height} while the first is "
                f"{self._look.stored[0]}x{self._look.stored[1]}: convert the clip to one size.",
                i,
            )
        time = int(self._index.pts[i] - self._index.pts[0]) * self._index.time_base
        return Frame(index=i, number=i, time=time, rgb=to_rgb(picture, self._look), colour=self.colour)

    def _first_picture(self) -> Picture:
        with closing(self._pictures(0)) as decoded:
            first = next((picture for _, picture in decoded if picture is not None), None)
        if first is None:
            raise ClipError(f"No frame of {self.path} can be decoded: fetch or render it again.")
        return first

    def _pictures(self, start: int) -> Pictures:
        return pictures(self.path, self._index, start)


def _timing_notes(index: MovieIndex) -> list[str]:
    notes = []
    if index.gaps is None:
        notes.append(
            "The movie's frame rate varies: every stored frame is used once, whatever its duration; "
            "--grid RATE takes a host's frames instead."
        )
    elif index.gaps:
        after = ", ".join(map(str, index.gaps[:8]))
        notes.append(f"The movie has gaps in time after frame {after}: frames may be missing there.")
    if index.ordinal:
        notes.append("The movie stores no frame times: it can only be read from its start, jumping is slow.")
    if index.unreachable:
        notes.append(
            f"{index.unreachable} frames before the first keyframe cannot be decoded: they are left out."
        )
    if index.overpromised:
        notes.append("The movie's header is damaged: how many frames it should hold is not known.")
    if index.cut:
        notes.append(f"The file is cut off: at least {index.cut} frames at its end are missing.")
    return notes
