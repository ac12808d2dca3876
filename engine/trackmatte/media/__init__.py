"""Clips in: movies through PyAV, image sequences through OpenImageIO, one interface for both."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

from trackmatte.color import colour_named
from trackmatte.errors import ClipError, UsageError
from trackmatte.media.ahead import decode_ahead
from trackmatte.media.source import FrameSource, OnError

__all__ = ["FrameSource", "OnError", "decode_ahead", "open_clip"]


def open_clip(
    path: str | os.PathLike[str],
    colorspace: str | None = None,
    *,
    on_error: OnError = "stop",
    grid: Fraction | None = None,
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
    grid : read a movie as a host with this constant frame rate shows it, repeating and leaving out frames;
        None takes every stored frame once, whatever its duration. Of a sequence, whose files are its frames,
        it is the frame rate.

    Raises
    ------
    UsageError : ``on_error`` or ``grid`` cannot be meant.
    ClipError : there is no such clip, it cannot be read, or the folder holds several sequences.
    UsageError : there is no such colour space.
    """
    from trackmatte.media.sequence import ImageSequence, find_files, forbidden, is_image

    if on_error not in ("stop", "skip"):
        raise UsageError(f"on_error is {on_error!r}: choose 'stop' or 'skip'.")
    if grid is not None and not 1 <= grid <= 1000:
        raise UsageError(f"a grid of {grid} frames per second cannot be meant: give 1 to 1000.")
    if not os.fspath(path):
        raise ClipError(
            "No clip is named: give a movie, a folder of images, or a pattern such as a.####.exr."
        )
    place = Path(path)
    colour = None if colorspace is None else colour_named(colorspace)
    try:
        is_file = place.is_file()
    except PermissionError as error:
        raise forbidden(place) from error
    except OSError as error:
        raise ClipError(f"There is no clip {place} ({error.strerror}): check its name.") from error
    if is_file and not is_image(place):
        from trackmatte.media.video import Movie

        movie = Movie(place, on_error, colour)
        if grid is None:
            return movie
        from trackmatte.media.grid import OnGrid

        return OnGrid(movie, grid)
    return ImageSequence(place, find_files(place), on_error, colour, grid)
