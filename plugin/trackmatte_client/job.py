"""A running job as a host sees it: events that it polls on its main thread."""

from __future__ import annotations

import queue
import threading
import time

from .client import Client
from .errors import EngineDied, EngineError
from .protocol.events import ErrorEvent, Event, Heartbeat, StateEvent
from .protocol.messages import Error, JobState

ENDED = ("done", "failed", "cancelled")
PATIENCE = 3
"""Times that a broken stream is taken up again without a new event in between."""


class Job:
    """Follows a job of the engine on a thread of its own.

    The host calls `poll` from a timer on its main thread. The job runs in the engine whether or not it is
    followed: `close` only stops following, and another ``Job(client, id)`` takes it up again.

    Parameters
    ----------
    after : number of the last event that is known already.
    """

    def __init__(self, client: Client, job: str, *, after: int = 0) -> None:
        self.client, self.job = client, job
        self.state: JobState | None = None
        """As of the last event polled."""
        self.error: EngineError | None = None
        """Why it failed, or why it can no longer be followed."""
        self._after = after
        self._events: queue.SimpleQueue[Event | EngineError] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"trackmatte job {job}", daemon=True)
        self._thread.start()

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to come."""
        return self.error is not None or (self.state is not None and self.state.status in ENDED)

    def poll(self) -> list[Event]:
        """Return what happened since the last call; never waits.

        An engine that died comes as an `ErrorEvent` with the code ``engine_died``.
        """
        news: list[Event] = []
        while True:
            try:
                event = self._events.get_nowait()
            except queue.Empty:
                return news
            if isinstance(event, EngineError):
                self.error = event
                news.append(ErrorEvent(self._after + 1, Error(event.code, event.message)))
                continue
            if isinstance(event, StateEvent):
                self.state = event.job
                if event.job.error is not None:
                    self.error = EngineError(event.job.error.code, event.job.error.message)
            news.append(event)

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Poll until the job ends, for hosts without a window; return all events.

        Raises
        ------
        EngineError : it failed, or its engine died.
        TimeoutError : it did not end in time.
        """
        end = None if timeout is None else time.monotonic() + timeout
        news = self.poll()
        while not self.finished:
            if end is not None and time.monotonic() > end:
                raise TimeoutError(f"the job {self.job} did not end within {timeout:g} seconds")
            time.sleep(0.02)
            news += self.poll()
        if self.error is not None:
            raise self.error
        return news

    def cancel(self) -> None:
        """Stop the job after the frame in hand; what is finished stays."""
        self.client.cancel_job(self.job)

    def close(self) -> None:
        """Stop following; the job goes on."""
        self._closed.set()

    def _follow(self) -> None:
        broken = 0
        while not self._closed.is_set():
            before = self._after
            try:
                if self._stream():
                    return
            except EngineDied as e:
                self._events.put(EngineDied(f"{e.message}: what was finished is kept, so run the job again"))
                return
            except EngineError as e:
                self._events.put(self._silent() if e.code == "timeout" else e)
                return
            except Exception as e:  # a host that waits must hear of it
                self._events.put(EngineError("internal", f"the job cannot be followed ({e!r}); report this"))
                return
            broken = 0 if self._after > before else broken + 1
            if broken > PATIENCE:
                self._events.put(EngineDied("the engine no longer says how the job stands; start it again"))
                return
            self._closed.wait(0.1 * broken)

    def _silent(self) -> EngineError:
        process = self.client.address.pid
        return EngineError(
            "timeout",
            f"the engine (process {process}) no longer answers: what was finished is kept, so wait or end "
            "that process, and run the job again",
        )

    def _stream(self) -> bool:
        """Read one stream of events; return whether the job ended or no one follows it any more."""
        for event in self.client.events(self.job, self._after):
            if self._closed.is_set():
                return True
            if isinstance(event, Heartbeat):
                continue
            self._after = event.seq
            self._events.put(event)
            if isinstance(event, StateEvent) and event.job.status in ENDED:
                return True
        return False
