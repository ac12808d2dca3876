"""What every opened clip offers, whatever it is stored as."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Literal, Self

from trackmatte.color import Colour
from trackmatte.errors import FrameError, UsageError
from trackmatte.frame import Frame
from trackmatte.timecode import Timecode

OnError = Literal["stop", "skip"]
"""What a frame that cannot be decoded does: end the run with an error, or be left out."""


class FrameSource(ABC):
    """A clip opened for reading; every read is exact, in whichever order frames are asked for.

    ``len(clip)``, ``clip[i]`` and ``for frame in clip`` work as on a list, with few frames in memory.
    As a context manager it closes itself.
    """

    path: Path
    """The movie, image, folder or pattern the clip was opened from."""
    size: tuple[int, int]
    """(width, height) in pixels, as shown (after the clip's own rotation)."""
    rate: Fraction
    """Frames per second; the average if the rate varies; 24 if the clip does not say."""
    rate_known: bool = True
    """Whether the clip says its rate, or was opened with it."""
    length: int
    """Number of frames, damaged ones included."""
    numbers: Sequence[int]
    """(length,) the source's own number of every frame, ascending."""
    missing: tuple[int, ...]
    """Numbers between the first and the last for which a sequence has no file."""
    padding: int = 4
    """Digits that the source's own frame numbers are written with."""
    colour: Colour
    """What the code values of its frames mean: as told, else as its tags say."""
    pixel_aspect: Fraction = Fraction(1)
    """Width of a pixel over its height, as shown (after the clip's own rotation)."""
    timecode: Timecode | None = None
    """Label of the first frame, if the clip has one; frame n has ``timecode.advanced(n - first_number)``."""
    notes: tuple[str, ...]
    """Plain sentences about the clip that the user should see."""

    def __init__(self, path: Path, on_error: OnError) -> None:
        self.path = path
        self.on_error = on_error
        self._skipped: set[int] = set()
        self._last: Frame | None = None
        self._lock = Lock()

    @property
    def first_number(self) -> int:
        """The source's own number of frame 0: 0 for movies, e.g. 1001 for sequences."""
        return self.numbers[0]

    def shown_at(self, rate: Fraction) -> bool:  # noqa: ARG002 (movies look at it)
        """Return whether frame k is what a host with a constant frame rate shows as its frame k."""
        return True

    @property
    def skipped(self) -> tuple[int, ...]:
        """Indices found damaged and left out so far (``on_error="skip"``), ascending."""
        return tuple(sorted(self._skipped))

    def frames(self, start: int = 0, stop: int | None = None, step: Literal[1, -1] = 1) -> Iterator[Frame]:
        """Yield frames ``start`` to ``stop - 1``; the same ones in descending order if step is -1.

        Every call reads on its own, so iterators may run side by side and in other threads.

        Raises
        ------
        FrameError : a frame is damaged and the clip was opened with ``on_error="stop"``.
        UsageError : the range lies outside the clip, or step is neither 1 nor -1.
        """
        stop = self.length if stop is None else stop
        if not 0 <= start <= stop <= self.length or step not in (1, -1):
            raise UsageError(
                f"{self.path} has frames 0 to {self.length - 1}: the range {start}..{stop} by {step} "
                "cannot be read, choose one inside the clip."
            )
        return self._frames(start, stop, step)

    def _frames(self, start: int, stop: int, step: Literal[1, -1]) -> Iterator[Frame]:
        for got in self._walk(start, stop, step):
            if isinstance(got, Frame):
                yield got
            elif self.on_error == "stop":
                raise got
            else:
                self._skipped.add(got.index)

    def __getitem__(self, index: int) -> Frame:
        """Return one frame by its 0-based index.

        Raises
        ------
        FrameError : the index lies outside the clip, or this frame is damaged (whatever ``on_error`` says).
        """
        if not 0 <= index < self.length:
            raise FrameError(
                f"{self.path} has frames 0 to {self.length - 1}: there is no frame {index}.", index
            )
        with self._lock:
            if self._last is None or self._last.index != index:
                self._last = self._read(index)
            return self._last

    def __len__(self) -> int:
        """Return the number of frames."""
        return self.length

    def __iter__(self) -> Iterator[Frame]:
        """Yield all frames in order."""
        return self.frames()

    def close(self) -> None:
        """Release the file; iterators already running keep their own."""
        with self._lock:
            self._last = None
            self._release()

    def __enter__(self) -> Self:
        """Return the clip."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the clip."""
        self.close()

    @abstractmethod
    def identity(self) -> str:
        """Return a short hash that changes with the clip's content and not with its place."""

    def file(self, index: int) -> Path:  # noqa: ARG002 (a movie holds all of them)
        """Return the file that holds a frame."""
        return self.path

    @abstractmethod
    def _walk(self, start: int, stop: int, step: Literal[1, -1]) -> Iterator[Frame | FrameError]:
        """Yield every frame of a range that is known to be valid, or the error it has instead."""

    @abstractmethod
    def _read(self, index: int) -> Frame:
        """Read one frame; called by one thread at a time."""

    def _release(self) -> None:  # noqa: B027
        """Close what `_read` keeps open."""
