"""A checksum at the end of a movie, in an element that readers pass over."""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path
from typing import BinaryIO

MARK = b"trackmatte sha256 "
LENGTH = len(MARK) + 64
VOID = b"\xec" + bytes([0x80 | LENGTH])
"""Head of an EBML Void element (RFC 8794, 11.3.2), as in Matroska and WebM."""
FREE = struct.pack(">I4s", 8 + LENGTH, b"free")
"""Head of a free space atom (QuickTime File Format), as in MOV and MP4."""
HEADS = {"matroska": VOID, "webm": VOID, "mov": FREE, "mp4": FREE}
"""By FFmpeg's name of the file format."""
CHUNK = 1 << 20


def seal(path: Path, container: str) -> None:
    """Append the checksum of all that is in a finished movie."""
    with path.open("rb+") as f:
        length = f.seek(0, os.SEEK_END)
        mark = MARK + _checksum(f, length)
        f.seek(length)
        f.write(HEADS[container] + mark)


def sealed(path: Path, container: str) -> bool:
    """Whether a file ends in its checksum, and so is what it was when it was finished."""
    head = HEADS[container]
    try:
        with path.open("rb") as f:
            length = f.seek(0, os.SEEK_END) - len(head) - LENGTH
            if length < 0:
                return False
            f.seek(length)
            return f.read() == head + MARK + _checksum(f, length)
    except OSError:
        return False


def _checksum(f: BinaryIO, length: int) -> bytes:
    """Return the SHA-256 of a file's first ``length`` bytes, in hexadecimal."""
    f.seek(0)
    found = hashlib.sha256()
    for start in range(0, length, CHUNK):
        found.update(f.read(min(CHUNK, length - start)))
    return found.hexdigest().encode()
