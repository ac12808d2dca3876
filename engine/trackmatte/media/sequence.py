"""Image sequences and single images, read with OpenImageIO."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Literal

import fileseq
import OpenImageIO as oiio

from trackmatte.color import Colour
from trackmatte.errors import ClipError, FrameError
from trackmatte.frame import Frame
from trackmatte.media.image import Image, bound_threads, read_image, read_timing
from trackmatte.media.label import read_label
from trackmatte.media.source import FrameSource, OnError

MOVIE_LIKE = {
    "avi",
    "gif",
    "mov",
    "mp4",
    "mkv",
    "webm",
    "mxf",
    "m4v",
    "mpg",
    "mpeg",
    "ts",
    "mts",
    "m2ts",
    "apng",
}
"""Extensions that OpenImageIO may claim but that are movies here."""


MOST_MISSING = 100_000
"""Files missing within a sequence above which its numbers are taken for something else, such as dates."""


SAMPLE = 4096
"""Bytes of a file that tell it from others of its size."""


@cache
def _extensions() -> frozenset[str]:
    listed = oiio.get_string_attribute("extension_list")
    names = {name for part in listed.split(";") for name in part.split(":")[-1].split(",")}
    return frozenset(names - MOVIE_LIKE)


def is_image(path: Path) -> bool:
    """Return True if a file's extension is that of an image format."""
    return path.suffix[1:].lower() in _extensions()


def find_files(place: Path) -> dict[int, Path]:
    """Find the images meant by a folder, a pattern or one file, by frame number.

    Raises
    ------
    ClipError : there are none, or several sequences fit.
    """
    if place.is_file():
        return {_number_of(place): place}
    try:
        folder = place if place.is_dir() else place.parent
        if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK):
            raise forbidden(folder)
        found = _in_folder(place) if place.is_dir() else _matching(place)
    except PermissionError as error:
        raise forbidden(place) from error
    if not found:
        raise ClipError(f"There is no clip {place}: check its name, or give a pattern such as name.####.exr.")
    return found


def forbidden(place: Path) -> ClipError:
    """Return the error for a place whose access rights forbid reading."""
    return ClipError(f"{place} may not be read: change its access rights.")


def _number_of(path: Path) -> int:
    """Return the number in the name of a single image: plate.7.png, plate_1001.png; 0 if it has none."""
    found = re.search(r"\.(-?\d+)$|(?<![\dvV])(\d{3,})$", path.stem, re.ASCII)
    return int(found[1] or found[2]) if found else 0


def _in_folder(folder: Path) -> dict[int, Path]:
    found = [s for s in fileseq.findSequencesOnDisk(str(folder)) if is_image(Path(s.index(0)))]
    if not found:
        raise ClipError(f"The folder {folder} holds no images: choose the folder of a sequence, or a movie.")
    if len(found) > 1:
        names = sorted(f"{s.basename()}{s.padding()}{s.extension()}" for s in found)
        listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        raise ClipError(
            f"The folder {folder} holds {len(found)} sequences ({listed}): name the one you mean."
        )
    only = found[0]
    if only.basename()[-1:].isalnum() and max(only.frameSet() or [1]) <= 0:
        # To fileseq, plate-1001.png is frame -1001.
        digits = "#" * max(1, only.zfill() - 1)
        return _matching(folder / f"{only.basename()}-{digits}{only.extension()}")
    return _numbered(only)


def _matching(place: Path) -> dict[int, Path]:
    # "####" means four digits to most people, and four times four to fileseq's default style.
    style = fileseq.PAD_STYLE_HASH1
    for strict in (True, False):
        try:
            found = fileseq.findSequenceOnDisk(str(place), strictPadding=strict, pad_style=style)
        except fileseq.FileSeqException:
            continue
        if found.frameSet():
            return _numbered(found)
    return {}


def _numbered(files: fileseq.FileSequence) -> dict[int, Path]:
    numbers = files.frameSet()
    if not numbers:
        return {0: Path(files.index(0))}
    return {int(n): Path(files.frame(n)) for n in sorted(numbers, key=int)}


