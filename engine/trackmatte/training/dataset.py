"""Cut-out foregrounds and backgrounds, composited on the fly.

Every sample follows from the seed and its number alone: in whatever order, on however many threads, and after
whatever interruption it is made, it is the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from trackmatte.errors import ClipError
from trackmatte.media.image import read_image
from trackmatte.training.augment import composite, guide_of, unknown_of

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

FOREGROUNDS = (".png", ".exr", ".tif", ".tiff")
BACKGROUNDS = (".jpg", ".jpeg", ".png", ".exr", ".tif", ".tiff")
LAYOUT = "a data set is DATASET/fg/*.png, *.exr or *.tif with alpha, and DATASET/bg/*.jpg or any of these"
KEPT = 8
"""Decoded pictures of each kind that stay in memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One composite, or a batch of them with one axis more in front."""

    rgb: U8
    """(s, s, 3) sRGB."""
    alpha: F32
    """(s, s) in [0, 1], the truth."""
    guide: F32
    """(s/4, s/4) 0 or 1: what a tracker might have said."""
    unknown: F32
    """(s, s) 0 or 1: the unknown band of a trimap."""


class Dataset:
    """Pictures of a folder.

    Parameters
    ----------
    folder : holds ``fg`` and ``bg``.
    size : side of the samples in px, a multiple of 32.
    backgrounds : used where the folder has no ``bg``.

    Raises
    ------
    ClipError : the folder is not laid out so, or one of the two is empty.
    """

    def __init__(self, folder: Path, size: int, *, backgrounds: Sequence[Path] = ()) -> None:
        self.size = size
        self.fg = _files(folder / "fg", FOREGROUNDS)
        have = (folder / "bg").is_dir() or not backgrounds
        self.bg = _files(folder / "bg", BACKGROUNDS) if have else list(backgrounds)
        self._foreground = lru_cache(KEPT)(read_foreground)
        self._background = lru_cache(KEPT)(read_background)

    def identity(self) -> str:
        """Return a hash over names and sizes of the files."""
        said = [(p.parent.name, p.name, p.stat().st_size) for p in (*self.fg, *self.bg)]
        return hashlib.sha256(repr(said).encode()).hexdigest()

    def check(self) -> None:
        """Read every foreground once, so that a bad one is found before hours of training.

        Raises
        ------
        ClipError : one cannot be read, or has no alpha, or none but opaque.
        """
        for path in self.fg:
            self._foreground(path)

    def sample(self, seed: int, number: int) -> Sample:
        """Return a composite; ``len(fg)`` numbers in a row have every foreground once.

        Raises
        ------
        ClipError : one of its pictures cannot be read.
        """
        turn, place = divmod(number, len(self.fg))
        order = np.random.default_rng((seed, 0, turn)).permutation(len(self.fg))
        rng = np.random.default_rng((seed, 1, number))
        rgb, alpha = self._foreground(self.fg[order[place]])
        back = self._background(self.bg[rng.integers(len(self.bg))])
        plate, truth = composite(rgb, alpha, back, self.size, rng)
        return Sample(plate, truth, guide_of(truth, rng), unknown_of(truth, rng))

    def batches(self, seed: int, size: int, start: int, stop: int, *, workers: int = 1) -> Iterator[Sample]:
        """Yield the batches ``start`` up to ``stop`` of ``size`` samples, on some threads."""
        with ThreadPoolExecutor(workers) as pool:
            for n in range(start, stop):
                numbers = range(n * size, (n + 1) * size)
                yield stack(list(pool.map(lambda i: self.sample(seed, i), numbers)))


def stack(samples: Sequence[Sample]) -> Sample:
    """Return samples as one batch."""
    fields = Sample.__slots__
    return Sample(*(np.stack([getattr(s, name) for s in samples]) for name in fields))


def read_foreground(path: Path) -> tuple[U8, F32]:
    """Return straight sRGB (H, W, 3) and alpha (H, W) of a cut-out.

    Raises
    ------
    ClipError : it cannot be read, has no alpha channel, or is opaque or empty throughout.
    """
    alpha, straight = _read_alpha(path)
    try:
        image = read_image(path)
    except ValueError as e:
        raise _unreadable(path, str(e)) from e
    if image.rgb.shape[:2] != alpha.shape:
        raise ClipError(f"{path} is turned by an orientation tag or cropped; save it again without")
    rgb: NDArray[Any] = image.rgb
    if not straight:
        full = 1.0 if rgb.dtype.kind == "f" else float(np.iinfo(rgb.dtype).max)
        rgb = rgb.astype(np.float32) / full / np.maximum(alpha, 1e-4)[..., None]
    if not (alpha > 0.5).any():
        raise ClipError(f"{path} is transparent throughout; take it out of the data set")
    if (alpha == 1).all():
        raise ClipError(f"{path} is opaque throughout: nothing is cut out; take it out of the data set")
    return image.colour.display(rgb), alpha


def read_background(path: Path) -> U8:
    """Return a picture as sRGB (H, W, 3).

    Raises
    ------
    ClipError : it cannot be read.
    """
    try:
        image = read_image(path)
    except ValueError as e:
        raise _unreadable(path, str(e)) from e
    return image.colour.display(image.rgb)


def _read_alpha(path: Path) -> tuple[F32, bool]:
    """Return alpha (H, W) and whether the colours beside it are straight."""
    hints = oiio.ImageSpec()
    hints.attribute("oiio:UnassociatedAlpha", 1)
    reader = oiio.ImageInput.open(str(path), hints)
    if reader is None:
        raise _unreadable(path, oiio.geterror())
    spec = reader.spec()
    channel = spec.alpha_channel
    if channel < 0:
        reader.close()
        raise ClipError(f"{path} has no alpha channel; {LAYOUT}")
    pixels = reader.read_image(0, 0, channel, channel + 1, "float")
    problem = reader.geterror()
    reader.close()
    if pixels is None or problem:
        raise _unreadable(path, problem)
    straight = spec.get_int_attribute("oiio:UnassociatedAlpha") == 1
    alpha = np.nan_to_num(np.asarray(pixels, np.float32).reshape(spec.height, spec.width))
    return np.clip(alpha, 0, 1), straight


def _unreadable(path: Path, reason: str) -> ClipError:
    first = (reason.strip().splitlines() or ["damaged"])[0].rstrip(".")
    return ClipError(f"{path} cannot be read: {first}; take it out of the data set")


def _files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    if not folder.is_dir():
        raise ClipError(f"there is no folder {folder}; {LAYOUT}")
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in suffixes and p.name[0] != ".")
    if not found:
        raise ClipError(f"{folder} holds no pictures; {LAYOUT}")
    return found
