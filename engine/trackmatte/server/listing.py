"""The cache of a shot as a quick list, so that a long shot's state is at hand after every click."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from trackmatte.shot import ObjectStatus, Shot
from trackmatte.shot.cache import FrameCache, Stage, file_name
from trackmatte.shot.keys import Keys
from trackmatte.shot.spans import in_spans
from trackmatte.shot.status import object_status
from trackmatte_client.protocol.messages import Spans

Stamp = tuple[int, int, int]


class ListedCache(FrameCache):
    """A cache whose folders are listed once per `refresh` and whose files are read once per change."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._listed: dict[tuple[Stage, str], dict[int, Stamp]] = {}
        self._read: dict[tuple[Stage, str, int], tuple[Stamp, dict[str, Any] | None]] = {}

    def adopt(self, other: ListedCache) -> None:
        """Take over what another one of the same folder has read."""
        self._read.update(other._read.copy())

    def refresh(self) -> None:
        """Look at the folders again."""
        self._listed.clear()

    def numbers(self, stage: Stage, obj: str) -> dict[int, Stamp]:
        """Return the source numbers of the frames there are."""
        key = (stage, obj)
        if key not in self._listed:
            self._listed[key] = _listing(self.root / stage / file_name(obj))
        return self._listed[key]

    def info(self, stage: Stage, obj: str, number: int) -> dict[str, Any] | None:
        """Return what the cached frame says of itself, or None when missing or damaged."""
        stamp = self.numbers(stage, obj).get(number)
        if stamp is None:
            return None
        have = self._read.get((stage, obj, number))
        if have is None or have[0] != stamp:
            have = stamp, super().info(stage, obj, number)
            self._read[stage, obj, number] = have
        return have[1]


def _listing(folder: Path) -> dict[int, Stamp]:
    found = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                stem, dot, suffix = entry.name.rpartition(".")
                if dot and suffix == "tif" and stem.isdecimal():
                    stat = entry.stat()
                    found[int(stem)] = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
    except FileNotFoundError:
        return {}
    return found


def statuses(shot: Shot, cache: ListedCache) -> list[ObjectStatus]:
    """Return what `Shot.status` does, at a cost that grows with the frames tracked, not with the clip."""
    cache.refresh()
    first, last = limits(shot)
    keys = Keys(shot.doc, shot.prompts, cache, shot.clip.colour, shot.keys.contents)
    result = []
    for obj in shot.objects:
        locked = locked_numbers(shot, obj)
        found = sorted(n for n in cache.numbers("track", obj) if first <= n <= last)
        prompted = [p.frame for p in shot.prompts.of(obj)]
        every = sorted({*found, *locked, *prompted})
        status = object_status(
            obj,
            cache,
            found,
            prompted=prompted,
            locked=locked,
            masks=keys.masks(obj, every, locked),
            mattes=keys.mattes(obj, found, locked),
        )
        result.append(status)
    return result


def limits(shot: Shot) -> tuple[int, int]:
    """Return in and out."""
    return shot.doc.range or (shot.clip.numbers[0], shot.clip.numbers[-1])


def locked_numbers(shot: Shot, obj: str) -> set[int]:
    """Return an object's locked frames."""
    return in_spans(shot.doc.locked.get(obj, []), shot.clip.numbers)


def spans(numbers: Iterable[int], missing: Collection[int] = ()) -> Spans:
    """Return inclusive spans of frame numbers; one that the clip lacks does not split a span."""
    found: list[tuple[int, int]] = []
    for n in sorted(numbers):
        if found and all(m in missing for m in range(found[-1][1] + 1, n)):
            found[-1] = (found[-1][0], n)
        else:
            found.append((n, n))
    return tuple(found)
