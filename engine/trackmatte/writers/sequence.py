"""What writers of one file per frame share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np
import OpenImageIO as oiio
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

    def finished(self, number: int, origin: str) -> bool:
        """Whether the file of frame ``number`` is there, whole, and was made by ``origin``."""
        path = self.delivery.path(number, self.suffix)
        if not origin or not path.is_file():
            return False
        source = oiio.ImageInput.open(str(path))
        if source is None:
            oiio.geterror()
            return False
        same = source.spec().get_string_attribute(self.origin_key) == origin
        whole = same and source.read_image("half") is not None
        source.close()
        return bool(whole)

    def write(self, picture: Picture) -> None:
        """Write one picture; the same picture gives the same bytes."""
        path = self.delivery.path(picture.number, self.suffix)
        if path.exists() and not self.delivery.overwrite:
            raise OutputError(f"{path} exists; choose another folder or add --overwrite")
        self._save(path, picture)

    @abstractmethod
    def _save(self, path: Path, picture: Picture) -> None:
        """Write the file atomically."""

    def __enter__(self) -> Self:
        return self

    def __exit__(  # noqa: B027
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing: every file was finished by itself."""


def premultiplied(picture: Picture) -> NDArray[np.float32]:
    """Return the pixels with R, G and B multiplied by A; data and pictures without alpha as they are."""
    if picture.encoding == "data" or picture.alpha is None:
        return picture.pixels
    pixels: NDArray[Any] = picture.pixels.copy()
    colours = [picture.channels.index(c) for c in "RGB" if c in picture.channels]
    pixels[..., colours] *= picture.alpha[..., None]
    return np.asarray(pixels, np.float32)
