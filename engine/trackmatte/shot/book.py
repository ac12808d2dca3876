"""What a shot is and what is said about it: its file, its clip, its frames, its prompts and locks."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Self

from trackmatte.errors import OutputError, PromptError, ShotError
from trackmatte.matte import Matte
from trackmatte.media import FrameSource, open_clip
from trackmatte.prompt import Prompt
from trackmatte.refiners import REFINERS
from trackmatte.refiners.choose import choose_refiner
from trackmatte.shot import document
from trackmatte.shot.cache import FrameCache, Stage, digest
from trackmatte.shot.contents import contents_of
from trackmatte.shot.document import PartDoc, ShotDoc, SourceDoc
from trackmatte.shot.keys import Keys
from trackmatte.shot.prompts import PromptBook, summary
from trackmatte.shot.selecting import AUTO, Selector, selector_named
from trackmatte.shot.spans import in_spans, join_spans
from trackmatte.timecode import Timecode
from trackmatte.trackers import TRACKERS
from trackmatte.trackers.choose import choose_tracker

GROWING = "growing"
"""Identity of a clip whose frames each have their own."""


class ShotBook:
    """The part of a `Shot` that computes nothing."""

    def __init__(self, path: Path, doc: ShotDoc, clip: FrameSource) -> None:
        self.path, self.doc, self.clip = path, doc, clip
        self.cache = FrameCache(path.with_name(path.name.removesuffix(document.SUFFIX) + ".shot"))
        self._index = {number: index for index, number in enumerate(clip.numbers)}
        self.prompts = PromptBook(doc, path.parent, self.cache.root / "prompts", clip.size)
        contents = contents_of(clip) if doc.growing else None
        self.keys = Keys(doc, self.prompts, self.cache, clip.colour, contents)
        self._fresh = False
        self.changed: dict[str, set[int]] = {}
        """Object -> source numbers of the masks that the last `track` changed."""

    @classmethod
    def new(
        cls,
        path: str | os.PathLike[str],
        clip: str | os.PathLike[str],
        *,
        tracker: str = "auto",
        refiner: str = "auto",
        tracker_settings: dict[str, Any] | None = None,
        refiner_settings: dict[str, Any] | None = None,
        select: str = AUTO,
        frames: tuple[int, int] | None = None,
        input_colorspace: str | None = None,
        handles: int = 0,
        grid: Fraction | None = None,
        on_error: Literal["stop", "skip"] = "stop",
        growing: bool = False,
    ) -> Self:
        """Make a shot for a clip; nothing is on disk before `save`.

        Parameters
        ----------
        path : the shot file to be, ``something.shot.json``.
        clip : movie, folder of images, or sequence pattern.
        tracker, refiner : registered names; ``auto`` takes the best one that can run here.
        tracker_settings, refiner_settings : what they are made with; see their classes.
        select : selector that makes masks of prompts; ``auto`` = the tracker's own way.
        frames : in and out, inclusive source numbers; None = the whole clip.
        input_colorspace : what the plate's code values mean; None = as its tags say.
        handles : frames worked on beyond in and out, at both sides.
        grid : read a movie as a host with this constant frame rate shows it; None = its stored frames.
        on_error : at a frame that cannot be decoded, stop or leave it out.
        growing : the clip is a sequence whose files may become more and change.

        Raises
        ------
        ShotError : the file is not named ``.shot.json``, or the range is not in the clip.
        UsageError : no such tracker, refiner, selector, setting or colour space.
        MissingPartError : the tracker needs a package or weights that are not there.
        ClipError : the clip cannot be opened.
        """
        path = Path(path)
        if not path.name.endswith(document.SUFFIX):
            raise ShotError(f"{path} must end in {document.SUFFIX}")
        if tracker == "auto":
            tracker, _ = choose_tracker()
        if refiner == "auto":
            refiner, _ = choose_refiner()
        selector_named(select)
        tracker_settings = TRACKERS.get(tracker).settle(tracker_settings or {})
        refiner_settings = REFINERS.get(refiner).settle(refiner_settings or {})
        source = open_clip(clip, input_colorspace, on_error=on_error, grid=grid)
        width, height = source.size
        doc = ShotDoc(
            format="trackmatte-shot",
            version=document.VERSION,
            source=SourceDoc(
                path=_portable(Path(clip), path.parent),
                identity=GROWING if growing else source.identity(),
                width=width,
                height=height,
                first=source.numbers[0],
                last=source.numbers[-1],
            ),
            tracker=PartDoc(tracker, tracker_settings),
            refiner=PartDoc(refiner, refiner_settings),
            select=select,
            input_colorspace=input_colorspace,
            grid=None if grid is None else str(grid),
            on_error=on_error,
            growing=growing,
        )
        shot = cls(path, doc, source)
        shot._fresh = True
        try:
            if frames is not None:
                shot.set_range(*frames)
            shot.set_handles(handles)
        except ShotError:
            shot.close()
            raise
        return shot

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open a shot file.

        Raises
        ------
        ShotError : the file is missing, damaged, newer, or its clip changed since it was made.
        ClipError : the clip cannot be opened.
        UsageError : its colour space is not in the OpenColorIO configuration here.
        """
        path = Path(path)
        doc = document.load(path)
        grid = None if doc.grid is None else Fraction(doc.grid)
        clip = open_clip(
            path.parent / doc.source.path, doc.input_colorspace, on_error=doc.on_error, grid=grid
        )
        if not doc.growing and clip.identity() != doc.source.identity:
            clip.close()
            raise ShotError(
                f"{doc.source.path} is not the clip that {path} was made from (its content or the grid "
                "changed); restore it, or make a new shot"
            )
        shot = cls(path, doc, clip)
        try:
            TRACKERS.get(doc.tracker.name), REFINERS.get(doc.refiner.name)
            for name in {doc.select, *(p.select for p in doc.prompts if p.select)}:
                selector_named(name)
            if doc.range is not None:
                shot.set_range(*doc.range)
            for prompt in doc.prompts:
                shot.index_of(prompt.frame)
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def objects(self) -> list[str]:
        """Names of the objects, in order of first prompt in the file."""
        return self.prompts.objects

    def selector(self, prompt: Prompt) -> Selector:
        """Return the selector that makes a mask of a prompt."""
        return selector_named(prompt.select or self.doc.select)

    @property
    def cut(self) -> tuple[int, int]:
        """In and out, inclusive source numbers, without handles."""
        return self.doc.range or (self.clip.numbers[0], self.clip.numbers[-1])

    @property
    def known(self) -> Collection[int]:
        """Source numbers of the clip's frames, quick to look one up in."""
        return self._index.keys()

    def set_range(self, first: int, last: int) -> None:
        """Set in and out, inclusive source numbers.

        Raises
        ------
        ShotError : they do not lie in the clip.
        """
        self._between(first, last)
        self.doc.range = (first, last)

    def set_methods(
        self,
        select: str | None = None,
        refiner: str | None = None,
        refiner_settings: dict[str, Any] | None = None,
    ) -> None:
        """Set the selector of prompts that name none, and the refiner; None = it stays.

        Raises
        ------
        UsageError : there is no such selector, refiner or setting.
        MissingPartError : the refiner needs a package or weights that are not there.
        """
        if refiner == "auto":
            refiner, _ = choose_refiner()
        if refiner is not None:
            part = PartDoc(refiner, REFINERS.get(refiner).settle(refiner_settings or {}))
        if select is not None:
            self.doc.select = selector_named(select).name
        if refiner is not None:
            self.doc.refiner = part

    def set_handles(self, count: int) -> None:
        """Set how many frames are worked on beyond in and out, at both sides, as far as the clip goes.

        Raises
        ------
        ShotError : they are fewer than none.
        """
        if count < 0:
            raise ShotError(f"handles of {count} frames cannot be meant; give 0 or more")
        self.doc.handles = count

    def numbers(self, *, handles: bool = True) -> list[int]:
        """Source numbers of the frames from in to out and, unless asked otherwise, of the handles."""
        (first, last), more = self.cut, self.doc.handles if handles else 0
        return [n for n in self.clip.numbers if first - more <= n <= last + more]

    def short_handles(self) -> tuple[int, int]:
        """Return how many frames the handles lack (before in, after out) because the clip ends there."""
        (first, last), low, high = self.cut, self.clip.numbers[0], self.clip.numbers[-1]
        return max(0, low - first + self.doc.handles), max(0, last + self.doc.handles - high)

    def skipped(self) -> set[int]:
        """Source numbers of the frames found undecodable so far and left out (``on_error="skip"``)."""
        return self.cache.load_skipped() | {self.clip.numbers[i] for i in self.clip.skipped}

    def read_matte(self, obj: str, number: int) -> Matte:
        """Return the matte of one frame.

        Raises
        ------
        ShotError : it is not there; the message says what to run.
        """
        found = self.cache.read(self._finished, obj, number)
        if found is None:
            there = self.cache.root.is_dir()
            lost = "" if there else f" ({self.cache.root} is not there: if it was, bring it back)"
            raise ShotError(
                f"frame {number} of {obj!r} has no matte yet; run: trackmatte track and trackmatte refine "
                f"on {self.path}{lost}"
            )
        return Matte(self._index[number], obj, found[0])

    def matte_key(self, obj: str, number: int) -> str | None:
        """Return the hash of all that made the matte of one frame, or None when there is none."""
        return self.cache.key(self._finished, obj, number)

    def matte_file(self, obj: str, number: int) -> Path:
        """Return where the matte of one frame lies, or will."""
        return self.cache.path(self._finished, obj, number)

    @property
    def _finished(self) -> Stage:
        return "steady" if self.doc.steady else "matte"

    def origin(self, obj: str) -> str:
        """Return the hash of all that decides an object's mattes."""
        return self.keys.origin(obj)

    def timecode(self, number: int) -> Timecode | None:
        """Return the label of a frame, if the clip has any."""
        start = self.clip.timecode
        return start and start.advanced(number - self.clip.first_number)

    def facts(self, objects: Sequence[str]) -> dict[str, str]:
        """Return what made the mattes of some objects, in words, for the files that are delivered."""

        def part(doc: PartDoc) -> str:
            return " ".join([doc.name, *(f"{k}={v}" for k, v in sorted(doc.settings.items()))])

        said = [f"{p.object}@{p.frame}: {summary(p)}" for o in objects for p in self.prompts.of(o)]
        return {
            "objects": ", ".join(objects),
            "shot": digest(*(self.origin(o) for o in objects)),
            "tracker": part(self.doc.tracker),
            "refiner": part(self.doc.refiner),
            "prompts": "; ".join(said),
        }

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

    def index_of(self, number: int) -> int:
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

    def _locked(self, obj: str) -> set[int]:
        return in_spans(self.doc.locked.get(obj, []), self.clip.numbers)


def _portable(path: Path, folder: Path) -> str:
    """Return a path relative to ``folder`` when it lies near, else absolute."""
    target, base = path.absolute(), folder.absolute()
    try:
        relative = Path(os.path.relpath(target, base))
    except ValueError:  # another drive
        return str(target)
    return relative.as_posix() if relative.parts.count("..") <= 3 else str(target)
