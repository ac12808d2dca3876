"""A whole delivery: which sequences or movies it consists of, what they are called, and where they may go."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal, Protocol

from trackmatte.errors import OutputError
from trackmatte.files import remove_leftovers
from trackmatte.media.sequence import is_image
from trackmatte.progress import Progress
from trackmatte.shot.delivering import Look, refuse
from trackmatte.shot.shot import Shot
from trackmatte.writers import WRITERS, Delivery, Depth, Writer
from trackmatte.writers.presets import Preset, preset_named


@dataclass(frozen=True, slots=True)
class Export:
    """One sequence or movie of a delivery."""

    objects: tuple[str, ...]
    writer: Writer
    steps: Iterator[Progress]
    """Iterating writes it."""


class Options(Protocol):
    """What a user says of a delivery, on the command line or in a message."""

    @property
    def preset(self) -> str: ...
    @property
    def depth(self) -> Depth: ...
    @property
    def compression(self) -> str: ...
    @property
    def tight(self) -> bool: ...
    @property
    def alpha(self) -> Literal["straight", "premultiplied"] | None: ...


def delivery_of(options: Options, folder: Path, stem: str) -> Delivery:
    """Return what the options say of a delivery."""
    return Delivery(
        folder,
        file_stem(stem, options.preset),
        depth=options.depth,
        compression=options.compression,
        tight=options.tight,
        premultiplied=None if options.alpha is None else options.alpha == "premultiplied",
    )


def exports(
    shot: Shot,
    preset: str,
    form: str,
    make: Callable[[str], Delivery],
    look: Look,
    *,
    overwrite: bool,
    audio: bool = False,
) -> Iterator[Export]:
    """Yield the parts of a delivery, one per object unless the preset takes them together.

    Nothing is written where files of any part are in the way.

    Parameters
    ----------
    form : registered name of the writer.
    make : a stem -> the delivery as the options have it.

    Raises
    ------
    UsageError : there is no such preset or writer.
    OutputError : the folder holds the plate, or a movie exists.
    """
    writer_class, parts = WRITERS.get(form), []
    for objects, delivery in deliveries(shot, preset, make, overwrite=overwrite, audio=audio):
        check_apart(shot, delivery.folder)
        remove_leftovers(delivery.folder)
        writer = writer_class(delivery)
        steps = shot.render(writer, preset=preset, objects=objects, look=look)
        parts.append(Export(tuple(objects), writer, steps))
    if len(parts) > 1:  # of a single one, `render` sees to it
        found = [shot.conflicts(p.writer, preset=preset, objects=p.objects, look=look) for p in parts]
        refuse([path for paths in found for path in paths])
    yield from parts


def deliveries(
    shot: Shot, preset: str, make: Callable[[str], Delivery], *, overwrite: bool, audio: bool = False
) -> Iterator[tuple[list[str], Delivery]]:
    """Yield the objects and the delivery of each sequence or movie that `exports` writes.

    Objects whose names would be the same as part of a file's name get a number.

    Raises
    ------
    UsageError : there is no such preset.
    """
    chosen, taken = preset_named(preset), set[str]()
    for objects in [shot.objects] if chosen.together else [[o] for o in shot.objects]:
        stem = "_".join([clip_stem(shot.doc.source.path), *([] if chosen.together else objects)])
        name, count = stem, 2
        while file_stem(name, preset).casefold() in taken:  # some file systems take A for a
            name, count = f"{stem}_{count}", count + 1
        taken.add(file_stem(name, preset).casefold())
        yield objects, filled(make(name), shot, objects, chosen, overwrite=overwrite, audio=audio)


def filled(
    delivery: Delivery,
    shot: Shot,
    objects: Sequence[str],
    preset: Preset,
    *,
    overwrite: bool,
    audio: bool = False,
) -> Delivery:
    """Return a delivery with all that the shot says of it."""
    first = next(n for n in shot.numbers() if n not in shot.skipped())
    return replace(
        delivery,
        padding=max(4, shot.clip.padding),
        rate=shot.clip.rate,
        overwrite=overwrite,
        pixel_aspect=shot.clip.pixel_aspect,
        cut=shot.cut if shot.doc.handles else None,
        facts=shot.facts(objects),
        holds="layers" if preset.together else "colour" if preset.foreground else "matte",
        audio=shot.clip.path if audio else None,
        start=shot.clip[shot.clip.numbers.index(first)].time if audio else Fraction(0),
    )


def file_stem(stem: str, preset: str) -> str:
    """Return a stem that every file system takes, with the preset's name unless it is the usual one."""
    return re.sub(r"[^\w.-]+", "_", stem if preset == "matte" else f"{stem}_{preset}")


def clip_stem(clip: str) -> str:
    """Return a name for what comes from a clip: the file's, without number pattern, or its folder's."""
    path = Path(clip)
    name = path.name if path.is_dir() else path.stem
    bare = re.sub(r"%0?\d*d|#+|@+|<\w+>|\$F\d*", "", name).strip("._- ")
    return bare or path.absolute().parent.name or "clip"


def check_apart(shot: Shot, folder: Path) -> None:
    """Make sure that the delivery does not go between the images of the plate.

    Raises
    ------
    OutputError : it would.
    """
    place = shot.clip.path
    home = place if place.is_dir() else place.parent
    movie = place.is_file() and not is_image(place)
    if not movie and home.resolve() == folder.resolve():
        raise OutputError(f"{folder} holds the plate's own images; choose another --out folder")


def check_writable(folder: Path) -> None:
    """Find out before the work, not after it, that a folder cannot be written.

    Raises
    ------
    OutputError : it cannot be made or written.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"cannot write into {folder}: it is a file; choose a folder")
    probe = folder / ".trackmatte-probe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as e:
        raise OutputError(
            f"cannot write into {folder}: {e.strerror or e}; choose a folder you may write to"
        ) from e
