"""The hashes that tell a current frame from a stale one."""

from __future__ import annotations

from collections.abc import Iterable

from trackmatte.refiners import REFINERS
from trackmatte.shot.cache import FrameCache, digest
from trackmatte.shot.document import ShotDoc
from trackmatte.shot.prompts import PromptBook
from trackmatte.trackers import TRACKERS


class Keys:
    """Hashes of all that makes a mask or a matte, from the present state of a shot."""

    def __init__(self, doc: ShotDoc, prompts: PromptBook, cache: FrameCache) -> None:
        self.doc, self.prompts, self.cache = doc, prompts, cache

    def track(self, obj: str) -> str:
        """Return the hash that an object's masks should carry."""
        part = self.doc.tracker
        version = TRACKERS.get(part.name).version
        return digest(
            "track", self.doc.source.identity, part.name, version, part.settings, self.prompts.key(obj)
        )

    def refiner(self, obj: str) -> str:
        """Return the hash of all that is not the mask in an object's mattes."""
        part = self.doc.refiner
        version = REFINERS.get(part.name).version
        return digest("matte", part.name, version, part.settings, self.prompts.hair_key(obj))

    def mattes(self, obj: str, numbers: Iterable[int], locked: set[int]) -> dict[int, str]:
        """Return, for each tracked frame, the hash its matte should carry; locked mattes keep theirs."""
        refiner = self.refiner(obj)
        keys = {}
        for n in numbers:
            mask_key = self.cache.key("track", obj, n)
            if mask_key is None:
                continue
            kept = self.cache.key("matte", obj, n) if n in locked else None
            keys[n] = kept or digest(mask_key, refiner)
        return keys

    def origin(self, obj: str) -> str:
        """Return the hash of all that decides an object's mattes."""
        return digest(self.track(obj), self.refiner(obj))
