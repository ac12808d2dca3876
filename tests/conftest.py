"""What all tests share."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from tests import counters, fake
from tests.media_maker import COUNT, MOVIES, encode_counter

cv2.setNumThreads(2)
signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # which a shell ignores in what it runs in the background
collect_ignore_glob = [] if sys.platform == "linux" else ["*test_ofx*"]
"""The OFX bridge takes pixels through memory that only Linux can seal."""


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print why a test was tried again as if it had failed, so that nothing is hidden by the second try."""
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.write_sep("_", f"tried again: {report.nodeid}", yellow=True)
        terminalreporter.write_line(report.longreprtext)
        for title, text in report.sections:
            terminalreporter.write_sep("-", title)
            terminalreporter.write_line(text)


@pytest.fixture(autouse=True, scope="session")
def fake_tracker() -> None:
    """Know the trackers of tests/fake.py and tests/counters.py."""
    fake.register()
    counters.register()


@pytest.fixture(scope="session")
def movies(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Encode each movie of MOVIES once, when it is first asked for."""
    folder = tmp_path_factory.mktemp("movies")

    def movie(name: str) -> Path:
        path = folder / name
        return path if path.exists() else encode_counter(path, COUNT, **MOVIES[name])

    return movie


@pytest.fixture
def copy(movies: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """Copy a movie of MOVIES to damage it."""
    return lambda name: Path(shutil.copy(movies(name), tmp_path / name))
