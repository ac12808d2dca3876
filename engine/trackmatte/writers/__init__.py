"""Writers: finished mattes out, one file per frame, numbered like the source."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from trackmatte.errors import OutputError
from trackmatte.matte import Matte
from trackmatte.registry import Registry


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where a sequence goes and what is said about it."""

    folder: Path
    stem: str
    """Name before the frame number, e.g. ``plate_subject``."""
    padding: int = 4
    """Digits of the frame number at least."""
    rate: Fraction = Fraction(24)
    """Frames per second."""
    overwrite: bool = False
    """Replace files that exist and are not ours to resume."""
    origin: str = ""
    """Hash of the shot settings that made the pixels; kept in the file where the format can."""
    cut: tuple[int, int] | None = None
    """In and out, source numbers; files outside are handles."""

    def path(self, number: int, suffix: str) -> Path:
        """Return the file of source frame ``number``."""
        return self.folder / f"{self.stem}.{number:0{self.padding}d}{suffix}"


class Writer(Protocol):
    """Writes mattes of one object; each file is whole or not there."""

    suffix: str
    """File name extension with its dot."""

    def __init__(self, delivery: Delivery) -> None: ...

    def write(self, matte: Matte, number: int) -> Path:
        """Write one frame under its source number and return the file.

        Raises
        ------
        OutputError : the file exists and overwriting was not asked for, or it cannot be written.
        """
        ...


def free_path(delivery: Delivery, number: int, suffix: str) -> Path:
    """Return the path for ``number``, refusing to replace a file unless asked.

    Raises
    ------
    OutputError : the file exists.
    """
    path = delivery.path(number, suffix)
    if path.exists() and not delivery.overwrite:
        raise OutputError(f"{path} exists; choose another folder or add --overwrite")
    return path


WRITERS: Registry[Writer] = Registry(
    "writer",
    {
        "exr": "trackmatte.writers.exr:ExrWriter",
        "png": "trackmatte.writers.png:PngWriter",
    },
)

__all__ = ["WRITERS", "Delivery", "Writer", "free_path"]
