"""What a command tells: a progress bar for people, events for programs, or nothing."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from trackmatte.progress import Progress


class Terminated(KeyboardInterrupt):
    """A SIGTERM, treated like Ctrl-C."""


class Report:
    """Speaks to the user in one of three ways.

    Parameters
    ----------
    json_events : one JSON object a line on standard output.
    quiet : say nothing but errors.
    """

    def __init__(self, *, json_events: bool = False, quiet: bool = False) -> None:
        self.json, self.quiet = json_events, quiet
        self.console = Console(stderr=True, highlight=False)

    def event(self, kind: str, **what: Any) -> None:
        """Send an event to a program, or nothing."""
        if self.json:
            print(json.dumps({"event": kind, **what}, ensure_ascii=False), flush=True)

    def say(self, text: str) -> None:
        """Tell a person something."""
        if not (self.json or self.quiet):
            self.console.print(text, soft_wrap=True, markup=False)

    def note(self, text: str) -> None:
        """Tell something that needs attention but stops nothing."""
        self.event("note", message=text)
        self.say(f"note: {text}")

    def error(self, text: str, code: int) -> None:
        """Tell why the command failed."""
        if self.json:
            self.event("error", message=text, code=code)
        else:
            print(f"trackmatte: {text}", file=sys.stderr)

    def follow(self, steps: Iterator[Progress]) -> list[Progress]:
        """Run a pass to its end, showing where it is; return the steps that carried a note.

        The first Ctrl-C or SIGTERM lets the frame in hand finish and then raises KeyboardInterrupt or
        Terminated, with everything finished so far on disk; the second raises at once.
        """
        noted = []
        with self.watching() as tell:
            for p in steps:
                if p.note:
                    noted.append(p)
                try:
                    tell(p)
                except KeyboardInterrupt:
                    steps.close()  # type: ignore[attr-defined]
                    raise
        return noted

    @contextmanager
    def watching(self) -> Iterator[Callable[[Progress], None]]:
        """Yield what shows where a piece of work is.

        After the first Ctrl-C or SIGTERM it raises KeyboardInterrupt or Terminated when it is next called;
        the second signal raises at once.
        """
        with _gentle_interrupt() as interrupted, self._bars() as bars:
            task: TaskID | None = None

            def tell(p: Progress) -> None:
                nonlocal task
                self.event(
                    "progress",
                    stage=p.stage,
                    frame=p.frame,
                    done=p.done,
                    total=p.total,
                    fps=round(p.fps, 3),
                    eta=round(p.eta, 1),
                    **({"note": p.note} if p.note else {}),
                )
                if bars is not None:
                    if task is None:
                        task = bars.add_task(p.stage, total=p.total, fps=0.0, frame=p.frame)
                    bars.update(task, completed=p.done, fps=p.fps, frame=p.frame)
                if interrupted:
                    raise interrupted[0]

            yield tell

    @contextmanager
    def _bars(self) -> Iterator[Bars | None]:
        if self.json or self.quiet:
            yield None
            return
        with Bars(
            TextColumn("{task.description:>7}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("frame {task.fields[frame]}"),
            TextColumn("{task.fields[fps]:.1f} fps"),
            TimeRemainingColumn(),
            console=self.console,
        ) as bars:
            yield bars


@contextmanager
def _gentle_interrupt() -> Iterator[list[type[KeyboardInterrupt]]]:
    """Turn the first SIGINT or SIGTERM into an entry of the yielded list; the second one raises."""
    seen: list[type[KeyboardInterrupt]] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        kind = Terminated if number == signal.SIGTERM else KeyboardInterrupt
        if seen:
            raise kind
        seen.append(kind)

    with handling(handle, signal.SIGINT, signal.SIGTERM):
        yield seen


@contextmanager
def terminating() -> Iterator[None]:
    """Raise Terminated at a SIGTERM, so that everything is closed in order."""

    def handle(_signal: int, _frame: FrameType | None) -> None:
        raise Terminated

    with handling(handle, signal.SIGTERM):
        yield


@contextmanager
def handling(handle: Callable[[int, FrameType | None], None], *signals: signal.Signals) -> Iterator[None]:
    """Let ``handle`` take some signals; only the main thread can, elsewhere they stay as they are."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old = {s: signal.signal(s, handle) for s in signals}
    try:
        yield
    finally:
        for s, before in old.items():
            signal.signal(s, before)
