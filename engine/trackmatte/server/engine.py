"""All that the server holds."""

from __future__ import annotations

import time
from threading import Event

from trackmatte.server.jobs import Jobs
from trackmatte.server.preview import Previews
from trackmatte.server.shots import Shots


class Engine:
    """Shots, jobs, and whether anyone needs them."""

    def __init__(self) -> None:
        self.jobs = Jobs()
        self.shots = Shots(self.jobs.active)
        self.previews = Previews()
        self.stopping = Event()
        """Set when the server is to end."""
        self.streams = 0
        """Clients that follow a job."""
        self.touch()

    def touch(self) -> None:
        """Note that someone asked."""
        self._last = time.monotonic()

    def idle(self) -> float:
        """Return the seconds since anyone asked, followed a job, or any job ran."""
        if self.streams or self.jobs.active():
            self.touch()
        return time.monotonic() - self._last

    def close(self, seconds: float = 15.0) -> None:
        """Cancel the jobs, wait for the frame in hand, and close the shots."""
        self.jobs.stop(seconds)
        self.shots.close_all()
