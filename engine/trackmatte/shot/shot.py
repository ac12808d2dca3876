"""The shot: one clip, what the artist said about it, and what was computed so far."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace as dataclass_replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, Literal

import cv2
import numpy as np

from trackmatte.errors import OutputError, PromptError, ShotError
from trackmatte.mask import Mask
from trackmatte.matte import Matte
from trackmatte.media import FrameSource, open_clip
from trackmatte.progress import Progress
from trackmatte.prompt import Prompt
from trackmatte.refiners import REFINERS, Refiner
from trackmatte.shot import document
from trackmatte.shot.cache import FrameCache, digest
from trackmatte.shot.document import PartDoc, ShotDoc, SourceDoc
from trackmatte.shot.keys import Keys
from trackmatte.shot.plan import Job
from trackmatte.shot.prompts import PromptBook, merge
from trackmatte.shot.refining import Hair, bounds_of, read_mask, refine_frames
from trackmatte.shot.spans import in_spans, join_spans
from trackmatte.shot.status import ObjectStatus, object_status
from trackmatte.shot.tracking import Direction, TrackRun
from trackmatte.trackers import TRACKERS, Arrays, Tracker
from trackmatte.trackers.choose import choose_tracker, settle
from trackmatte.writers import Writer
from trackmatte.writers.behind import WriteBehind

DEFAULT_REFINER = "closed_form"


class Shot:
    """Prompts, passes and cache of one clip.

    Make one with `Shot.new` or `Shot.open`; use it as a context manager. Nothing is computed before
    `track` or `matte` is iterated, and iterating again does only what is missing or stale.
    """

    def __init__(self, path: Path, doc: ShotDoc, clip: FrameSource) -> None:
        self.path, self.doc, self.clip = path, doc, clip
        self.cache = FrameCache(path.with_name(path.name.removesuffix(document.SUFFIX) + ".shot"))
        self._index = {number: index for index, number in enumerate(clip.numbers)}
        self.prompts = PromptBook(doc, path.parent, self.cache.root / "prompts", clip.size)
        self.keys = Keys(doc, self.prompts, self.cache)
        self._fresh = False
        self.changed: dict[str, set[int]] = {}
        """Object -> source numbers of the masks that the last `track` changed."""

    # -- making, opening, saving -------------------------------------------------------------------

    @classmethod
    def new(
        cls,
        path: str | os.PathLike[str],
        clip: str | os.PathLike[str],
        *,
        tracker: str = "auto",
        refiner: str = "auto",
        tracker_settings: dict[str, Any] | None = None,
        frames: tuple[int, int] | None = None,
        on_error: Literal["stop", "skip"] = "stop",
    ) -> Shot:
        """Make a shot for a clip; nothing is on disk before `save`.

        Parameters
        ----------
        path : the shot file to be, ``something.shot.json``.
        clip : movie, folder of images, or sequence pattern.
        tracker, refiner : registered names; ``auto`` takes the best one that can run here.
        tracker_settings : what the tracker is made with; see its class.
        frames : in and out, inclusive source numbers; None = the whole clip.
        on_error : at a frame that cannot be decoded, stop or leave it out.

        Raises
        ------
        ShotError : the file is not named ``.shot.json``, or the range is not in the clip.
        UsageError : no such tracker, refiner or setting.
        MissingPartError : the tracker needs a package or weights that are not there.
        ClipError : the clip cannot be opened.
        """
        path = Path(path)
        if not path.name.endswith(document.SUFFIX):
            raise ShotError(f"{path} must end in {document.SUFFIX}")
        if tracker == "auto":
            tracker, _ = choose_tracker()
        refiner = DEFAULT_REFINER if refiner == "auto" else refiner
        settings = settle(tracker, tracker_settings or {})
        REFINERS.get(refiner)
        source = open_clip(clip, on_error=on_error)
        width, height = source.size
        doc = ShotDoc(
            format="trackmatte-shot",
            version=document.VERSION,
            source=SourceDoc(
                path=_portable(Path(clip), path.parent),
                identity=source.identity(),
                width=width,
                height=height,
                first=source.numbers[0],
                last=source.numbers[-1],
            ),
            tracker=PartDoc(tracker, settings),
            refiner=PartDoc(refiner),
            on_error=on_error,
        )
        shot = cls(path, doc, source)
        shot._fresh = True
        if frames is not None:
            shot.set_range(*frames)
        return shot

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Shot:
        """Open a shot file.

        Raises
        ------
        ShotError : the file is missing, damaged, newer, or its clip changed since it was made.
        ClipError : the clip cannot be opened.
        """
        path = Path(path)
        doc = document.load(path)
        clip = open_clip(path.parent / doc.source.path, on_error=doc.on_error)
        if clip.identity() != doc.source.identity:
            clip.close()
            raise ShotError(
                f"{doc.source.path} is not the clip that {path} was made from (its content changed); "
                "restore it, or make a new shot"
            )
        shot = cls(path, doc, clip)
        try:
            TRACKERS.get(doc.tracker.name), REFINERS.get(doc.refiner.name)
            if doc.range is not None:
                shot.set_range(*doc.range)
            for prompt in doc.prompts:
                shot._index_of(prompt.frame)
                shot.prompts.load(prompt)
        except BaseException:
            shot.close()
            raise
        shot.cache.clean()
        return shot

    def save(self, *, overwrite: bool = False) -> None:
        """Write the shot file atomically.

        Raises
        ------
        OutputError : it cannot be written, or a new shot would replace a file and ``overwrite`` is not set.
        """
        if self._fresh and self.path.exists() and not overwrite:
            raise OutputError(f"{self.path} exists; open it, or choose another name")
        document.save(self.doc, self.path)
        self._fresh = False

    def close(self) -> None:
        """Release the clip."""
        self.clip.close()

    def __enter__(self) -> Shot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what the artist says ----------------------------------------------------------------------

    @property
    def objects(self) -> list[str]:
        """Names of the objects, in order of first prompt in the file."""
        return self.prompts.objects

    def set_range(self, first: int, last: int) -> None:
        """Set in and out, inclusive source numbers.

        Raises
        ------
        ShotError : nothing of the clip lies between them.
        """
        self._between(first, last)
        self.doc.range = (first, last)

    def numbers(self) -> list[int]:
        """Source numbers of the frames between in and out."""
        if self.doc.range is None:
            return list(self.clip.numbers)
        return self._between(*self.doc.range)

    def skipped(self) -> set[int]:
        """Source numbers of the frames found undecodable so far and left out (``on_error="skip"``)."""
        return self.cache.load_skipped() | {self.clip.numbers[i] for i in self.clip.skipped}

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
        index, obj = self._index_of(prompt.frame), prompt.object
        if prompt.selects and prompt.frame in self._locked(obj):
            raise ShotError(f"frame {prompt.frame} of {obj!r} is locked; unlock it before you correct it")
        old = self.prompts.find(prompt.frame, obj)
        said, tracker = prompt, self._tracker()
        corrects = prompt.selects and prompt.mask is None and prompt.box is None and not replace
        if old is not None and not replace:
            corrects &= bool(self._memories(obj))
            said = prompt = merge(self.prompts.load(old), prompt)
        elif corrects:
            prompt = self._seen(said)
            corrects = prompt is not said
        if not prompt.selects:
            mask = _nothing(index, obj)
        elif corrects and tracker.carries:
            # The mask that was seen is in the prompt for other trackers; this one sees it for itself.
            TrackRun(
                self.clip, self.cache, tracker, [self._job(obj, tracker, set())], between=self.keys.between
            ).replay(obj, index)
            mask = tracker.prompt(self.clip[index], dataclass_replace(said, mask=None))
        else:
            mask = tracker.prompt(self.clip[index], prompt)
        if mask.binary.all() and mask.logits.size > 1:
            raise PromptError(
                f"the prompt on frame {prompt.frame} selects the whole picture as {obj!r}; leave some "
                "background, or mark it with a negative click"
            )
        self.prompts.put(prompt)
        if prompt.selects and (memory := tracker.memory(obj, index)):
            self.cache.save_memory(obj, prompt.frame, self.prompts.marks(obj)[prompt.frame], memory)
        return mask

    def remove(self, number: int, obj: str) -> None:
        """Take back everything said about an object on a frame.

        Raises
        ------
        PromptError : nothing was said there.
        """
        old = self.prompts.find(number, obj)
        if old is None:
            raise PromptError(f"{obj!r} has no prompt on frame {number}")
        self.doc.prompts.remove(old)

    def forget(self, obj: str) -> None:
        """Take back everything said about an object; what was computed of it stays in the cache.

        Raises
        ------
        PromptError : there is no such object.
        """
        if obj not in self.objects:
            known = ", ".join(map(repr, self.objects)) or "none"
            raise PromptError(f"{self.path} has no object {obj!r}; there are: {known}")
        self.doc.prompts = [p for p in self.doc.prompts if p.object != obj]
        self.prompts.doc = self.doc
        self.doc.locked.pop(obj, None)

    def lock(self, obj: str, first: int, last: int) -> None:
        """Freeze an object's masks and mattes from ``first`` to ``last``, inclusive.

        Raises
        ------
        ShotError : a frame of the range has no mask yet.
        """
        numbers = [n for n in self.clip.numbers if first <= n <= last]
        bare = [n for n in numbers if self.cache.key("track", obj, n) is None]
        if not numbers or bare:
            at = f"frame {bare[0]} of {obj!r} is not tracked" if bare else "the clip has no such frames"
            raise ShotError(f"cannot lock {first}-{last}: {at}; lock frames that have a mask")
        self.doc.locked[obj] = join_spans({*self._locked(obj), *numbers}, self.clip.numbers)

    def unlock(self, obj: str, first: int, last: int) -> None:
        """Let an object's frames from ``first`` to ``last`` be recomputed again."""
        left = {n for n in self._locked(obj) if not first <= n <= last}
        self.doc.locked[obj] = join_spans(left, self.clip.numbers)
        if not left:
            del self.doc.locked[obj]

    # -- the passes --------------------------------------------------------------------------------

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

    def matte(self) -> Iterator[Progress]:
        """Refine every mask between in and out whose matte is missing or stale; yields after each frame."""
        wanted: dict[int, dict[str, str]] = {}
        hair: dict[str, list[Hair]] = {}
        for obj in self._selected():
            hair[obj] = self._hair(obj)
            for number, key in self.keys.mattes(obj, self.numbers(), self._locked(obj)).items():
                if self.cache.key("matte", obj, number) != key:
                    wanted.setdefault(self._index[number], {})[obj] = key
        rivals = self.objects if self.doc.exclusive else []
        wanted = dict(sorted(wanted.items()))
        yield from refine_frames(self.clip, self.cache, self._refiner(), wanted, hair, rivals)

    def render(self, obj: str, writer: Writer) -> Iterator[Progress]:
        """Write an object's mattes between in and out; yields after each file.

        Raises
        ------
        ShotError : a frame has no up-to-date matte.
        OutputError : it cannot be written.
        """
        numbers = [n for n in self.numbers() if n not in self.skipped()]
        begin = monotonic()
        with WriteBehind() as writes:
            for done, number in enumerate(numbers, 1):
                matte = self.read_matte(obj, number)
                writes.put(partial(writer.write, matte, number))
                yield Progress("export", done, len(numbers), number, monotonic() - begin, done)

    def read_matte(self, obj: str, number: int) -> Matte:
        """Return the matte of one frame.

        Raises
        ------
        ShotError : it is not there; the message says what to run.
        """
        found = self.cache.read("matte", obj, number)
        if found is None:
            raise ShotError(
                f"frame {number} of {obj!r} has no matte yet; run: trackmatte track and trackmatte refine "
                f"on {self.path}"
            )
        return Matte(self._index[number], obj, found[0])

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

    def origin(self, obj: str) -> str:
        """Return the hash of all that decides an object's mattes."""
        return self.keys.origin(obj)

    # -- inside ------------------------------------------------------------------------------------

    def _index_of(self, number: int) -> int:
        """Return the index of a source frame number."""
        if number not in self._index:
            low, high = self.clip.numbers[0], self.clip.numbers[-1]
            gap = " (it is missing there)" if low < number < high else ""
            raise PromptError(
                f"{self.clip.path} has no frame {number}{gap}; its frames run from {low} to {high}"
            )
        return self._index[number]

    def _between(self, first: int, last: int) -> list[int]:
        """Return the clip's numbers from ``first`` to ``last``."""
        low, high = self.clip.numbers[0], self.clip.numbers[-1]
        if first > last or first < low or last > high:
            raise ShotError(
                f"the range {first}-{last} does not lie in the clip, which runs from {low} to {high}"
            )
        numbers = [n for n in self.clip.numbers if first <= n <= last]
        if not numbers:
            raise ShotError(f"the clip has no frame between {first} and {last}")
        return numbers

    def _job(self, obj: str, tracker: Tracker, stale: set[int]) -> Job:
        """Return what an object needs to have the masks of the frames ``stale`` made."""
        keys = self.keys.masks(obj, self.clip.numbers, self._locked(obj))
        marks = self.prompts.marks(obj)
        return Job(
            obj,
            {self._index[n]: key for n, key in keys.items()},
            {self._index[p.frame]: p for p in self.prompts.of(obj) if p.selects},
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

    def _locked(self, obj: str) -> set[int]:
        return in_spans(self.doc.locked.get(obj, []), self.clip.numbers)

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


def _portable(path: Path, folder: Path) -> str:
    """Return a path relative to ``folder`` when it lies near, else absolute."""
    target, base = path.absolute(), folder.absolute()
    try:
        relative = Path(os.path.relpath(target, base))
    except ValueError:  # another drive
        return str(target)
    return relative.as_posix() if relative.parts.count("..") <= 3 else str(target)
