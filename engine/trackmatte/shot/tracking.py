"""The track pass: a tracker run over the frames that need it, from the first prompt both ways."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trackmatte.mask import Mask
from trackmatte.media import FrameSource, decode_ahead
from trackmatte.progress import Progress
from trackmatte.prompt import Prompt
from trackmatte.shot.cache import FrameCache, digest
from trackmatte.trackers import Tracker
from trackmatte.trackers.blend import blend
from trackmatte.writers.behind import WriteBehind

CHECKPOINT = 24
"""Frames between two saved tracker states: what a killed run loses at most."""
LOST = 0.1
"""Below this score the artist is told that the subject was not found."""


@dataclass(frozen=True, slots=True)
class Job:
    """What one object needs."""

    object: str
    key: str
    """Hash of all that decides the object's masks."""
    prompts: dict[int, Prompt]
    """By frame index."""
    wanted: frozenset[int]
    """Indices of frames to compute; locked and finished ones are not among them."""

    @property
    def first(self) -> int:
        """Index of the first prompted frame."""
        return min(self.prompts)

    @property
    def last(self) -> int:
        """Index of the last prompted frame."""
        return max(self.prompts)

    def one_sided(self, index: int) -> bool:
        """Whether only one pass reaches the frame, or the frame is prompted."""
        return index in self.prompts or not self.first < index < self.last


Direction = Literal["forward", "backward"]


class TrackRun:
    """One run of a tracker over several objects; see `Shot.track`.

    A forward pass goes from the first prompt on, a backward pass from the last prompt down. A frame
    between two prompts gets both and keeps their blend, weighted by nearness and confidence.
    """

    def __init__(self, clip: FrameSource, cache: FrameCache, tracker: Tracker, jobs: Sequence[Job]) -> None:
        self.clip, self.cache, self.tracker = clip, cache, tracker
        self.jobs = {job.object: job for job in jobs}
        self.needs = {d: self._needs(d) for d in ("forward", "backward")}

    def _needs(self, direction: str) -> dict[str, set[int]]:
        """Return the frame indices each object still needs from a pass."""
        needs = {}
        for job in self.jobs.values():
            if direction == "forward":
                need = {i for i in job.wanted if i >= job.first and not self._waiting(job, i)}
            else:
                need = {i for i in job.wanted if i < job.last and i not in job.prompts}
            if need:
                needs[job.object] = need
        return needs

    def _waiting(self, job: Job, index: int) -> bool:
        """Whether the forward half of a two-sided frame is there from an earlier, interrupted run."""
        number = self.clip.numbers[index]
        return not job.one_sided(index) and self.cache.key("forward", job.object, number) == job.key

    def __iter__(self) -> Iterator[Progress]:
        todo = {(d, i) for d, needs in self.needs.items() for need in needs.values() for i in need}
        if not todo:
            return
        self._begin, self._worked, self._left = time.monotonic(), 0, len(todo)
        self._total = self._left
        for job in self.jobs.values():
            for index in sorted(job.prompts):
                self.tracker.prompt(self.clip[index], job.prompts[index])
        for direction in ("forward", "backward"):
            if self.needs[direction]:
                yield from self._pass(direction)

    def _pass(self, direction: Direction) -> Iterator[Progress]:
        needs = self.needs[direction]
        forward = direction == "forward"
        need = set().union(*needs.values())
        sign: Literal[1, -1] = 1 if forward else -1
        if forward:
            start, stop = min(self.jobs[o].first for o in needs), max(need)
        else:
            start, stop = max(self.jobs[o].last for o in needs), min(need)
        key = digest(direction, sorted(job.key for job in self.jobs.values()))
        self.tracker.rewind()
        saved = self.cache.load_state(direction, key)
        reached = saved[0] if saved else None
        if (
            saved
            and reached is not None
            and (reached - start) * sign >= 0
            and not any((reached - i) * sign >= 0 for i in need)
        ):
            self.tracker.restore(saved[1])
            start = reached + sign
        low, high = min(start, stop), max(start, stop) + 1
        with WriteBehind() as writes:
            reached = None
            try:
                for n, frame in enumerate(decode_ahead(self.clip.frames(low, high, sign))):
                    masks = self.tracker.step(frame)
                    for mask in masks:
                        if frame.index in needs.get(mask.object, ()):
                            self._keep(mask, direction, writes)
                    reached = frame.index
                    if n % CHECKPOINT == CHECKPOINT - 1:
                        self._checkpoint(direction, key, reached, writes)
                    if frame.index in need:
                        self._left -= 1
                        self._worked += 1
                        yield self._progress(frame.number, masks)
            except GeneratorExit:  # the caller stops here: the next run goes on from this frame
                self._checkpoint(direction, key, reached, writes)
                raise
            self._checkpoint(direction, key, reached, writes)

    def _checkpoint(self, direction: str, key: str, index: int | None, writes: WriteBehind) -> None:
        if index is None:
            return
        state: dict[str, NDArray[Any]] = self.tracker.snapshot()
        writes.put(lambda: self.cache.save_state(direction, key, index, state))
        writes.flush()

    def _keep(self, mask: Mask, direction: Direction, writes: WriteBehind) -> None:
        """Queue a mask for the cache: as final, as the waiting half, or blended with that half."""
        job, number = self.jobs[mask.object], self.clip.numbers[mask.index]
        if job.one_sided(mask.index):
            writes.put(lambda: self._write("track", job, mask))
            return
        if direction == "forward":
            writes.put(lambda: self._write("forward", job, mask))
            return
        half = self.cache.read("forward", job.object, number)
        if half is not None and half[1].get("key") == job.key:
            before = max(i for i in job.prompts if i < mask.index)
            after = min(i for i in job.prompts if i > mask.index)
            near = (after - mask.index) / (after - before)
            mask = blend(Mask(mask.index, mask.object, half[0], half[1]["score"]), mask, near)
        blended = mask

        def finish() -> None:
            self._write("track", job, blended)
            self.cache.drop("forward", job.object, number)

        writes.put(finish)

    def _write(self, stage: Literal["track", "forward"], job: Job, mask: Mask) -> None:
        # Half precision is far below what a mask knows, and keeps the files small.
        logits = mask.logits.clip(-64, 64).astype(np.float16).astype(np.float32)
        info = {"key": job.key, "score": round(mask.score, 4)}
        self.cache.write(stage, job.object, self.clip.numbers[mask.index], logits, info)

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
