# SPDX-License-Identifier: GPL-3.0-or-later
"""Is an EXR file whole? Blender renders what is left of one that was cut off, and says nothing.

After "OpenEXR File Layout" of the OpenEXR documentation: header, table of the blocks' places, blocks.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

MAGIC = b"\x76\x2f\x31\x01"
PLAIN = 0x1A00
"""Flags of tiled, deep and multi-part files: none of them is looked into."""
LINES = {0: 1, 1: 1, 2: 1, 3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256}
"""Rows of a block, by compression: none, RLE, ZIPS, ZIP, PIZ, PXR24, B44, B44A, DWAA, DWAB."""
HEAD = 1 << 20
"""Bytes that a header may have."""


def whole(path: Path) -> bool:
    """Return whether a file is an EXR whose blocks are all there.

    Raises
    ------
    OSError : it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(8)
        if head[:4] != MAGIC or len(head) < 8:
            return False
        if struct.unpack("<I", head[4:])[0] & PLAIN:
            return True
        try:
            return _complete(file, path.stat().st_size)
        except (ValueError, KeyError, IndexError, struct.error):
            return False


def _complete(file: BinaryIO, size: int) -> bool:
    """Return whether a file that is read up to its header has all blocks that the header promises.

    Raises
    ------
    ValueError, KeyError, IndexError, struct.error : it ends too early.
    """
    said, end = _attributes(file.read(HEAD))
    top, bottom = struct.unpack("<4i", said[b"dataWindow"])[1::2]
    lines = LINES.get(said[b"compression"][0])
    if lines is None:
        return True
    count = -(-(bottom - top + 1) // lines)
    file.seek(8 + end)
    places = struct.unpack(f"<{count}Q", file.read(8 * count))
    if min(places) < 8 + end:  # zero in a file that was never finished
        return False
    file.seek(max(places) + 4)
    (length,) = struct.unpack("<i", file.read(4))
    return max(places) + 8 + int(length) <= size


def _attributes(head: bytes) -> tuple[dict[bytes, bytes], int]:
    """Return a header's attributes and where it ends.

    Raises
    ------
    ValueError : it does not end.
    """
    found, at = {}, 0
    while head[at : at + 1] != b"\0":
        name = head.index(b"\0", at)
        kind = head.index(b"\0", name + 1)
        (size,) = struct.unpack_from("<i", head, kind + 1)
        if size < 0:
            raise ValueError("a negative size")
        found[head[at:name]] = head[kind + 5 : kind + 5 + size]
        at = kind + 5 + size
    return found, at + 1
