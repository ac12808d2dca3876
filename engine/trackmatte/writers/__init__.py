"""Writers: finished pictures out, as sequences numbered like the source or as movies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Literal, Protocol, Self

from trackmatte.picture import Picture
from trackmatte.registry import Registry

Depth = Literal["half", "float"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where pictures go and what is said about all of them."""

    folder: Path
    stem: str
    """File name before the frame number or extension, e.g. ``plate_subject``."""
    padding: int = 4
    """Digits of the frame number at least."""
    rate: Fraction = Fraction(24)
    """Frames per second."""
    overwrite: bool = False
    """Replace files that exist and do not hold the same frame already."""
    depth: Depth = "half"
    """Samples of an EXR."""
    compression: str = "zip"
    """Of an EXR: zip, zips, piz, pxr24 (half only) or none; others would change the matte."""
    tight: bool = False
    """Whether an EXR's data window holds only what is not empty."""
    premultiplied: bool | None = None
    """Whether colours are multiplied by alpha; None = as the format is used: EXR yes, all others no."""
    pixel_aspect: Fraction = Fraction(1)
    """Width of a pixel over its height."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What made the pictures, for people: shot hash, model, prompts; kept in files that can hold it."""
    holds: Literal["matte", "colour", "opaque", "layers"] = "matte"
    """Alpha of one subject, its colours with alpha, colours without, or layers of several subjects."""
    audio: Path | None = None
    """A file whose sound a delivered movie takes along."""
    start: Fraction = Fraction(0)
    """Seconds from that file's first video frame to the first picture."""
    cut: tuple[int, int] | None = None
    """In and out, source numbers, where there are handles: the files outside; None = there are none."""

    def path(self, number: int, suffix: str) -> Path:
        """Return the file of source frame ``number`` in a sequence."""
        return self.folder / f"{self.stem}.{number:0{self.padding}d}{suffix}"


class Writer(Protocol):
    """Writes pictures in ascending order; a context manager. Every file is whole or not there.

    Leaving the context without an error finishes a movie; leaving it with one drops the movie and keeps the
    finished files of a sequence.
    """

    sequence: ClassVar[bool]
    """One file per frame; otherwise a movie, which needs a picture for every frame of its range."""

    def __init__(self, delivery: Delivery) -> None:
        """Prepare.

        Raises
        ------
        OutputError : a movie exists and overwriting was not asked for.
        UsageError : the format cannot hold what was asked for.
        """
        ...

    @property
    def target(self) -> str:
        """The file, or the pattern of files with ``#`` for digits."""
        ...

    @property
    def form(self) -> str:
        """What of the format decides the bytes, e.g. ``half zip``."""
        ...

    def plan(self, origins: Mapping[int, str]) -> None:
        """Say what all pictures are made of, before the rest is asked and the first is written.

        Parameters
        ----------
        origins : number of every picture, ascending -> hash of all that makes it; "" = an empty one.
        """
        ...

    def finished(self, number: int, origin: str) -> bool:
        """Whether frame ``number`` is there, readable, and was made by ``origin``; asked in ascending order.

        Of a movie, a frame is there if the file was made by all that `plan` said.
        """
        ...

    def conflicts(self, origins: Mapping[int, str]) -> list[Path]:
        """Return the files in the way: there, and not to be replaced by what these origins make.

        Parameters
        ----------
        origins : frame number -> hash of all that makes its picture.
        """
        ...

    def write(self, picture: Picture) -> int | None:
        """Write one picture.

        Returns
        -------
        How many bytes the disk holds more than before, or None where that cannot be told.

        Raises
        ------
        OutputError : the file exists and overwriting was not asked for, or it cannot be written.
        UsageError : the format cannot hold its channels.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


WRITERS: Registry[Writer] = Registry(
    "writer",
    {
        "exr": "trackmatte.writers.exr:ExrWriter",
        "png": "trackmatte.writers.png:PngWriter",
        "prores": "trackmatte.writers.movie_formats:ProResWriter",
        "ffv1": "trackmatte.writers.movie_formats:Ffv1Writer",
        "vp9": "trackmatte.writers.movie_formats:Vp9Writer",
    },
)

__all__ = ["WRITERS", "Delivery", "Depth", "Writer"]
