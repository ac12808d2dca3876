"""A pass that a plugin asked for and waits for."""

from __future__ import annotations

from pathlib import Path

from trackmatte.errors import PromptError, ShotError
from trackmatte.server import work
from trackmatte.server.engine import Engine
from trackmatte.server.jobs import ENDED, Job
from trackmatte.server.ofx.mattes import Counted, doubtful_frames
from trackmatte.server.ofx.messages import Done, Error, Kind, Progress, Refine, Track
from trackmatte.server.ofx.session import Session
from trackmatte.server.ofx.wire import Line, Malformed
from trackmatte.server.shots import OpenShot
from trackmatte_client.protocol.events import NoteEvent, ProgressEvent
from trackmatte_client.protocol.messages import TrackFrames

LOOK = 0.03
"""Seconds between two looks into the log of a job."""


class Runs:
    """The passes of all connections, in the engine's one queue of jobs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ranges: dict[str, tuple[Path, int, int]] = {}

    def covers(self, opened: OpenShot, key: int) -> bool:
        """Whether a job that waits or runs may be about to write a frame of a shot."""
        for name in self._engine.jobs.active(opened.name):
            _, first, last = self._ranges.get(name, (None, key, key))
            if first <= key <= last:
                return True
        return False

    def run(self, line: Line, session: Session, asked: Track | Refine) -> tuple[Kind, Done | Error]:
        """Do a pass, telling where it is, and return how it ended.

        Raises
        ------
        ShotError : the clip has none of the frames.
        PromptError : nothing is selected in the frames there are.
        Gone, Malformed : the plugin closed, or sent something else than CANCEL; the pass is cancelled.
        """
        opened = session.sync(thorough=True)
        if opened is None:
            raise ShotError("no frame was sent yet; send the frames before you track them")
        first, last = _within(opened, asked)
        lacking = session.unmet(opened)
        if not opened.shot.objects and lacking:
            raise PromptError(
                f"the engine has no frame {lacking[0]}, where the subject was marked; "
                "let the range hold a frame with a point or a box"
            )
        track = isinstance(asked, Track)
        if isinstance(asked, Track):
            todo = work.track(opened, TrackFrames((first, last), direction=asked.dir))
        else:
            todo = work.matte(opened, (first, last))
        state = self._engine.jobs.start(opened.name, "track" if track else "matte", todo)
        job = self._engine.jobs.get(state.job)
        self._ranges[job.name] = opened.shot.path, first, last
        try:
            notes = _follow(line, job)
        finally:
            job.cancel()  # nothing, where it has ended
            del self._ranges[job.name]
        if job.status == "cancelled":
            return Kind.ERROR, Error("cancelled", "it was stopped; what was finished is kept")
        if (error := job.state.error) is not None:
            return Kind.ERROR, Error(error.code, error.message)
        counted = Counted(opened, first, last)
        ready = counted.tracked if track else counted.matted
        return Kind.DONE, Done(len(ready), doubtful_frames(opened, first, last), " ".join(notes))


def _within(opened: OpenShot, asked: Track | Refine) -> tuple[int, int]:
    """Return the first and the last frame that are both asked for and there."""
    numbers = opened.shot.clip.numbers
    found = [n for n in (numbers[0], numbers[-1]) if asked.first <= n <= asked.last]
    inside = numbers if len(found) == 2 else [n for n in numbers if asked.first <= n <= asked.last]
    if not inside:
        raise ShotError(
            f"the engine has the frames {numbers[0]} to {numbers[-1]} and none from {asked.first} to "
            f"{asked.last}; check the range and the frame offset"
        )
    return inside[0], inside[-1]


def _follow(line: Line, job: Job) -> list[str]:
    """Tell of a job until it ends; return what it had to say."""
    after, notes = 0, []
    while True:
        ended = job.status in ENDED
        latest = None
        for event in job.since(after):
            after = getattr(event, "seq", after)
            if isinstance(event, ProgressEvent):
                latest = event
            elif isinstance(event, NoteEvent):
                notes.append(event.message)
        # The newest is enough, and a plugin that is busy elsewhere need not take any.
        if latest is not None and line.ready_to_send():
            stage = "track" if latest.stage == "track" else "matte"
            line.send(Kind.PROGRESS, Progress(stage, latest.done, latest.of, latest.frame, latest.note))  # type: ignore[arg-type]
        if ended:
            return notes
        if line.wait(LOOK):
            _heed(line, job)


def _heed(line: Line, job: Job) -> None:
    """Take what a plugin sends while a job runs."""
    mine = line.req
    message = line.receive(0)
    asked, line.req = line.req, mine
    message.close()
    if message.kind is not Kind.CANCEL:
        raise Malformed("only CANCEL may be sent while a TRACK or REFINE runs")
    if asked == mine:
        job.cancel()
