"""What a command tells: a progress bar for people, events for programs, or nothing."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from trackmatte.progress import Progress


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

        The first Ctrl-C lets the frame in hand finish and then raises KeyboardInterrupt, with
        everything finished so far on disk; the second raises at once.
        """
        noted = []
        with _gentle_interrupt() as interrupted, self._bars() as bars:
            task = None
            for p in steps:
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
                if p.note:
                    noted.append(p)
                if bars is not None:
                    if task is None:
                        task = bars.add_task(p.stage, total=p.total, fps=0.0, frame=p.frame)
                    bars.update(task, completed=p.done, fps=p.fps, frame=p.frame)
                if interrupted:
                    steps.close()  # type: ignore[attr-defined]
                    raise KeyboardInterrupt
        return noted

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
def _gentle_interrupt() -> Iterator[list[bool]]:
    """Turn the first SIGINT into an entry of the yielded list; the second one raises."""
    seen: list[bool] = []

    def handle(_signal: int, _frame: FrameType | None) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(True)

    old = signal.signal(signal.SIGINT, handle)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, old)
