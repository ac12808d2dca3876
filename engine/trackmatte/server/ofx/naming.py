"""Which folder a clip on disk has, and clips that go by a number where a host shows no field for a path."""

from __future__ import annotations

import os
import re
from pathlib import Path
from uuid import UUID

from trackmatte.errors import UsageError

NUMBERED = re.compile(r"clip:([1-9]\d{0,8})")
"""What a plugin whose host has no field for text says in place of a path."""


def session_of(path: str) -> UUID:
    """Return the plug-in's session for a media path: the same for the same path, on every machine.

    Two FNV-1a hashes of 64 bits (Fowler, Noll and Vo) of the path's bytes, as a UUID of version 8.
    """
    words = [0xCBF29CE484222325, 0x9AE16A3B2F90404F]
    for byte in os.fsencode(path):
        words = [(w ^ byte) * 0x100000001B3 % 2**64 for w in words]
    raw = bytearray(b"".join(w.to_bytes(8, "little") for w in words))
    raw[6], raw[8] = raw[6] & 0x0F | 0x80, raw[8] & 0x3F | 0x80
    return UUID(bytes=bytes(raw))


def number_in(path: str) -> int | None:
    """Return the number that a plugin says in place of a path."""
    said = NUMBERED.fullmatch(path)
    return None if said is None else int(said[1])


def number_file(sessions: Path, number: int) -> Path:
    """Return the file in the folder of all sessions that holds the path of a numbered clip."""
    return sessions / "clips" / str(number)


def numbered_clip(sessions: Path, number: int) -> str:
    """Return the path of a numbered clip.

    Raises
    ------
    UsageError : no clip has that number.
    """
    try:
        return os.fsdecode(number_file(sessions, number).read_bytes())
    except OSError as e:
        raise UsageError(
            f"no clip has the number {number}; give it to one: trackmatte ofx shot CLIP --number {number}"
        ) from e
