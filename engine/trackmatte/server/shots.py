"""The shots that are open: one lock each, a revision, undo, and autosave."""

from __future__ import annotations

import re
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from threading import Lock, RLock
from typing import TypeVar

import msgspec

from trackmatte.errors import ShotError, UsageError
from trackmatte.media import open_clip
from trackmatte.server.images import Images
from trackmatte.server.listing import ListedCache, limits
from trackmatte.server.refusal import Refusal
from trackmatte.server.state import clip_facts, object_states, said
from trackmatte.shot import Shot, document
from trackmatte.shot.cache import digest
from trackmatte.shot.document import PartDoc, PromptDoc, ShotDoc
from trackmatte.trackers import TRACKERS, Tracker
from trackmatte_client.protocol import messages as m

T = TypeVar("T")
OPEN = 8
"""Shots that stay open; the one that nobody asked for the longest is closed first."""
UNDO = 100
"""Edits that can be undone."""

Saved = tuple[list[PromptDoc], dict[str, list[tuple[int, int]]], tuple[int, int] | None, str, PartDoc]
Active = Callable[[str, bool], tuple[str, ...]]
"""(shot, running only) -> its jobs that wait or run."""


class OpenShot:
    """One open shot; every method may be called from any thread.

    A job works on `snapshot`, so the artist may go on while it runs: what it makes carries the hashes of the
    prompts it knew and is stale if they changed. Locks are different: they may not change under a job.
    """

    def __init__(self, name: str, shot: Shot, active: Active) -> None:
        self.name, self.shot = name, shot
        self.images = Images(shot.clip, shot.doc.source.identity, shot.cache)
        self.listed = ListedCache(shot.cache.root)
        self.lock = RLock()
        # From the clock, so that no revision of an earlier opening comes again.
        self.revision = time.time_ns() // 1_000_000
        self._active = active
        self._undo: deque[Saved] = deque(maxlen=UNDO)
        self._redo: list[Saved] = []
        self._tracker: Tracker | None = None
        self._file = _stamp(shot.path)

    def state(self) -> m.ShotState:
        """Return the shot as it is now."""
        with self.lock:
            self.follow()
            return self._state()

    def _state(self) -> m.ShotState:
        shot, doc = self.shot, self.shot.doc
        return m.ShotState(
            shot=self.name,
            path=str(shot.path),
            revision=self.revision,
            clip=clip_facts(shot),
            tracker=doc.tracker.name,
            tracker_settings=doc.tracker.settings,
            refiner=doc.refiner.name,
            refiner_settings=doc.refiner.settings,
            range=limits(shot),
            exclusive=doc.exclusive,
            steady=doc.steady,
            objects=object_states(shot, self.listed),
            prompts=tuple(said(p) for p in doc.prompts),
            select=doc.select,
            can_undo=bool(self._undo),
            can_redo=bool(self._redo),
            jobs=self._active(self.name, False),
        )

    def edit(self, revision: int, change: Callable[[Shot], T]) -> tuple[m.ShotState, T]:
        """Change the shot and save it; if either fails, nothing has changed.

        Raises
        ------
        Refusal : someone else edited it since ``revision``.
        """
        with self.lock:
            self._expect(revision)
            before = _saved(self.shot.doc)
            try:
                result = change(self.shot)
                self._save()
            except BaseException:
                _put_back(self.shot.doc, before)
                raise
            self._undo.append(before)
            self._redo.clear()
            return self._state(), result

    def undo(self, revision: int) -> m.ShotState:
        """Undo the last edit; nothing happens when there is none."""
        return self._travel(revision, self._undo, self._redo)

    def redo(self, revision: int) -> m.ShotState:
        """Redo what was undone; nothing happens when there is nothing."""
        return self._travel(revision, self._redo, self._undo)

    def _travel(
        self, revision: int, there: deque[Saved] | list[Saved], back: deque[Saved] | list[Saved]
    ) -> m.ShotState:
        with self.lock:
            self._expect(revision)
            if there:
                now = _saved(self.shot.doc)
                if there[-1][1] != now[1]:
                    self.settle()
                _put_back(self.shot.doc, there[-1])
                try:
                    self._save()
                except BaseException:
                    _put_back(self.shot.doc, now)
                    raise
                there.pop()
                back.append(now)
            return self._state()

    def settle(self) -> None:
        """Make sure that no job of this shot is running.

        Raises
        ------
        Refusal : one is.
        """
        if self._active(self.name, True):
            raise Refusal(
                "busy",
                f"a job is running on {self.shot.path}; change what is locked when it has ended",
            )

    def tracker(self) -> Tracker:
        """Return a tracker that is kept for previews."""
        with self.lock:
            part = self.shot.doc.tracker
            if self._tracker is None:
                self._tracker = TRACKERS.get(part.name)(length=self.shot.clip.length, **part.settings)
            return self._tracker

    def snapshot(self) -> Shot:
        """Return a shot of its own with the present prompts, on the same clip and cache."""
        with self.lock:
            doc = self.shot.doc
            prompts, locked, *_ = _saved(doc)
            return Shot(
                self.shot.path, msgspec.structs.replace(doc, prompts=prompts, locked=locked), self.shot.clip
            )

    def _expect(self, revision: int) -> None:
        self.follow()
        if revision != self.revision:
            raise Refusal(
                "stale",
                f"{self.shot.path} was edited elsewhere meanwhile; look at it and do it again",
                self._state(),
            )

    def _save(self) -> None:
        self.shot.save()
        self._file = _stamp(self.shot.path)
        self.revision += 1

    def follow(self) -> None:
        """Take over what another program, such as the command line, wrote into the shot file.

        Raises
        ------
        ShotError : it cannot be read any more, or is about another clip.
        """
        stamp = _stamp(self.shot.path)
        if stamp in (None, self._file):
            return
        doc = document.load(self.shot.path)
        if doc.source != self.shot.doc.source:
            raise ShotError(f"{self.shot.path} is about another clip now; close it and open it again")
        shot = Shot(self.shot.path, doc, self.shot.clip)
        for prompt in doc.prompts:
            shot.prompts.load(prompt)
        self.shot, self._file, self._tracker = shot, stamp, None
        self.revision += 1
        self._undo.clear()
        self._redo.clear()


