"""The timecode that a clip carries."""

from __future__ import annotations

from fractions import Fraction

import av

from trackmatte.errors import UsageError
from trackmatte.timecode import Timecode

EMPTY = 0xFFFFFFFF
"""What DPX stores where there is none."""

Label = str | tuple[int, int] | None
"""A timecode as stored: text in movies, two packed words in images."""


def movie_label(movie: av.container.InputContainer, stream: av.video.stream.VideoStream) -> Label:
    """Return the timecode of a movie's first frame: its stream's, its file's (MXF, AVI) or its track's."""
    for metadata in (stream.metadata, movie.metadata, *(s.metadata for s in movie.streams.data)):
        if text := metadata.get("timecode"):
            return text
    return None


def read_label(label: Label, rate: Fraction) -> tuple[Timecode | None, tuple[str, ...]]:
    """Return the timecode, or None and a note if what is stored is none at the clip's rate."""
    if not label or label[0] == EMPTY:
        return None, ()
    try:
        if isinstance(label, str):
            return Timecode.parse(label, rate), ()
        return Timecode.unpack(label, rate), ()
    except UsageError as error:
        return None, (f"The clip's timecode is not used: {error}",)
