"""The shot: one clip, what the artist said about it, and what was computed so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace as dataclass_replace
from pathlib import Path

import cv2
import numpy as np

from trackmatte.errors import PromptError, ShotError, UsageError
from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.matte import Matte
from trackmatte.progress import Progress
from trackmatte.prompt import Prompt
from trackmatte.refiners import REFINERS, Refiner
from trackmatte.refiners.region import bounds_of
from trackmatte.shot.book import ShotBook
from trackmatte.shot.cache import Stage, digest
from trackmatte.shot.delivering import Look, coloured, conflicts, deliver
from trackmatte.shot.plan import Job
from trackmatte.shot.prompts import merge
from trackmatte.shot.refining import Hair, read_mask, refine_frames
from trackmatte.shot.selecting import AUTO, as_mask
from trackmatte.shot.status import ObjectStatus, object_status, outdated
from trackmatte.shot.steadying import steady_frames
from trackmatte.shot.tracking import Direction, TrackRun
from trackmatte.trackers import TRACKERS, Arrays, Tracker
from trackmatte.writers import Writer
from trackmatte.writers.presets import Preset, preset_named


class Shot(ShotBook):
    """Prompts, passes and cache of one clip.

    Make one with `Shot.new` or `Shot.open`; use it as a context manager. Nothing is computed before
    `track` or `matte` is iterated, and iterating again does only what is missing or stale.
    """

    def add(self, prompt: Prompt, *, replace: bool = False) -> Mask:
        """Say something about an object on a frame and return its mask there.

        What was said before on that frame stays, unless ``replace``. Clicks and strokes on a frame
        that was tracked, but never prompted, correct the mask the artist sees there: that mask is kept
        with the prompt.

        Raises
        ------
        PromptError : the frame is not in the clip, or the prompt contradicts itself or selects nothing.
        ShotError : the frame is locked.
        """
        index, obj = self.index_of(prompt.frame), prompt.object
        if prompt.selects and prompt.frame in self._locked(obj):
            raise ShotError(f"frame {prompt.frame} of {obj!r} is locked; unlock it before you correct it")
        old = None if replace else self.prompts.find(prompt.frame, obj)
        whole, tracker = self.whole(prompt, replace=replace), self._tracker()
        corrects = self._corrects(prompt, replace=replace)
        corrects &= bool(self._memories(obj)) if old else whole is not prompt
        said, prompt = whole if old else prompt, whole
        if not prompt.selects:
            mask = _nothing(index, obj)
        elif corrects and tracker.carries and self.selector(whole).name == AUTO:
            # The mask that was seen is in the prompt for other trackers; this one sees it for itself.
            TrackRun(
                self.clip, self.cache, tracker, [self._job(obj, tracker, set())], between=self.keys.between
            ).replay(obj, index)
            mask = tracker.prompt(self.clip[index], dataclass_replace(said, mask=None))
        else:
            mask = tracker.prompt(self.clip[index], self.given(prompt))
        if mask.binary.all() and mask.logits.size > 1:
            raise PromptError(
                f"the prompt on frame {prompt.frame} selects the whole picture as {obj!r}; leave some "
                "background, or mark it with a negative click"
            )
        self.prompts.put(prompt)
        if prompt.selects and (memory := tracker.memory(obj, index)):
            self.cache.save_memory(obj, prompt.frame, self.prompts.marks(obj)[prompt.frame], memory)
        return mask

    def whole(self, prompt: Prompt, *, replace: bool = False) -> Prompt:
        """Return a prompt as `add` takes it: on top of what was said there, or of the mask it corrects."""
        old = self.prompts.find(prompt.frame, prompt.object)
        if old is not None and not replace:
            whole = merge(self.prompts.load(old), prompt)
            # What starts from marks alone starts afresh, whatever mask there was.
            fresh = prompt.marked and prompt.mask is None and not self.selector(whole).mask
            return dataclass_replace(whole, mask=None) if fresh else whole
        return self._seen(prompt) if self._corrects(prompt, replace=replace) else prompt

    def _corrects(self, prompt: Prompt, *, replace: bool) -> bool:
        """Whether a prompt is about the mask that is seen on its frame, and not the first word there."""
        more = prompt.marked and prompt.mask is None and prompt.box is None and not replace
        return more and self.selector(prompt).mask

    def given(self, prompt: Prompt, frame: Frame | None = None) -> Prompt:
        """Return a whole prompt as the tracker takes it: the mask that its selector makes of the marks.

        What a selector found is kept in the cache.

        Parameters
        ----------
        frame : the prompt's, where it is at hand.

        Raises
        ------
        PromptError : the prompt contradicts itself, lacks what the selector needs, or selects nothing.
        """
        selector = self.selector(prompt)
        if not selector.works_on(prompt):
            return prompt
        key = self.prompts.selection_key(prompt, self.keys.seen)
        found = self.cache.read("select", prompt.object, prompt.frame)
        if found is not None and found[1].get("key") == key:
            return Prompt(prompt.frame, prompt.object, mask=found[0])
        given = as_mask(selector, frame or self.clip[self.index_of(prompt.frame)], prompt)
        assert given.mask is not None
        self.cache.write("select", prompt.object, prompt.frame, given.mask, {"key": key})
        return given

    def track(
        self, frames: tuple[int, int] | None = None, *, direction: Direction = "both", fresh: bool = False
    ) -> Iterator[Progress]:
        """Compute missing and stale masks; yields after each frame.

        A prompt makes the masks up to the next prompt or lock stale, both ways where the tracker looks
        both ways. Stop iterating (or close the iterator) at any point: the next call goes on from there.

        Parameters
        ----------
        frames : first and last source number to work on; None = between in and out.
        direction : ``forward`` or ``backward`` runs that pass alone, from the first or last prompt.
        fresh : recompute up-to-date masks as well, but no locked ones.

        Raises
        ------
        PromptError : nothing was said about any object.
        ShotError : the range is not in the clip.
        FrameError : a frame cannot be decoded and the shot says stop.
        OutputError : the cache cannot be written.
        """
        numbers = set(self.numbers() if frames is None else self._between(*frames))
        tracker, jobs = self._tracker(), []
        for obj in self._selected():
            keys = self.keys.masks(obj, self.clip.numbers, self._locked(obj))
            settled = self._locked(obj) | self.skipped()
            stale = {
                n for n in numbers - settled if fresh or not keys[n].met_by(self.cache.key("track", obj, n))
            }
            if fresh:
                self.cache.drop_states(obj)
            jobs.append(self._job(obj, tracker, stale))
        run = TrackRun(
            self.clip,
            self.cache,
            tracker,
            [j for j in jobs if j.wanted],
            between=self.keys.between,
            direction=direction,
        )
        self.changed = run.changed
        try:
            yield from run
        finally:
            self.cache.save_skipped(self.skipped())

    def matte(self, frames: tuple[int, int] | None = None) -> Iterator[Progress]:
        """Refine every mask between in and out whose matte is missing or stale; yields after each frame.

        Where the shot says so, a second pass takes the mattes' flicker off.

        Parameters
        ----------
        frames : first and last source number to work on; None = between in and out.
        """
        asked = set(self.numbers() if frames is None else self._between(*frames))
        wanted: dict[int, dict[str, str]] = {}
        hair: dict[str, list[Hair]] = {}
        for obj in self._selected():
            hair[obj] = self._hair(obj)
            for number, key in self.keys.mattes(obj, self.numbers(), self._locked(obj)).items():
                if number in asked and self.cache.key("matte", obj, number) != key:
                    wanted.setdefault(self._index[number], {})[obj] = key
        rivals = self.objects if self.doc.exclusive else []
        wanted = dict(sorted(wanted.items()))
        if wanted:
            regional = REFINERS.get(self.doc.refiner.name).regional
            regions = {o: self.keys.region(o, self.numbers()) for o in hair if regional}
            # Made in the call: nothing holds its networks any longer once this pass is over.
            yield from refine_frames(self.clip, self.cache, self._refiner(), wanted, hair, rivals, regions)
        if self.doc.steady:
            wanted = {}
            for obj in hair:
                for number, key in self.keys.steadies(obj, self.numbers(), self._locked(obj)).items():
                    if number in asked and self.cache.key("steady", obj, number) != key:
                        wanted.setdefault(self._index[number], {})[obj] = key
            yield from steady_frames(self.clip, self.cache, self.doc.steady, dict(sorted(wanted.items())))

    def render(
        self,
        writer: Writer,
        *,
        preset: str = "matte",
        objects: Sequence[str] | None = None,
        look: Look = Look(),  # noqa: B008 (frozen)
    ) -> Iterator[Progress]:
        """Deliver the frames between in and out; yields after each. Files that are up to date stay.

        Parameters
        ----------
        writer : takes the pictures; see `trackmatte.writers`.
        preset : ``matte``, ``alpha``, ``cutout`` or ``multi``.
        objects : which; one for all presets but ``multi``. None = all.
        look : what colour the subject has in a cut-out.

        Raises
        ------
        UsageError : there is no such preset, or it takes one object only.
        ShotError : a frame has no matte.
        OutputError : files are in the way, or it cannot be written.
        """
        yield from deliver(self, writer, *self._chosen(preset, objects), look)

    def read_cutout(self, obj: str, number: int, look: Look = Look()) -> Matte:  # noqa: B008 (frozen)
        """Return the matte of one frame with its straight foreground, (H, W, 3) as ``look`` says.

        Raises
        ------
        ShotError : it is not there; the message says what to run.
        FrameError : the plate cannot be decoded.
        """
        matte = self.read_matte(obj, number)
        return coloured(matte, self.clip[matte.index], look)

    def conflicts(
        self,
        writer: Writer,
        *,
        preset: str = "matte",
        objects: Sequence[str] | None = None,
        look: Look = Look(),  # noqa: B008 (frozen)
    ) -> list[Path]:
        """Return the files that `render` with the same arguments would stop at."""
        return conflicts(self, writer, *self._chosen(preset, objects), look)

    def _chosen(self, preset: str, objects: Sequence[str] | None) -> tuple[Preset, list[str]]:
        chosen, names = preset_named(preset), list(self.objects if objects is None else objects)
        if not names or (len(names) > 1 and not chosen.together):
            raise UsageError(
                f"the preset {preset} holds one object, not {len(names)}; name one, or take multi"
            )
        return chosen, names

    def status(self) -> list[ObjectStatus]:
        """Return where each object stands between in and out."""
        return [
            object_status(
                obj,
                self.cache,
                self.numbers(),
                prompted=[p.frame for p in self.prompts.of(obj)],
                locked=self._locked(obj),
                masks=self.keys.masks(obj, self.clip.numbers, self._locked(obj)),
                mattes=self.keys.mattes(obj, self.numbers(), self._locked(obj)),
            )
            for obj in self.objects
        ]

    def outdated(self, obj: str) -> list[int]:
        """Return the frames between in and out whose matte is older than what was said or done since."""
        locked, skipped = self._locked(obj), self.skipped()
        numbers = [n for n in self.numbers() if n not in skipped]
        wanted: dict[Stage, dict[int, str]] = {"matte": self.keys.mattes(obj, self.numbers(), locked)}
        if self.doc.steady:
            wanted["steady"] = self.keys.steadies(obj, self.numbers(), locked)
        masks = self.keys.masks(obj, self.clip.numbers, locked)
        return outdated(obj, self.cache, numbers, locked=locked, masks=masks, wanted=wanted)

    def _job(self, obj: str, tracker: Tracker, stale: set[int]) -> Job:
        """Return what an object needs to have the masks of the frames ``stale`` made."""
        keys = self.keys.masks(obj, self.clip.numbers, self._locked(obj))
        marks = self.prompts.marks(obj)
        return Job(
            obj,
            {self._index[n]: key for n, key in keys.items()},
            {self._index[p.frame]: self.given(p) for p in self.prompts.of(obj) if p.selects},
            self._memories(obj),
            frozenset(self._index[n] for n in stale),
            # What carries memories over a prompt depends on all that came before, by design.
            digest(tracker.carries or sorted(marks.items())),
        )

    def _memories(self, obj: str) -> dict[int, Arrays]:
        """Return what the object's corrections became in the tracker, by frame index."""
        found = {n: self.cache.load_memory(obj, n, mark) for n, mark in self.prompts.marks(obj).items()}
        return {self._index[n]: memory for n, memory in found.items() if memory is not None}

    def _selected(self) -> list[str]:
        """Return the objects that something was said about."""
        named = [o for o in self.objects if any(p.selects for p in self.prompts.of(o))]
        if not named:
            raise PromptError(f"nothing is selected in {self.path}; add a point, box, scribble or mask first")
        return named

    def _hair(self, obj: str) -> list[Hair]:
        result = []
        for prompt in self.prompts.hair(obj):
            index = self._index[prompt.frame]
            mask = read_mask(self.cache, obj, index, prompt.frame)
            result.append(Hair(index, prompt, bounds_of(mask) if mask else None))
        return result

    def _seen(self, prompt: Prompt) -> Prompt:
        """Return a correction together with the tracked mask that it corrects, if there is one."""
        seen = read_mask(self.cache, prompt.object, self._index[prompt.frame], prompt.frame)
        if seen is None or not seen.binary.any():
            return prompt
        logits = cv2.resize(seen.logits, self.clip.size, interpolation=cv2.INTER_LINEAR)
        soft = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
        return merge(Prompt(prompt.frame, prompt.object, mask=soft), prompt)

    def _tracker(self) -> Tracker:
        cls = TRACKERS.get(self.doc.tracker.name)
        return cls(length=self.clip.length, **self.doc.tracker.settings)

    def _refiner(self) -> Refiner:
        return REFINERS.get(self.doc.refiner.name)(**self.doc.refiner.settings)


def _nothing(index: int, obj: str) -> Mask:
    return Mask(index, obj, np.full((1, 1), -10, np.float32), 0.0)
