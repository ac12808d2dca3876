"""What the frames of a clip that grows and changes are, so that a mask knows the frames it was made from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

from trackmatte.files import read_info
from trackmatte.media import FrameSource
from trackmatte.shot.cache import digest

WIDE = 1 << 128


class Contents:
    """The contents of all frames, as sums from which any stretch of frames is told at once.

    Parameters
    ----------
    numbers : the clip's source numbers, ascending.
    contents : what each of these frames is; any text that changes with the pixels.
    """

    def __init__(self, numbers: Sequence[int], contents: Sequence[str]) -> None:
        self.length = len(numbers)
        self._at = {n: i for i, n in enumerate(numbers)}
        self._contents = contents
        each = (int(digest(n, c), 16) for n, c in zip(numbers, contents, strict=True))
        self._sums = list(accumulate(each, lambda a, b: (a + b) % WIDE, initial=0))

    def frame(self, number: int) -> str:
        """Return what a frame is; nothing where the clip lacks it."""
        at = self._at.get(number)
        return "" if at is None else self._contents[at]

    def between(self, one: int, other: int) -> str:
        """Return what the frames from one to the other are, both included; nothing where either lacks."""
        first, last = self._at.get(min(one, other)), self._at.get(max(one, other))
        if first is None or last is None:
            return ""
        return f"{(self._sums[last + 1] - self._sums[first]) % WIDE:032x}"


def contents_of(clip: FrameSource) -> Contents:
    """Return what the frames of an image sequence are.

    A file that says so itself (``content`` in the JSON of its description) is believed; of any other the
    bytes are hashed, once for as long as it does not change.
    """
    files = [clip.file(i) for i in range(clip.length)]
    return Contents(clip.numbers, [_content(file, *_stamp(file)) for file in files])


def _stamp(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_mtime_ns, found.st_size


@lru_cache(maxsize=1 << 16)
def _content(file: Path, *stamp: int) -> str:  # noqa: ARG001 (the stamp makes a changed file another one)
    said = (read_info(file) or {}).get("content")
    if isinstance(said, str):
        return said
    try:
        with file.open("rb") as f:
            return hashlib.file_digest(f, "sha256").hexdigest()[:32]
    except OSError:
        return "gone"
