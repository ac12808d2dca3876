"""Reads clips that may be damaged, in a process of its own: ``python -m tests.reading`` with paths on stdin.

One line a clip on stdout: ``read N of M``, ``refused``, or ``BUG`` and what escaped. Behind a path and a tab
may stand a folder: then the whole command runs into it, and the line is ``delivered`` with its exit code.
"""

from __future__ import annotations

import resource
import sys
from itertools import islice
from pathlib import Path

import av
import OpenImageIO as oiio

from tests import counters
from trackmatte.errors import ClipError
from trackmatte.files import PARTIAL
from trackmatte.media import FrameSource, open_clip

MOST_BYTES = 3 << 30
"""Address space above which a small file asks for too much memory."""


def read(path: str) -> str:
    """Read a clip in every way and say what came of it."""
    try:
        with open_clip(path, on_error="skip") as clip:
            return _read_through(clip)
    except ClipError as error:
        return f"refused: {told(error)}"


def _read_through(clip: FrameSource) -> str:
    got = []
    for step in (1, -1):
        frames = list(islice(clip.frames(0, None, step), 100))  # type: ignore[arg-type]
        got = [f.index for f in frames]
        assert got == sorted(set(got), reverse=step < 0), f"indices {got}"
        assert all(0 <= i < clip.length for i in got), f"indices {got} of {clip.length}"
        assert all(f.size == f.display().shape[1::-1] == clip.size for f in frames), "sizes"
    for i in {0, clip.length // 2, clip.length - 1}:
        try:
            assert clip[i].index == i
        except ClipError as error:
            told(error)
    assert len(clip.identity()) == 32
    return f"read {len(got)} of {clip.length}, {told(*clip.notes)}"


def told(*texts: object) -> str:
    """Return texts for the user, having made sure that they are sentences any terminal can print."""
    for text in map(str, texts):
        assert text.endswith("."), ascii(text)
        assert text.isprintable(), ascii(text)
    return " ".join(map(str, texts))


def deliver(path: str, out: str) -> str:
    """Run the whole command on a clip, and make sure that all it left behind is whole."""
    from trackmatte.cli import main as command  # most of these processes only read

    movie = ["--format", "ffv1"] if len(path) % 2 else []
    words = ["--tracker", "bright", "--refiner", "none", "--box", "0,0,1,0.9", "--quiet", *movie]
    code = command(["matte", path, *words, "--out", out])
    for file in Path(out).rglob("*"):
        assert not file.name.endswith(PARTIAL), f"left {file.name}"
        if file.suffix in (".exr", ".tif"):
            image = oiio.ImageBuf(str(file))
            assert image.read(force=True), f"{file.name} is damaged"
        elif file.suffix == ".mkv":
            with av.open(str(file)) as made:
                assert sum(1 for _ in made.decode(video=0)), "empty movie"
    return f"delivered {code}"


def main() -> None:
    """Answer every path on standard input."""
    counters.register()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    for line in sys.stdin:
        try:
            path, _, out = line.rstrip("\n").partition("\t")
            answer = deliver(path, out) if out else read(path)
        except Exception as error:
            answer = f"BUG {type(error).__name__}: {error}"
        print(ascii(answer), flush=True)


if __name__ == "__main__":
    main()