class Shots:
    """All open shots, by name: the same file has the same name in every run of the engine."""

    def __init__(self, active: Active) -> None:
        self._active = active
        self._open: OrderedDict[str, OpenShot] = OrderedDict()
        self._lock, self._opening = Lock(), Lock()

    def create(self, request: m.CreateShot) -> OpenShot:
        """Make a shot file and open it."""
        path, _ = _absolute(request.path, "shot file"), _absolute(request.clip, "clip")
        if not 0 <= request.steady <= 1:
            raise UsageError(f"steady is {request.steady:g}; it must be from 0 to 1")
        grid = _rate(request.grid)
        if grid is not None:
            with open_clip(request.clip, on_error=request.on_error) as clip:
                grid = None if clip.shown_at(grid) else grid
        with self._opening:
            shot = Shot.new(
                path,
                request.clip,
                tracker=request.tracker,
                refiner=request.refiner,
                tracker_settings=request.tracker_settings,
                refiner_settings=request.refiner_settings,
                select=request.select,
                frames=request.range,
                on_error=request.on_error,
                grid=grid,
                input_colorspace=request.input_colorspace,
            )
            shot.doc.exclusive, shot.doc.steady = request.exclusive, request.steady
            try:
                shot.save()
            except BaseException:
                shot.close()
                raise
            self._drop(_name(path))
            return self._enter(shot)

    def open(self, request: m.OpenShot) -> OpenShot:
        """Open a shot file, or find it open."""
        path, grid = _absolute(request.path, "shot file"), _rate(request.grid)
        opened = self._find(path)
        if opened is None:  # what is open is found whatever another clip takes to open
            with self._opening:
                opened = self._find(path) or self._enter(Shot.open(path))
        if grid is not None and not opened.shot.clip.shown_at(grid):
            raise ShotError(
                f"{path} counts other frames of its movie than a host at {float(grid):g} fps shows; "
                "make a new shot"
            )
        return opened

    def _find(self, path: Path) -> OpenShot | None:
        """Return the shot of a file, where it is open and the file is still there."""
        name = _name(path)
        with self._lock:
            if name not in self._open or not path.exists():
                return None
            self._open.move_to_end(name)
            return self._open[name]

    def take(self, shot: Shot) -> OpenShot:
        """Enter a shot, saved already, in place of what was open of its file."""
        with self._opening:
            with self._lock:
                before = self._open.get(_name(shot.path))
            self._drop(_name(shot.path))
            opened = self._enter(shot)
            if before is not None:
                opened.listed.adopt(before.listed)
            return opened

    def get(self, name: str) -> OpenShot:
        """Return an open shot.

        Raises
        ------
        Refusal : there is none of that name.
        """
        with self._lock:
            if name not in self._open:
                raise Refusal("not_found", f"the engine has no shot {name} open; open its file again")
            self._open.move_to_end(name)
            return self._open[name]

    def list(self) -> m.ShotList:
        """Return what is open."""
        with self._lock:
            return m.ShotList(tuple(self._open), tuple(str(o.shot.path) for o in self._open.values()))

    def close(self, name: str) -> None:
        """Close a shot.

        Raises
        ------
        Refusal : it is not open, or a job needs it.
        """
        self.get(name)
        if self._active(name, False):
            raise Refusal("busy", f"a job of the shot {name} waits or runs; cancel it first")
        self._drop(name)

    def close_all(self) -> None:
        """Close all shots."""
        for name in list(self._open):
            self._drop(name)

    def _enter(self, shot: Shot) -> OpenShot:
        opened = OpenShot(_name(shot.path), shot, self._active)
        with self._lock:
            self._open[opened.name] = opened
            idle = [n for n in self._open if n != opened.name and not self._active(n, False)]
            spare = idle[: max(0, len(self._open) - OPEN)]
        for name in spare:
            self._drop(name)
        return opened

    def _drop(self, name: str) -> None:
        with self._lock:
            dropped = self._open.pop(name, None)
        if dropped is not None:
            with dropped.lock:
                dropped.shot.close()


def _absolute(text: str, what: str) -> Path:
    path = Path(text)
    if "\0" in text or not path.is_absolute():
        raise UsageError(
            f"{text!r} is not the absolute path of a {what}; the engine has no folder of its own"
        )
    return path


def _rate(text: str | None) -> Fraction | None:
    """Return a grid's frames per second."""
    if text is None:
        return None
    if not re.fullmatch(r"[1-9]\d{0,5}(/[1-9]\d{0,5})?", text) or not 1 <= Fraction(text) <= 1000:
        raise UsageError(f"{text!r} is no grid; give 1 to 1000 frames per second, such as 25 or 24000/1001")
    return Fraction(text)


def _name(path: Path) -> str:
    return digest(str(path.resolve()))[:12]


def _saved(doc: ShotDoc) -> Saved:
    """Return what edits change; entries themselves are replaced, never changed."""
    locked = {o: list(s) for o, s in doc.locked.items()}
    return list(doc.prompts), locked, doc.range, doc.select, doc.refiner


def _put_back(doc: ShotDoc, saved: Saved) -> None:
    prompts, locked, doc.range, doc.select, doc.refiner = saved
    doc.prompts, doc.locked = list(prompts), {o: list(s) for o, s in locked.items()}


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
