"""Long work: one job at a time, each with a log of events that outlives whoever listens."""

from __future__ import annotations

import queue
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from threading import Lock, Thread
from typing import Literal

from trackmatte.progress import Progress
from trackmatte.server.refusal import Refusal, error_of
from trackmatte_client.protocol.events import ErrorEvent, Event, ProgressEvent, StateEvent
from trackmatte_client.protocol.messages import Error, JobState, JobStatus

Kind = Literal["track", "matte", "export", "layers"]
Work = Callable[["Job"], None]
PROGRESS, OTHERS = 500, 1000
"""Events that a job's log keeps: of progress, which the next one replaces, and of everything else."""
KEPT = 100
"""Jobs that ended and can still be asked about."""
ENDED = ("done", "failed", "cancelled")


class Cancelled(Exception):  # noqa: N818
    """Someone wants the job to end."""


class Job:
    """One piece of work and what it told."""

    def __init__(self, shot: str, kind: Kind, work: Work) -> None:
        self.name, self.shot, self.kind, self.work = secrets.token_hex(6), shot, kind, work
        self.status: JobStatus = "queued"
        self._error: Error | None = None
        self._seq = 0
        self._progress: deque[ProgressEvent] = deque(maxlen=PROGRESS)
        self._others: deque[Event] = deque(maxlen=OTHERS)
        self._lock = Lock()
        self._stop = False
        self.enter("queued")

    @property
    def state(self) -> JobState:
        """The job as it is now."""
        return JobState(self.name, self.shot, self.kind, self.status, self._seq, self._error)

    def tell(self, make: Callable[[int], Event]) -> None:
        """Add an event; ``make`` gets its number."""
        with self._lock:
            self._tell(make)

    def _tell(self, make: Callable[[int], Event]) -> None:
        self._seq += 1
        event = make(self._seq)
        if isinstance(event, ProgressEvent):
            self._progress.append(event)
        else:
            self._others.append(event)

    def since(self, after: int) -> list[Event]:
        """Return the events with numbers above ``after`` that the log still has."""
        with self._lock:
            if after >= self._seq:
                return []
            known = [*self._progress, *self._others]
        news = [e for e in known if getattr(e, "seq", 0) > after]
        return sorted(news, key=lambda e: getattr(e, "seq", 0))

    def enter(self, status: JobStatus, error: Error | None = None) -> bool:
        """Go into a state; return False when the job ended already."""
        with self._lock:
            if self.status in ENDED:
                return False
            self.status, self._error = status, error
            if error is not None:
                self._tell(lambda seq: ErrorEvent(seq, error))
            state = JobState(self.name, self.shot, self.kind, status, self._seq + 1, error)
            self._tell(lambda seq: StateEvent(seq, state))
            return True

    def cancel(self) -> None:
        """Stop after the frame in hand, or a step of it where one takes long, or do not begin."""
        self._stop = True
        if self.status == "queued":
            self.enter("cancelled")

    def follow(self, steps: Iterator[Progress]) -> None:
        """Run a pass, telling where it is.

        Raises
        ------
        Cancelled : someone cancelled; everything finished so far is on disk.
        """
        try:
            for p in steps:
                self.at(p)
        finally:
            steps.close()  # type: ignore[attr-defined]

    def at(self, p: Progress) -> None:
        """Tell where the work is, and raise `Cancelled` if someone cancelled."""
        fps, eta = round(p.fps, 3), round(p.eta, 1)
        self.tell(lambda seq: ProgressEvent(seq, p.stage, p.frame, p.done, p.total, fps, eta, p.note))
        self.check()

    def check(self) -> None:
        """Raise `Cancelled` if someone cancelled."""
        if self._stop:
            raise Cancelled

    def run(self) -> None:
        """Do the work and say how it ended."""
        work, self.work = self.work, _over
        if not self.enter("running"):
            return
        try:
            self.check()
            work(self)
        except Cancelled:
            self.enter("cancelled")
        except Exception as e:
            self.enter("failed", error_of(e))
        else:
            self.enter("done")


def _over(_: Job) -> None:
    """What a job has to do once it began: nothing, so that it no longer holds a shot and its frames."""


class Jobs:
    """All jobs; they run one after the other, since there is one device."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._lock = Lock()
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._worker = Thread(target=self._run, name="trackmatte jobs", daemon=True)
        self._worker.start()

    def start(self, shot: str, kind: Kind, work: Work) -> JobState:
        """Queue a job."""
        job = Job(shot, kind, work)
        with self._lock:
            self._jobs[job.name] = job
            ended = [name for name, j in self._jobs.items() if j.status in ENDED]
            for name in ended[: max(0, len(ended) - KEPT)]:
                del self._jobs[name]
        self._queue.put(job)
        return job.state

    def get(self, name: str) -> Job:
        """Return a job.

        Raises
        ------
        Refusal : there is none of that name.
        """
        with self._lock:
            if name not in self._jobs:
                raise Refusal(
                    "not_found", f"the engine knows no job {name}; it may have been started again since"
                )
            return self._jobs[name]

    def all(self) -> list[Job]:
        """Return all jobs, oldest first."""
        with self._lock:
            return list(self._jobs.values())

    def active(self, shot: str | None = None, running: bool = False) -> tuple[str, ...]:
        """Return the jobs, of one shot or all, that wait or run, or that run."""
        states = ("running",) if running else ("queued", "running")
        return tuple(j.name for j in self.all() if j.status in states and shot in (None, j.shot))

    def stop(self, seconds: float) -> None:
        """Cancel everything and wait until the frame in hand is finished."""
        for job in self.all():
            job.cancel()
        self._queue.put(None)
        self._worker.join(seconds)

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            job.run()
