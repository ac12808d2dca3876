"""Clips in: movies through PyAV, image sequences through OpenImageIO, one interface for both."""

from __future__ import annotations

import os
from pathlib import Path

from trackmatte.color import colour_named
from trackmatte.errors import ClipError, UsageError
from trackmatte.media.ahead import decode_ahead
from trackmatte.media.source import FrameSource, OnError

__all__ = ["FrameSource", "OnError", "decode_ahead", "open_clip"]


def open_clip(
    path: str | os.PathLike[str], colorspace: str | None = None, *, on_error: OnError = "stop"
) -> FrameSource:
    """Open a clip for reading.

    Parameters
    ----------
    path : a movie; a folder that holds exactly one image sequence; a sequence pattern such as
        ``frames/%05d.jpg``, ``frames.####.exr`` or ``frames.@@@@.exr``; or one image, a clip of one frame.
    colorspace : what the code values mean, a name of the OpenColorIO configuration (`colour_named`); None
        takes what the clip's tags say.
    on_error : "stop" raises a `FrameError` at a damaged frame; "skip" leaves its index out of `frames`
        and lists it in ``skipped``.

    Raises
    ------
    ClipError : there is no such clip, it cannot be read, or the folder holds several sequences.
    UsageError : there is no such colour space.
    """
    from trackmatte.media.sequence import ImageSequence, find_files, is_image

    if on_error not in ("stop", "skip"):
        raise UsageError(f"on_error is {on_error!r}: choose 'stop' or 'skip'.")
    if not os.fspath(path):
        raise ClipError(
            "No clip is named: give a movie, a folder of images, or a pattern such as a.####.exr."
        )
    place = Path(path)
    colour = None if colorspace is None else colour_named(colorspace)
    if place.is_file() and not is_image(place):
        from trackmatte.media.video import Movie

        return Movie(place, on_error, colour)
    return ImageSequence(place, find_files(place), on_error, colour)
