"""What decides a cached frame, as hashes: the same hash, the same frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Literal

from trackmatte.color import Colour
from trackmatte.refiners import REFINERS
from trackmatte.refiners.region import Region, region_of
from trackmatte.shot.cache import FrameCache, digest
from trackmatte.shot.contents import Contents
from trackmatte.shot.document import ShotDoc
from trackmatte.shot.prompts import PromptBook
from trackmatte.trackers import TRACKERS

Between = Literal["blend", "forward"]
SHORT = 16
"""Frames from which on no tracker minds how long the clip is; SAM 2's time encoding does below."""
STEADY_VERSION = "1"
"""Changes whenever the same mattes give other steady ones."""
NONE, UNUSED, ANY = "0", "-", "*"
"""Sides of a `MaskKey`: no prompt there; it did not matter; a lock stands before it, so whatever it is."""


@dataclass(frozen=True, slots=True)
class MaskKey:
    """Which prompts decide a mask: a prompt reaches as far as the next prompt or lock, both ways."""

    base: str
    """Hash of clip, tracker, and settings."""
    left: str
    """Hash of the nearest prompt at or before the frame."""
    right: str
    """Hash of the nearest prompt at or after it."""

    def __str__(self) -> str:
        return f"{self.base} {self.left} {self.right}"

    def met_by(self, recorded: str | None) -> bool:
        """Whether a mask that carries the key ``recorded`` is up to date."""
        parts = (recorded or "").split(" ")
        if len(parts) != 3 or parts[0] != self.base:
            return False
        sides = zip((self.left, self.right), parts[1:], strict=True)
        return all(want in (ANY, has) or UNUSED in (want, has) for want, has in sides)

    def one_sided(self, side: Literal["left", "right"]) -> MaskKey:
        """Return the key of a mask that only the pass from that side made."""
        return replace(self, right=UNUSED) if side == "left" else replace(self, left=UNUSED)


class Keys:
    """Hashes of all that makes a mask or a matte, from the present state of a shot."""

    def __init__(
        self,
        doc: ShotDoc,
        prompts: PromptBook,
        cache: FrameCache,
        colour: Colour,
        contents: Contents | None = None,
    ) -> None:
        self.doc, self.prompts, self.cache = doc, prompts, cache
        self.contents = contents
        """Of a clip that grows; None = its identity says it all."""
        self.seen = [] if colour.coded_for_display else [colour.identity]
        """What models see of the plate besides its values: nothing where these are shown as they are."""

    @property
    def between(self) -> Between:
        """What becomes of frames between two prompts."""
        return self.doc.between or TRACKERS.get(self.doc.tracker.name).between

    def base(self) -> str:
        """Return the hash of what decides every mask: the clip, the tracker and its settings."""
        part = self.doc.tracker
        kind = TRACKERS.get(part.name)
        identity = self.doc.source.identity
        if self.contents is not None and kind.carries:  # such a tracker knows whether a clip is short
            identity += f" {min(self.contents.length, SHORT)}"
        return digest("track", identity, part.name, kind.version, part.settings, self.between, *self.seen)

    def masks(self, obj: str, every: Sequence[int], locked: set[int]) -> dict[int, MaskKey]:
        """Return for each frame the key that an object's mask should carry.

        Parameters
        ----------
        every : the clip's source numbers, ascending.
        locked : numbers whose masks are frozen; no prompt reaches over them. In a clip that grows
            prompts do, or a changed frame behind a lock would go unnoticed.
        """
        locked = locked if self.contents is None else set()
        base, marks = self.base(), self.prompts.marks(obj)
        left = self._side(every, marks, locked)
        right = self._side(every[::-1], marks, locked)
        if self.between == "forward":
            right = {n: right[n] if left[n] == NONE or n in marks else UNUSED for n in every}
        return {n: MaskKey(base, left[n], right[n]) for n in every}

    def _side(self, numbers: Sequence[int], marks: dict[int, str], locked: set[int]) -> dict[int, str]:
        """Return the mark last met on the way and, in a clip that grows, what the frames since then are."""
        met = _nearest(numbers, marks, locked)
        if self.contents is None:
            return met
        for n, place in _nearest(numbers, {n: f"@{n}" for n in marks}, locked).items():
            if place.startswith("@"):
                met[n] += f".{self.contents.between(int(place[1:]), n)}"
        return met

    def refiner(self, obj: str) -> str:
        """Return the hash of all that is not the mask in an object's mattes."""
        part = self.doc.refiner
        version = REFINERS.get(part.name).version
        return digest("matte", part.name, version, part.settings, self.prompts.hair_key(obj), *self.seen)

    def region(self, obj: str, numbers: Iterable[int]) -> Region | None:
        """Return the part of the plate that holds an object on the frames ``numbers``."""
        infos = (self.cache.info("track", obj, n) for n in numbers)
        boxes = [tuple(info["box"]) for info in infos if info and info.get("box")]
        return region_of(boxes, (self.doc.source.width, self.doc.source.height))

    def mattes(self, obj: str, numbers: Sequence[int], locked: set[int]) -> dict[int, str]:
        """Return, for each tracked frame, the hash its matte should carry; locked mattes keep theirs."""
        refiner = self.refiner(obj)
        if REFINERS.get(self.doc.refiner.name).regional and (region := self.region(obj, numbers)):
            refiner = digest(refiner, astuple(region))
        rivals = [o for o in self.prompts.objects if o != obj] if self.doc.exclusive else []
        keys = {}
        for n in numbers:
            content = self._content(obj, n)
            if content is None:
                continue
            kept = self.cache.key("matte", obj, n) if n in locked else None
            frame = [] if self.contents is None else [self.contents.frame(n)]
            keys[n] = kept or digest(content, refiner, [self._content(o, n) for o in rivals], *frame)
        return keys

    def steadies(self, obj: str, numbers: Sequence[int], locked: set[int]) -> dict[int, str]:
        """Return, for each refined frame, the hash its steady matte should carry; locked ones keep theirs."""
        mattes = {n: key for n in numbers if (key := self.cache.key("matte", obj, n)) is not None}
        keys = {}
        for before, n, after in zip([None, *numbers], numbers, [*numbers[1:], None], strict=False):
            if n in mattes:
                kept = self.cache.key("steady", obj, n) if n in locked else None
                around = [mattes.get(m) for m in (before, n, after) if m is not None]
                keys[n] = kept or digest("steady", STEADY_VERSION, self.doc.steady, around)
        return keys

    def origin(self, obj: str) -> str:
        """Return the hash of all that decides an object's mattes."""
        prompts = sorted(self.prompts.marks(obj).items())
        return digest(self.base(), prompts, self.refiner(obj), self.doc.steady, self.doc.exclusive)

    def _content(self, obj: str, number: int) -> str | None:
        info = self.cache.info("track", obj, number)
        return None if info is None else str(info.get("content", info.get("key")))


def _nearest(numbers: Sequence[int], marks: dict[int, str], locked: set[int]) -> dict[int, str]:
    """Return for each number the mark last met on the way, ``ANY`` behind a lock."""
    result = {}
    last = NONE
    for n in numbers:
        if n in marks:
            last = marks[n]
        elif n in locked and last != NONE:
            last = ANY
        result[n] = last
    return result
