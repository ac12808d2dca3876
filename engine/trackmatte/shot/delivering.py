"""The delivery: mattes out of the cache, pictures into files."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from trackmatte.color import SRGB, Colour, unit
from trackmatte.errors import OutputError
from trackmatte.frame import Frame
from trackmatte.matte import Matte
from trackmatte.media import decode_ahead
from trackmatte.numerics.foreground import default_method, estimate_foreground
from trackmatte.picture import Picture
from trackmatte.progress import Progress
from trackmatte.shot.book import ShotBook
from trackmatte.shot.cache import digest
from trackmatte.writers import Writer
from trackmatte.writers.behind import WriteBehind
from trackmatte.writers.presets import Preset, compose
from trackmatte.writers.space import Room

VERSION = "1"
"""Changes whenever the same mattes and plate give other pictures."""


@dataclass(frozen=True, slots=True)
class Look:
    """How the subject's colour is delivered."""

    space: Literal["linear", "source"] = "linear"
    """Scene-linear light, or the plate's own code values."""
    foreground: Literal["estimate", "fast", "plate"] = "estimate"
    """Soft pixels in the subject's own colour; the same by a fast method; or the plate as it is."""


def deliver(
    shot: ShotBook, writer: Writer, preset: Preset, objects: Sequence[str], look: Look
) -> Iterator[Progress]:
    """Write the frames between in and out, yielding after each; files that are up to date stay.

    A movie gets an empty frame where the clip has none, so that all others keep their time.
    """
    there = [n for n in shot.numbers() if n not in shot.skipped()]
    numbers = there if writer.sequence else list(range(there[0], there[-1] + 1))
    origins = {n: _origin(shot, writer.form, preset, objects, look, n) for n in there}
    refuse(writer.conflicts(origins))
    wanted = [n for n in numbers if not writer.finished(n, origins.get(n, ""))]
    if not writer.sequence and wanted:
        wanted = numbers
    begin, worked, done = time.monotonic(), 0, len(numbers) - len(wanted)
    if not wanted:
        yield Progress(
            "export", done, done, numbers[-1], 0.0, 0, "the files are up to date: none was written"
        )
        return
    room = Room(
        Path(writer.target).parent,
        len(wanted),
        whole=not writer.sequence,
        estimate=shot.cache.space_check,
    )
    with writer, WriteBehind() as writes:
        for number, frame in _frames(shot, wanted, decode=preset.foreground):
            room.check_there()
            if number in origins:
                mattes, note = [shot.read_matte(o, number) for o in objects], ""
            else:
                mattes, note = [_nothing(shot, o) for o in objects], "the clip has no such frame: left empty"
            if preset.foreground:
                mattes = [coloured(m, frame, look) for m in mattes]
            made = picture(preset, mattes, number, SRGB, look, origin=origins.get(number, ""))
            writes.put(room.guard(partial(writer.write, made)), made.pixels.nbytes)
            worked += 1
            done += 1
            yield Progress("export", done, len(numbers), number, time.monotonic() - begin, worked, note)


def conflicts(
    shot: ShotBook, writer: Writer, preset: Preset, objects: Sequence[str], look: Look
) -> list[Path]:
    """Return the files that are in the way of a delivery: there, not its own, and not to be replaced."""
    there = [n for n in shot.numbers() if n not in shot.skipped()]
    return writer.conflicts({n: _origin(shot, writer.form, preset, objects, look, n) for n in there})


def refuse(paths: Sequence[Path]) -> None:
    """Stop before anything is written where files are in the way.

    Raises
    ------
    OutputError : there are some.
    """
    if paths:
        more = f" and {len(paths) - 1} more files are" if len(paths) > 1 else " is"
        raise OutputError(
            f"nothing was written: {paths[0]}{more} in the way (made by other settings or another program, "
            "or damaged); choose another folder, or replace them with --overwrite"
        )


def _frames(shot: ShotBook, numbers: Sequence[int], *, decode: bool) -> Iterator[tuple[int, Frame | None]]:
    """Yield (number, frame) of all ``numbers``; None where there is no frame, or none is needed."""
    order = {n: i for i, n in enumerate(shot.clip.numbers)}
    known = [n for n in numbers if n in order and n not in shot.skipped()]
    if not decode or not known:
        yield from ((n, None) for n in numbers)
        return
    wanted = set(known)
    source = shot.clip.frames(order[known[0]], order[known[-1]] + 1)
    frames = decode_ahead(f for f in source if f.number in wanted)
    for n in numbers:
        yield n, next(frames) if n in wanted else None


def coloured(matte: Matte, frame: Frame | None, look: Look) -> Matte:
    """Return the matte with its straight foreground, linear or in the plate's code values."""
    if frame is None:
        return replace(matte, foreground=np.zeros((*matte.alpha.shape, 3), np.float32))
    method = default_method(frame.transfer)
    mixed = unit(frame.rgb) if method == "multilevel" else frame.colour.linear(frame.rgb)
    if look.foreground != "plate":
        fast = look.foreground == "fast"
        mixed = estimate_foreground(mixed, matte.alpha, method="blur_fusion" if fast else method)
    if method == "multilevel":
        colours = frame.colour.linear(mixed) if look.space == "linear" else mixed
    else:
        colours = mixed if look.space == "linear" else frame.colour.encode(mixed)
    return replace(matte, foreground=colours)


def picture(
    preset: Preset,
    mattes: Sequence[Matte],
    number: int,
    colour: Colour,
    look: Look,
    *,
    timecode: str | None = None,
    origin: str = "",
) -> Picture:
    """Return the picture of one frame of a plate in the space ``colour``."""
    linear = look.space == "linear"
    return compose(
        preset,
        mattes,
        number,
        encoding="linear" if linear else "code",
        space=colour.linear_name if linear else colour.name,
        timecode=timecode,
        origin=origin,
    )


def _origin(
    shot: ShotBook, form: str, preset: Preset, objects: Sequence[str], look: Look, number: int
) -> str:
    """Return the hash of all that makes a picture."""
    mattes = [shot.matte_key(o, number) for o in objects]
    colours = [look.space, look.foreground, shot.clip.identity()] if preset.foreground else []
    return digest("picture", VERSION, form, preset.name, list(objects), mattes, colours, number)


def _nothing(shot: ShotBook, obj: str) -> Matte:
    width, height = shot.clip.size
    return Matte(-1, obj, np.zeros((height, width), np.float32))
