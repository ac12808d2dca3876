"""What writers of one file per frame share."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import numpy as np
import OpenImageIO as oiio
from numba import njit
from numpy.typing import NDArray

from trackmatte.errors import OutputError, UsageError
from trackmatte.picture import Picture
from trackmatte.writers import Delivery


class SequenceWriter(ABC):
    """One file per frame, under its source number; each is whole or not there."""

    sequence: ClassVar[bool] = True
    suffix: ClassVar[str]
    """File name extension with its dot."""
    origin_key: ClassVar[str]
    """Where the file keeps the hash of what made it."""

    def __init__(self, delivery: Delivery) -> None:
        if delivery.audio is not None:
            raise UsageError("an image sequence holds no sound; leave out --audio or choose a movie --format")
        self.delivery = delivery

    @property
    def target(self) -> str:
        """The pattern of files with ``#`` for digits."""
        return str(self.delivery.folder / f"{self.delivery.stem}.{'#' * self.delivery.padding}{self.suffix}")

    @property
    def form(self) -> str:
        """What of the format decides the bytes."""
        have = self.delivery
        colours = {None: "usual", True: "premultiplied", False: "straight"}[have.premultiplied]
        return f"{self.suffix} {have.depth} {have.compression} {'tight' if have.tight else 'full'} {colours}"

    def plan(self, origins: Mapping[int, str]) -> None:  # noqa: B027
        """Do nothing: every file goes by its own origin."""

    def finished(self, number: int, origin: str) -> bool:
        """Whether the file of frame ``number`` is there, whole, and was made by ``origin``."""
        path = self.delivery.path(number, self.suffix)
        return self._made_by(path, origin, whole=True)

    def conflicts(self, origins: Mapping[int, str]) -> list[Path]:
        """Return the files of frames that others made; what an origin made itself may be made again."""
        if self.delivery.overwrite:
            return []
        paths = {self.delivery.path(n, self.suffix): origin for n, origin in origins.items()}
        return [p for p, origin in paths.items() if os.path.lexists(p) and not self._made_by(p, origin)]

    def _made_by(self, path: Path, origin: str, *, whole: bool = False) -> bool:
        """Whether a file says that ``origin`` made it, and, if asked, can be read to its last pixel."""
        if not origin or not path.is_file():
            return False
        source = oiio.ImageInput.open(str(path))
        if source is None:
            oiio.geterror()
            return False
        made = source.spec().get_string_attribute(self.origin_key) == origin
        if made and whole:
            made = source.read_image("half") is not None
        source.geterror()
        source.close()
        return bool(made)

    def write(self, picture: Picture) -> int:
        """Write one picture, and return the bytes it adds; the same picture gives the same bytes."""
        path = self.delivery.path(picture.number, self.suffix)
        if self.conflicts({picture.number: picture.origin}):
            raise OutputError(f"{path} exists; choose another folder or add --overwrite")
        return self._save(path, picture)

    @abstractmethod
    def _save(self, path: Path, picture: Picture) -> int:
        """Write the file atomically, and return the bytes it adds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(  # noqa: B027
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing: every file was finished by itself."""


def premultiplied(
    picture: Picture, out: NDArray[np.float32] | None = None, *, limit: float = np.inf
) -> NDArray[np.float32]:
    """Return the pixels with R, G and B multiplied by A; data and pictures without alpha as they are.

    Parameters
    ----------
    out : an array of the same shape that may take the result.
    limit : what is larger, or smaller than its negative, is held at it.
    """
    if picture.encoding == "data" or picture.alpha is None:
        return picture.pixels
    pixels = picture.pixels
    if out is None or out.shape != pixels.shape:
        out = np.empty_like(pixels)
    coloured = np.array([c in ("R", "G", "B") for c in picture.channels])
    multiply = partial(_multiply, picture.channels.index("A"), coloured, np.float32(limit))
    with ThreadPoolExecutor(2) as pool:  # as many threads as OpenEXR has for the rest of the write
        list(pool.map(multiply, np.array_split(pixels, 2), np.array_split(out, 2)))
    return out


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _multiply(
    alpha: int,
    coloured: NDArray[np.bool_],
    limit: float,
    pixels: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    height, width, channels = pixels.shape
    for y in range(height):
        for x in range(width):
            a = pixels[y, x, alpha]
            for c in range(channels):
                value = pixels[y, x, c] * a if coloured[c] else pixels[y, x, c]
                out[y, x, c] = min(max(value, -limit), limit)
