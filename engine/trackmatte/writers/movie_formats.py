"""The movie formats that hold alpha."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from trackmatte.writers.movie import MovieWriter
from trackmatte.writers.movie_pixels import Planes, halved, luma_chroma

GRAPHICS_MODES = {"straight": 0x100, "premultiplied": 0x102}
"""QuickTime File Format, "Graphics modes": straight alpha; premultiplied with black."""
VIDEO_HEADER = (b"moov", b"trak", b"mdia", b"minf", b"vmhd")


class ProResWriter(MovieWriter):
    """Apple ProRes 4444 in QuickTime: 10-bit colour, lossless alpha stored in 16 bits.

    The encoder takes alpha in 10 bits and widens it, so the alpha is .0007 off at most, 0 and 1 exact.
    """

    suffix, container = ".mov", "mov"
    codec, pixel_format, dtype = "prores_ks", "yuva444p10le", np.uint16
    options: ClassVar = {"profile": "4444", "alpha_bits": "16", "vendor": "apl0"}
    tells_aspect = True

    def _planes(self, rgb: Any, alpha: Any) -> Planes:
        return [*luma_chroma(rgb, 10), alpha * 1023]

    def _state_alpha(self, path: Path, form: str) -> None:
        """Set the graphics mode of the video track."""
        with path.open("rb+") as f:
            place = find_atom(f, VIDEO_HEADER, 0, path.stat().st_size)
            f.seek(place + 4)
            f.write(struct.pack(">H", GRAPHICS_MODES[form]))


class Ffv1Writer(MovieWriter):
    """FFV1 version 3 (RFC 9043) in Matroska: 16-bit R, G, B and alpha, lossless, with checksums."""

    suffix, container = ".mkv", "matroska"
    codec, pixel_format, dtype = "ffv1", "gbrap16le", np.uint16
    options: ClassVar = {"level": "3", "slicecrc": "1", "g": "1"}
    matrix, wide = 0, True

    def _planes(self, rgb: Any, alpha: Any) -> Planes:
        return [np.float32(65535) * x for x in (rgb[..., 1], rgb[..., 2], rgb[..., 0], alpha)]


class Vp9Writer(MovieWriter):
    """VP9 in WebM: 8 bits, lossy, alpha .04 off; a preview for browsers."""

    suffix, container = ".webm", "webm"
    codec, pixel_format, dtype = "libvpx-vp9", "yuva420p", np.uint8
    options: ClassVar = {
        "crf": "2",
        "qmax": "2",
        "b": "0",
        "auto-alt-ref": "0",
        "deadline": "good",
        "cpu-used": "4",
        "row-mt": "1",
    }
    sound = "opus"

    def _planes(self, rgb: Any, alpha: Any) -> Planes:
        luma, *chroma = luma_chroma(rgb, 8)
        return [luma, *map(halved, chroma), alpha * 255]


def find_atom(f: BinaryIO, path: tuple[bytes, ...], start: int, stop: int) -> int:
    """Return where the payload of the first atom at ``path`` begins; -1 if there is none.

    Parameters
    ----------
    path : names of the atoms, each within the one before.
    start, stop : the part of the file that is looked at.
    """
    while start + 8 <= stop:
        f.seek(start)
        size, name = struct.unpack(">I4s", f.read(8))
        head = 8
        if size == 1:
            size, head = struct.unpack(">Q", f.read(8))[0], 16
        if name == path[0]:
            inside = start + head
            found = inside if len(path) == 1 else find_atom(f, path[1:], inside, start + size)
            if found >= 0:
                return found
        start += size
    return -1
