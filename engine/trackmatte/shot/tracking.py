"""The track pass: a tracker run over the frames that need it, from the prompts both ways."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Literal

import numpy as np

from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.media import FrameSource, decode_ahead
from trackmatte.progress import Progress
from trackmatte.refiners.region import bounds_of
from trackmatte.shot.cache import FrameCache
from trackmatte.shot.drift import Drift, thin
from trackmatte.shot.keys import Between
from trackmatte.shot.plan import Job, Leg, plan, segments
from trackmatte.trackers import Tracker
from trackmatte.trackers.blend import blend
from trackmatte.writers.behind import WriteBehind

CHECKPOINT = 24
"""Frames between two saved states of a pass: what a killed run loses at most."""
KEEP = 48
"""Frames between two states that stay, of trackers that carry memories: what a correction replays at most."""
LOST = 0.1
"""Below this score the artist is told that the subject was not found."""

Way = Literal["forward", "backward"]
Direction = Literal["both", "forward", "backward"]


class TrackRun:
    """One run of a tracker over several objects; see `Shot.track`.

    A forward pass goes from the first prompt on, a backward pass from the last one that is needed down.
    A frame between two prompts keeps the forward mask or, when both passes reach it and ``between`` says
    so, their blend, weighted by nearness and confidence.

    Attributes
    ----------
    changed : object -> source numbers of the frames whose mask is not what it was before the run.
    """

    def __init__(
        self,
        clip: FrameSource,
        cache: FrameCache,
        tracker: Tracker,
        jobs: Sequence[Job],
        *,
        between: Between,
        direction: Direction = "both",
    ) -> None:
        self.clip, self.cache, self.tracker = clip, cache, tracker
        self.jobs = {job.object: job for job in jobs}
        self.both = direction == "both" and between == "blend"
        self.direction = direction
        self.drift = Drift()
        self.needs: dict[Way, dict[str, set[int]]] = {
            "forward": {j.object: self._forward(j) for j in jobs} if direction != "backward" else {},
            "backward": {j.object: self._backward(j) for j in jobs} if direction != "forward" else {},
        }
        self.changed: dict[str, set[int]] = {job.object: set() for job in jobs}

    def _forward(self, job: Job) -> set[int]:
        """Return the frames that the object still needs from the forward pass."""
        return {i for i in job.wanted if i >= job.first and not (self.both and self._waiting(job, i))}

    def _backward(self, job: Job) -> set[int]:
        """Return the frames that the object still needs from the backward pass."""
        if self.direction == "backward":
            return {i for i in job.wanted if i <= job.last}
        last = job.last if self.both else job.first
        return {i for i in job.wanted if i < last and i not in job.prompts}

    def _waiting(self, job: Job, index: int) -> bool:
        """Whether the forward half of a two-sided frame is there from an earlier, interrupted run."""
        number = self.clip.numbers[index]
        recorded = self.cache.key("forward", job.object, number)
        return not job.one_sided(index) and recorded == str(job.keys[index])

    def __iter__(self) -> Iterator[Progress]:
        todo = {(w, i) for w, needs in self.needs.items() for need in needs.values() for i in need}
        if not todo:
            return
        self._begin, self._worked, self._left = time.monotonic(), 0, len(todo)
        self._total = self._left
        self._room = self.cache.room(sum(len(n) for needs in self.needs.values() for n in needs.values()))
        self.prepare()
        for way in ("forward", "backward"):
            legs = [leg for obj, need in self.needs[way].items() for leg in self._legs(obj, way, need)]
            if legs:
                yield from self._pass(way, legs)

    def prepare(self) -> None:
        """Give the tracker all prompts."""
        for job in self.jobs.values():
            for index in sorted(job.prompts):
                self.tracker.prompt(self.clip[index], job.prompts[index], job.memories.get(index))

    def replay(self, obj: str, index: int) -> None:
        """Bring the object's pass to a frame that was tracked, writing nothing."""
        job = self.jobs[obj]
        way: Way = "forward" if index > job.first else "backward"
        self.prepare()
        for leg in self._legs(obj, way, {index}):
            self._restore(leg, way)
            for frame, look in self._frames((leg.start, leg.stop), way):
                self.tracker.step(frame, look)

    def _legs(self, obj: str, way: Way, need: set[int]) -> list[Leg]:
        job = self.jobs[obj]
        saved = self._saved(obj, way)
        return plan(job, need, 1 if way == "forward" else -1, carries=self.tracker.carries, saved=saved)

    def _saved(self, obj: str, way: Way) -> list[int]:
        """Return the frames after which a state was saved from which the pass may go on, ascending."""
        return [r for r in self.cache.states(obj, way) if self._valid(self.jobs[obj], way, r)]

    def _valid(self, job: Job, way: Way, index: int) -> bool:
        """Whether the state saved after a frame belongs to the prompts there are, or lies behind a lock."""
        key, _, lineage = (self.cache.state_tag(job.object, way, index) or "").rpartition(" ")
        return lineage == job.lineage and index in job.keys and job.keys[index].met_by(key)

    def _restore(self, leg: Leg, way: Way) -> None:
        if leg.state is not None:
            state = self.cache.load_state(leg.object, way, leg.state) or {}
            self.tracker.restore(leg.object, state)
            self.drift.restore(leg.object, state)
        elif way == "backward" and self.tracker.carries:
            # A tracker may want to begin with what the forward pass saw just after the prompt.
            if forward := self._saved(leg.object, "forward"):
                self.tracker.restore(
                    leg.object, self.cache.load_state(leg.object, "forward", forward[-1]) or {}
                )
            self.tracker.rewind(leg.object)

    def _frames(self, stretch: tuple[int, int], way: Way) -> Iterator[tuple[Frame, object]]:
        """Decode a stretch ahead of the tracker, and let it look ahead in the same thread."""
        low, high = min(stretch), max(stretch) + 1
        frames = self.clip.frames(low, high, 1 if way == "forward" else -1)
        return decode_ahead((frame, self.tracker.look(frame)) for frame in frames)

    def _pass(self, way: Way, legs: list[Leg]) -> Iterator[Progress]:
        sign = 1 if way == "forward" else -1
        needs = self.needs[way]
        # A leg's own states must not replace the one from which a later leg goes on.
        self._needed = {(leg.object, leg.state) for leg in legs}
        need = set().union(*needs.values())
        ahead = sorted(legs, key=lambda g: g.start * sign, reverse=True)
        for stretch in segments(legs, sign):
            self.tracker.rewind()
            walking: dict[str, Leg] = {}
            self.drift.forget()
            reached: int | None = None
            frames = self._frames(stretch, way)
            with WriteBehind() as writes:
                try:
                    for frame, look in frames:
                        at = frame.index
                        while ahead and (at - ahead[-1].start) * sign >= 0:
                            leg = ahead.pop()
                            self._restore(leg, way)
                            walking[leg.object] = leg
                        masks = self.tracker.step(frame, look)
                        steady = self.drift.measure(at, thin(frame), masks)
                        for mask in masks:
                            if mask.object not in walking:
                                self.tracker.rewind(mask.object)
                            elif at in needs[mask.object]:
                                self._keep(mask, steady.get(mask.object), way, writes)
                        reached = at
                        ended = [g.object for g in walking.values() if (at - g.stop) * sign >= 0]
                        if at % CHECKPOINT == 0:
                            self._checkpoint(list(walking), way, at, writes)
                        else:
                            self._checkpoint(ended, way, at, writes)
                        for obj in ended:
                            self.tracker.rewind(obj)
                            del walking[obj]
                        if at in need:
                            self._left -= 1
                            self._worked += 1
                            yield self._progress(frame.number, masks)
                except GeneratorExit:  # the caller stops here: the next run goes on from this frame
                    self._checkpoint(list(walking), way, reached, writes)
                    raise
                finally:
                    frames.close()  # type: ignore[attr-defined]

    def _checkpoint(self, objects: Sequence[str], way: Way, index: int | None, writes: WriteBehind) -> None:
        if index is None or not objects:
            return
        keep = KEEP if self.tracker.carries else 0
        for obj in objects:
            if state := self.tracker.snapshot(obj):
                state = {**state, **self.drift.snapshot(obj)}
                tag = f"{self.jobs[obj].keys[index]} {self.jobs[obj].lineage}"
                needed = [state for o, state in self._needed if o == obj]
                writes.put(partial(self.cache.save_state, obj, way, index, tag, state, keep, needed))
        writes.flush()

    def _keep(self, mask: Mask, steady: float | None, way: Way, writes: WriteBehind) -> None:
        """Queue a mask for the cache: as final, as the waiting half, or blended with that half."""
        job, number = self.jobs[mask.object], self.clip.numbers[mask.index]
        key = str(job.keys[mask.index])
        if job.one_sided(mask.index) or not self.both:
            if not job.one_sided(mask.index) and self.direction != "both":
                side: Literal["left", "right"] = "left" if way == "forward" else "right"
                key = str(job.keys[mask.index].one_sided(side))
            self._put(writes, mask, lambda: self._write("track", key, mask, steady))
            return
        if way == "forward":
            self._put(writes, mask, lambda: self._write("forward", key, mask, steady))
            return
        half = self.cache.read("forward", job.object, number)
        if half is not None and half[1].get("key") == key:
            before = max(i for i in job.prompts if i < mask.index)
            after = min(i for i in job.prompts if i > mask.index)
            near = (after - mask.index) / (after - before)
            mask = blend(Mask(mask.index, mask.object, half[0], half[1]["score"]), mask, near)
            seen = [d for d in (steady, half[1].get("drift")) if d is not None]
            steady = min(seen, default=None)
        blended = mask

        def finish() -> int:
            grown = self._write("track", key, blended, steady)
            return grown - self.cache.drop("forward", job.object, number)

        self._put(writes, blended, finish)

    def _put(self, writes: WriteBehind, mask: Mask, write: Callable[[], int]) -> None:
        writes.put(self._room.guard(write), mask.logits.nbytes)

    def _write(self, stage: Literal["track", "forward"], key: str, mask: Mask, steady: float | None) -> int:
        # Half precision is far below what a mask knows, and keeps the files small.
        logits = mask.logits.clip(-64, 64).astype(np.float16).astype(np.float32)
        number = self.clip.numbers[mask.index]
        content = hashlib.sha256(repr(logits.shape).encode() + logits.tobytes()).hexdigest()[:32]
        info = {
            "key": key,
            "content": content,
            "score": round(mask.score, 4),
            "area": round(float((logits > 0).mean()), 6),
            "box": bounds_of(mask),
            **{name: round(value, 4) for name, value in mask.quality.items()},
        }
        if steady is not None:
            info["drift"] = round(steady, 4)
        if stage == "track":
            before = self.cache.info(stage, mask.object, number)
            if before is None or before.get("content") != content:
                self.changed[mask.object].add(number)
        return self.cache.write(stage, mask.object, number, logits, info)

    def _progress(self, number: int, masks: Sequence[Mask]) -> Progress:
        lost = [m.object for m in masks if m.score < LOST and m.object in self.jobs]
        return Progress(
            stage="track",
            done=self._total - self._left,
            total=self._total,
            frame=number,
            seconds=time.monotonic() - self._begin,
            worked=self._worked,
            note=f"{', '.join(lost)} not found" if lost else "",
        )