def _sample(path: Path) -> bytes:
    """Return some bytes from the middle of a file; none if it may not be read, which is told elsewhere."""
    try:
        with path.open("rb") as f:
            f.seek(max(0, (f.seek(0, os.SEEK_END) - SAMPLE) // 2))
            return f.read(SAMPLE)
    except (PermissionError, IsADirectoryError):
        return b""


class ImageSequence(FrameSource):
    """One image per frame, a `FrameSource`.

    Frames keep their files' numbers. A gap in the numbers is reported in ``missing`` and is not a frame.
    ``rate`` takes the place of what the files say.
    """

    def __init__(
        self,
        path: Path,
        files: dict[int, Path],
        on_error: OnError = "stop",
        colour: Colour | None = None,
        rate: Fraction | None = None,
    ) -> None:
        super().__init__(path, on_error)
        bound_threads()
        self._files = files
        self.numbers = tuple(files)
        self.length = len(files)
        low, high = self.numbers[0], self.numbers[-1]
        if high - low >= self.length + MOST_MISSING:
            raise ClipError(
                f"{path} has {self.length} files for the numbers {low} to {high}: "
                "name the part that is one sequence."
            )
        self.missing = tuple(n for n in range(low, high) if n not in files)
        self._first, first = self._first_image()
        self.size = first.size
        self._told = colour is not None
        self.colour = colour or first.colour
        digits = re.search(r"(\d+)\D*$", self._path(0).stem)
        self.padding = len(digits[1]) + (low < 0) if digits else 4
        self.pixel_aspect = first.aspect
        stored, label = read_timing(self._path(self._first))
        self._told_rate = rate
        self.rate = rate or stored or Fraction(24)
        self.rate_known = bool(rate or stored)
        found, unread = read_label(label, self.rate)
        # The first file may be one that cannot be read.
        self.timecode = found and found.advanced(low - self.numbers[self._first])
        doubts = () if self._told else first.doubts
        self.notes = (*first.notes, *self._gap_notes(), *unread, *doubts)

    def _walk(self, start: int, stop: int, step: Literal[1, -1]) -> Iterator[Frame | FrameError]:
        for i in range(start, stop)[::step]:
            try:
                got: Frame | FrameError = self._read(i)
            except FrameError as error:
                got = error
            yield got

    def file(self, index: int) -> Path:
        """Return the image of one frame."""
        return self._path(index)

    def _path(self, index: int) -> Path:
        return self._files[self.numbers[index]]

    def _read(self, index: int) -> Frame:
        number, path = self.numbers[index], self._path(index)
        try:
            image = read_image(path)
        except ValueError as error:
            raise FrameError(
                f"{path} (frame {number}) cannot be read ({error}): skip it with --on-error skip.", index
            ) from error
        if image.size != self.size:
            (w, h), (w0, h0) = image.size, self.size
            raise ClipError(
                f"{path} is {w}x{h} while {self._path(self._first).name} is {w0}x{h0}: "
                "a sequence must have one size, take the odd file out."
            )
        if image.colour != self.colour and not self._told:
            raise ClipError(
                f"{path} is tagged as {image.colour.name} while {self._path(self._first).name} is "
                f"{self.colour.name}: say with --input-colorspace what all of them are."
            )
        time = (number - self.first_number) / self.rate
        return Frame(index=index, number=number, time=time, rgb=image.rgb, colour=self.colour)

    def _first_image(self) -> tuple[int, Image]:
        """Return the first file that can be read, and its index."""
        reason = ""
        for i in range(self.length):
            try:
                return i, read_image(self._path(i))
            except ValueError as error:
                reason = reason or str(error)
        what = self._path(0) if self.length == 1 else f"None of the {self.length} images of {self.path}"
        raise ClipError(f"{what} cannot be read ({reason}): render or fetch it again.")

    def _gap_notes(self) -> list[str]:
        if not self.missing:
            return []
        gaps = str(fileseq.FrameSet([*self.missing]))
        return [f"The sequence has gaps: no file for frames {gaps}; the numbers of the others are kept."]

    def identity(self) -> str:
        """Hash the names and sizes of all files, and the rate if it was told.

        Where all sizes are the same they say nothing of the pictures, as without compression: then also some
        bytes from the middle of each file.
        """
        digest, sizes = hashlib.sha256(), set()
        try:
            for path in self._files.values():
                size = path.stat().st_size
                sizes.add(size)
                digest.update(f"{path.name}\0{size}\0".encode())
            if len(sizes) == 1:
                for path in self._files.values():
                    digest.update(_sample(path))
        except OSError as error:
            raise ClipError(f"{path} is gone since the clip was opened: put it back.") from error
        if self._told_rate is not None:
            digest.update(str(self._told_rate).encode())
        return digest.hexdigest()[:32]
