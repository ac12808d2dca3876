"""What a node has running and what is known of its shot; lives on the main thread."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .model import Node, NodeError, NodeState
from .trackmatte_client import engine
from .work import Outcome, Progress, Request, Work, gathered

if TYPE_CHECKING:
    from collections.abc import Callable

    from .trackmatte_client.protocol import messages as m

LABELS = {"track": "Track", "matte": "Matte", "places": "Doubtful frames"}
SILENT = "the engine does not answer"


@dataclass(frozen=True)
class Status:
    """How a node's work stands, for people."""

    doing: str = ""
    """``track``, ``matte`` or ``places``; empty = nothing runs."""
    progress: Progress = Progress()  # noqa: RUF009 (frozen)
    stopping: bool = False
    lines: tuple[str, ...] = ()
    """What was said last, in sentences."""
    bad: bool = False
    """Whether `lines` are bad news."""

    def text(self) -> str:
        """Return one line: how far it is, or what was said last."""
        if not self.doing:
            return self.lines[0] if self.lines else ""
        said = f"{LABELS[self.doing]}: {self.progress.text}"
        if self.progress.silent:
            return f"{LABELS[self.doing]}: {SILENT}"
        if self.stopping:
            return f"{LABELS[self.doing]}: stopping after the frame in hand"
        return ", ".join([said, *pace(self.progress)])


class Session:
    """Track, Matte and Stop of one node.

    Attributes
    ----------
    listeners : called on the main thread whenever `status`, `shot` or `places` changed.
    shot : the shot as the engine had it last; None = not asked yet.
    places : the doubtful places, most doubtful first; None = not asked yet.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.status = Status()
        self.shot: m.ShotState | None = None
        self.places: tuple[m.Place, ...] | None = None
        self.claim = ""
        """The shot file that is this node's; a copied node must begin one of its own."""
        self.listeners: list[Callable[[], None]] = []
        self._work: Work | None = None
        self._posted = threading.Event()
        self._closed = threading.Event()

    @property
    def busy(self) -> bool:
        """Whether something runs."""
        return self._work is not None

    def track(self, direction: str = "both") -> bool:
        """Carry the points through the clip; return whether it began."""
        return self._begin("track", direction)

    def matte(self) -> bool:
        """Track what is missing, refine it and bring the result into the script; return whether it began."""
        return self._begin("matte")

    def find_places(self) -> bool:
        """List the doubtful frames; return whether it began."""
        return self._begin("places")

    def stop(self) -> None:
        """Stop after the frame in hand, or give an engine up that does not answer; what is finished stays."""
        work = self._work
        if work is None:
            return
        work.stop()
        if not work.progress.silent:
            self._set(replace(self.status, stopping=True))
            return
        self._work = None  # its thread ends when the engine answers, or its patience does
        label = LABELS[work.request.doing]
        self._set(Status(lines=(f"{label} given up: {engine.unanswered(work.process)}",), bad=True))

    def close(self) -> None:
        """Stop for good and say nothing more; the thread ends by itself."""
        self._closed.set()
        self.listeners.clear()
        if self._work is not None:
            self._work.stop()

    def _begin(self, doing: str, direction: str = "both") -> bool:
        if self._work is not None:
            return False
        try:
            state = self.node.read() if doing == "places" else self.node.ready()
        except NodeError as e:
            self._set(Status(lines=(str(e),), bad=True))
            return False
        others = taken(self)
        if state.settings.shot not in others:
            self.claim = state.settings.shot
        request = Request(doing, state, direction, tuple(others))
        self._set(Status(doing, Progress("starting")))
        self._work = Work(request, self._news, self._wanted)
        return True

    def _wanted(self) -> bool:
        """Whether anyone still wants the result; asked on the work's thread."""
        return not self._closed.is_set() and self.node.alive()

    def _news(self) -> None:
        """Look at the work soon, on the main thread; one look is on its way at most."""
        if self._posted.is_set() or not self._wanted():
            return
        self._posted.set()
        try:
            self.node.on_main_thread(self._look)
        except RuntimeError:  # the host is going
            self._posted.clear()

    def _look(self) -> None:
        self._posted.clear()
        work = self._work
        if work is None or not self._wanted():
            return
        if not work.finished:
            shot = work.outcome.shot
            if shot is not None and (self.shot is None or shot.path != self.claim):
                self._know(shot)
            self._set(replace(self.status, progress=work.progress))
            return
        self._work = None
        try:
            lines, bad = self._take(work.request, work.outcome)
        except Exception as e:  # a node that cannot take it must not lose the news
            lines, bad = [f"the result could not be brought into the script: {e}"], True
        self._set(Status(lines=tuple(dict.fromkeys(n for n in lines if n)), bad=bad))

    def _know(self, shot: m.ShotState) -> None:
        """Remember the shot, here and on the node."""
        self.shot, self.claim = shot, shot.path
        now = self.node.read()
        if now.settings.shot != shot.path:
            self.node.set_settings(replace(now.settings, shot=shot.path))

    def _take(self, request: Request, outcome: Outcome) -> tuple[list[str], bool]:
        """Take over what came of it; return what to say and whether it is bad."""
        if outcome.shot is not None:
            self._know(outcome.shot)
        if outcome.places is not None:
            self.places = outcome.places
        label = LABELS[request.doing]
        if outcome.cancelled:
            return [f"{label} stopped; what is finished is kept"], False
        if outcome.error:
            return [outcome.error, *outcome.notes], True
        lines = self.node.deliver(tuple(outcome.results)) if outcome.results else []
        if request.doing == "matte" and not outcome.results:
            lines.append("nothing was delivered: no frame between in and out has a mask")
        if request.doing == "track":
            lines.append("tracked")
        return [*lines, *self._doubts(), *changes(request.node, self.node.read()), *outcome.notes], False

    def _doubts(self) -> list[str]:
        count = len(self.places or ())
        if not count:
            return ["no frame is in doubt"]
        return [f"{count} place{' needs' if count == 1 else 's need'} you: see Doubtful frames"]

    def _set(self, status: Status) -> None:
        self.status = status
        if self.node.alive():
            self.node.say(status.text())
        for listener in list(self.listeners):
            listener()


_sessions: dict[Node, Session] = {}


def of(node: Node) -> Session:
    """Return the session of a node; on the main thread."""
    for other in [n for n in _sessions if not n.alive()]:
        _sessions.pop(other).close()
    return _sessions.setdefault(node, Session(node))


def taken(session: Session) -> list[str]:
    """Return the shot files of all other nodes."""
    return [s.claim for s in _sessions.values() if s is not session and s.claim and s.node.alive()]


def close_all() -> None:
    """Close every session, as when another script is opened."""
    while _sessions:
        _sessions.popitem()[1].close()


def changes(before: NodeState, now: NodeState) -> list[str]:
    """Return what the artist changed while something ran and what to do about it."""
    if gathered(before) != gathered(now) or before.range != now.range:
        return ["points or in and out changed meanwhile: run it again to take them in"]
    return []


def pace(progress: Progress) -> list[str]:
    """Return speed and time to go, in words."""
    said = [f"{progress.fps:.1f} fps"] if progress.fps else []
    if progress.eta:
        minutes, seconds = divmod(round(progress.eta), 60)
        said.append(f"{minutes}:{seconds:02d} left" if minutes else f"{seconds} s left")
    return said
