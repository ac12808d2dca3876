"""The decoded pictures of a movie from any frame on, each under its right index."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

import av

from trackmatte.errors import ClipError
from trackmatte.media.video_index import MovieIndex

Picture = av.VideoFrame
Pictures = Generator[tuple[int, Picture | None], None, None]
"""(display index, picture or None where it is damaged), in display order."""
THREADS = 2
FAILURES = 64
"""Errors in a row after which a decoder is given up while it is drained."""


def open_movie(path: Path, *, strict: bool = False) -> av.container.InputContainer:
    """Open a movie that has a video stream; ``strict`` makes its decoder report more kinds of damage.

    Raises
    ------
    ClipError : the file is missing, empty, not a movie, cut off before its header, or has no video stream.
    """
    if not path.is_file():
        raise ClipError(f"There is no clip {path}: check its name and folder.")
    if not path.stat().st_size:
        raise ClipError(f"{path} is empty (0 bytes): fetch or render it again.")
    try:
        movie = av.open(str(path))
    except PermissionError as error:
        raise ClipError(f"{path} may not be read: change its access rights.") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise ClipError(
            f"{path} is not a movie that can be read, or is cut off: fetch or render it again."
        ) from error
    try:
        stream = video_stream(movie)
    except StopIteration as error:
        movie.close()
        raise ClipError(f"{path} has no video stream: choose a file that has one.") from error
    if cast(Any, stream.codec_context) is None:
        movie.close()
        raise ClipError(
            f"The video codec of {path} is not supported: convert it, for example to ProRes or H.264."
        )
    stream.thread_type, stream.thread_count = "AUTO", THREADS
    if strict:
        stream.codec_context.options = {"err_detect": "explode"}
    return movie


def video_stream(movie: av.container.InputContainer) -> av.video.stream.VideoStream:
    """Return the first video stream that is not a cover picture."""
    cover = av.stream.Disposition.attached_pic
    return next(s for s in movie.streams.video if not s.disposition & cover)


def pictures(path: Path, index: MovieIndex, start: int) -> Pictures:
    """Yield (i, picture) for every frame i >= start; the picture is None where it is damaged.

    Where seeking is not to be relied on (MPEG-TS), damage is only believed if it also shows when the stream
    is read from its start.
    """
    with closing(_pictures(path, index, start)) as decoded:
        for i, picture in decoded:
            if picture is None and index.doubtful:
                break
            yield i, picture
        else:
            return
    with closing(_pictures(path, replace(index, seekable=False), i)) as decoded:
        yield from decoded


def _pictures(path: Path, index: MovieIndex, start: int) -> Pictures:
    """Yield (i, picture or None if damaged) for every frame i >= start.

    Decoding starts at a keyframe shown at or before ``start``. A picture counts as damaged if the decoder
    left it out, flagged it, or may have predicted it from such a one (`MovieIndex.spoiled_by`). To know the
    latter in time, pictures are held back by the stream's reordering delay.
    """
    with closing(_resumed(path, index, start)) as decoded:
        expected, _ = next(decoded)
        bad: set[int] = set()
        held: deque[tuple[int, Picture | None]] = deque()
        for i, picture in decoded:
            if picture is None:
                continue
            _note_gap(index, expected, i, bad, held)
            if picture.is_corrupt:
                bad.update(index.spoiled_by(i))
            held.append((i, picture))
            expected = i + 1
            while len(held) > index.delay:
                yield from _let_go(held, bad, start)
        _note_gap(index, expected, len(index), bad, held)
        while held:
            yield from _let_go(held, bad, start)


def _note_gap(
    index: MovieIndex, expected: int, i: int, bad: set[int], held: deque[tuple[int, Picture | None]]
) -> None:
    """Note the frames between the one expected and the one that came."""
    for j in range(expected, i):
        if j not in bad:
            bad.update(index.spoiled_by(j))
        held.append((j, None))


def _let_go(
    held: deque[tuple[int, Picture | None]], bad: set[int], start: int
) -> Iterator[tuple[int, Picture | None]]:
    i, picture = held.popleft()
    if i >= start:
        yield i, None if i in bad else picture
    bad.discard(i)


def _resumed(path: Path, index: MovieIndex, start: int) -> Pictures:
    """Decode as `_landed` does; where damage broke the decoder for good, go on with a new one."""
    decoded, at, reached = _landed(path, index, start), 0, -1
    while True:
        with closing(decoded):
            for i, picture in decoded:
                if picture is not None and i > reached:
                    reached = i
                    yield i, picture
                elif reached < 0:
                    yield i, None
        at = max(at + 1, bisect_right(index.keys, reached))
        if at >= len(index.keys) or not index.seekable:
            return
        decoded = _from_key(path, index, at)


def _landed(path: Path, index: MovieIndex, start: int) -> Pictures:
    """Decode from a keyframe that proves to be at or before ``start``, trying earlier ones until one does.

    Seeking may land late (MPEG-TS), and a decoder may need more than one keyframe to recover. The first item
    is that keyframe's index and None.
    """
    at = max(0, index.key_before(start)) if index.seekable else 0
    back = 1
    while True:
        decoded = _from_key(path, index, at)
        first = list(islice(decoded, 2))
        if at == 0 or (len(first) == 2 and first[1][0] <= index.keys[at]):
            break
        decoded.close()
        at, back = max(0, at - back), 4 * back
    with closing(decoded):
        yield from first
        yield from decoded


def _from_key(path: Path, index: MovieIndex, at: int) -> Pictures:
    """Yield a keyframe's index and None, then all pictures from it on; the seek decides which keyframe."""
    # With predicted pictures, strictness finds little more and refuses sound streams cut at an open group.
    with open_movie(path, strict=index.all_keys) as movie:
        stream = video_stream(movie)
        if at:
            movie.seek(index.key_times[at], stream=stream)
        else:
            yield 0, None
        lowest, count = 0, -1
        for got in _decode(movie, stream, index, from_key=at > 0):
            if isinstance(got, int):
                lowest = got
                yield got, None
                continue
            count += 1
            i = count if index.ordinal else index.find(got.pts)
            if i is not None and i >= lowest:  # else a leading picture that cannot be decoded from here
                lowest = i + 1
                yield i, got


def _decode(
    movie: av.container.InputContainer,
    stream: av.video.stream.VideoStream,
    index: MovieIndex,
    *,
    from_key: bool,
) -> Iterator[Picture | int]:
    """Yield all pictures; before them the index of the keyframe they start with, if that is asked for."""
    packets = movie.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError):
            break
        if not packet.size:
            break
        if from_key:
            key = index.find(packet.pts) if packet.is_keyframe else None
            if key is None:
                continue
            from_key = False
            yield key
        try:
            yield from packet.decode()
        except av.error.FFmpegError:
            continue
    yield from _drain(stream)


def _drain(stream: av.video.stream.VideoStream) -> Iterator[Picture]:
    for _ in range(FAILURES):
        try:
            yield from stream.decode(None)
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            continue
        else:
            return


def count_pictures(path: Path) -> int:
    """Decode a whole movie to count its frames."""
    with open_movie(path) as movie:
        stream = video_stream(movie)
        empty = MovieIndex.untimed(0)
        return sum(1 for _ in _decode(movie, stream, empty, from_key=False))
