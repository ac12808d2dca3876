"""The delivery: mattes out of the cache, pictures into files."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from trackmatte.color import Colour, unit
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
UP_TO_DATE = "everything is up to date: nothing was written"


@dataclass(frozen=True, slots=True)
class Look:
    """How the subject's colour is delivered."""

    space: Literal["linear", "source"] = "linear"
    """Scene-linear light, or the plate's own code values."""
    foreground: Literal["estimate", "fast", "plate"] = "estimate"
    """Soft pixels in the subject's own colour; the same by a fast method; or the plate as it is."""


class Pictures(Protocol):
    """What makes the pictures of a delivery."""

    decodes: bool
    """Whether the plate's pixels are needed."""

    def origin(self, number: int) -> str:
        """Return the hash of all that makes the picture of frame ``number``."""
        ...

    def picture(self, number: int, frame: Frame | None) -> Picture:
        """Return it, with its origin; called in ascending order. ``frame`` is None if nothing is decoded."""
        ...

    def empty(self, number: int) -> Picture:
        """Return what stands for a frame that the clip does not have."""
        ...


class _Mattes:
    """The pictures of a preset."""

    def __init__(self, shot: ShotBook, form: str, preset: Preset, objects: Sequence[str], look: Look) -> None:
        self.shot, self.form, self.preset, self.objects, self.look = shot, form, preset, objects, look
        self.decodes = preset.foreground
        # Asked once: a sequence looks at all its files for it.
        self.colours = [look.space, look.foreground, shot.clip.identity()] if preset.foreground else []

    def origin(self, number: int) -> str:
        preset = self.preset
        mattes = matte_keys(self.shot, self.objects, number)
        return digest(
            "picture", VERSION, self.form, preset.name, list(self.objects), mattes, self.colours, number
        )

    def picture(self, number: int, frame: Frame | None) -> Picture:
        mattes = [self.shot.read_matte(o, number) for o in self.objects]
        return self._composed(mattes, number, frame, self.origin(number))

    def empty(self, number: int) -> Picture:
        return self._composed([_nothing(self.shot, o) for o in self.objects], number, None, "")

    def _composed(self, mattes: list[Matte], number: int, frame: Frame | None, origin: str) -> Picture:
        if self.preset.foreground:
            mattes = [coloured(m, frame, self.look) for m in mattes]
        return picture(self.preset, mattes, number, self.shot.clip.colour, self.look, origin=origin)


def deliver(
    shot: ShotBook, writer: Writer, preset: Preset, objects: Sequence[str], look: Look
) -> Iterator[Progress]:
    """Write the mattes between in and out; see `write_pictures`."""
    yield from write_pictures(shot, writer, _Mattes(shot, writer.form, preset, objects, look))


def write_pictures(
    shot: ShotBook, writer: Writer, pictures: Pictures, *, stage: str = "export"
) -> Iterator[Progress]:
    """Write the frames between in and out, yielding after each; files that are up to date stay.

    A movie gets an empty frame where the clip has none, so that all others keep their time.
    """
    origins = _planned(shot, writer, pictures)
    numbers = list(origins)
    refuse(writer.conflicts(origins))
    wanted: list[int] = []
    begin = time.monotonic()
    for looked, number in enumerate(numbers, 1):  # whole files are read: a while on a long clip
        if writer.finished(number, origins[number]):
            done = looked - len(wanted)
            yield Progress(stage, done, len(numbers), number, time.monotonic() - begin, 0)
        elif writer.sequence:
            wanted.append(number)
        else:
            wanted = numbers
            break
    begin, worked, done = time.monotonic(), 0, len(numbers) - len(wanted)
    if not wanted:
        yield Progress(stage, done, done, numbers[-1], 0.0, 0, UP_TO_DATE)
        return
    room = Room(
        Path(writer.target).parent,
        len(wanted),
        whole=not writer.sequence,
        estimate=shot.cache.space_check,
    )
    with writer, WriteBehind() as writes:
        for number, frame in _frames(shot, wanted, decode=pictures.decodes):
            room.check_there()
            known = bool(origins[number])
            made = pictures.picture(number, frame) if known else pictures.empty(number)
            note = "" if known else "the clip has no such frame: left empty"
            made = replace(made, timecode=shot.timecode(number))
            writes.put(room.guard(partial(writer.write, made)), made.pixels.nbytes)
            worked += 1
            done += 1
            yield Progress(stage, done, len(numbers), number, time.monotonic() - begin, worked, note)


def conflicts(
    shot: ShotBook, writer: Writer, preset: Preset, objects: Sequence[str], look: Look
) -> list[Path]:
    """Return the files that are in the way of a delivery: there, not its own, and not to be replaced."""
    return writer.conflicts(_planned(shot, writer, _Mattes(shot, writer.form, preset, objects, look)))


def matte_keys(shot: ShotBook, objects: Sequence[str], number: int) -> list[str]:
    """Return the hash of what made each object's matte of a frame.

    Raises
    ------
    ShotError : one is not there; asked of all frames beforehand, so that no delivery ends midway for it.
    """
    keys = []
    for obj in objects:
        key = shot.matte_key(obj, number)
        if key is None:
            shot.read_matte(obj, number)  # says what to run
        keys.append(str(key))
    return keys


def _planned(shot: ShotBook, writer: Writer, pictures: Pictures) -> dict[int, str]:
    """Tell the writer what its pictures are made of, and return that: number -> hash, "" for an empty one."""
    there = [n for n in shot.numbers() if n not in shot.skipped()]
    numbers = there if writer.sequence else range(there[0], there[-1] + 1)
    known = {n: pictures.origin(n) for n in there}
    origins = {n: known.get(n, "") for n in numbers}
    writer.plan(origins)
    return origins


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


def mixed_in_code(frame: Frame) -> bool:
    """Whether the plate's soft pixels are taken to be mixed in its code values, not in light."""
    return default_method(frame.colour) == "multilevel"


def coloured(matte: Matte, frame: Frame | None, look: Look) -> Matte:
    """Return the matte with its straight foreground, linear or in the plate's code values."""
    if frame is None:
        return replace(matte, foreground=np.zeros((*matte.alpha.shape, 3), np.float32))
    method = default_method(frame.colour)
    mixed = unit(frame.rgb) if method == "multilevel" else frame.linear()
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
    origin: str = "",
) -> Picture:
    """Return the picture of one frame of a plate in the space ``colour``."""
    return compose(
        preset,
        mattes,
        number,
        encoding="linear" if look.space == "linear" else "code",
        colour=colour,
        origin=origin,
    )


def _nothing(shot: ShotBook, obj: str) -> Matte:
    width, height = shot.clip.size
    return Matte(-1, obj, np.zeros((height, width), np.float32))
