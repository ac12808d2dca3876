"""Engines for a host: this checkout's, as an installed program would be found."""

from __future__ import annotations

import json
import os
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.engines import command, wait_for


@contextmanager
def installed(folder: Path, *, sleep: float = 0.0) -> Iterator[Path]:
    """Let hosts find and start an engine with places of its own, and end it; return its runtime folder.

    Parameters
    ----------
    sleep : seconds that the tracker of tests/fake.py takes for a frame.
    """
    run = folder / "run"
    run.mkdir(mode=0o700)
    program = folder / "engine-python"
    program.write_text(f"#!/bin/sh\nFAKE_SLEEP={sleep} exec {shlex.join(command())}\n")
    program.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKMATTE_RUNTIME", str(run))
        patch.setenv("XDG_DATA_HOME", str(folder / "data"))
        patch.setenv("TRACKMATTE_PYTHON", str(program))
        try:
            yield run
        finally:
            ended(run)


def process(run: Path) -> int:
    """Return the running engine's process."""
    return int(json.loads((run / "engine.json").read_text())["pid"])


def ended(run: Path, how: signal.Signals = signal.SIGTERM) -> None:
    """End the engine, and wait until it is gone."""
    with suppress(FileNotFoundError, ProcessLookupError):
        pid = process(run)
        os.kill(pid, how)
        wait_for(lambda: not _lives(pid))


def _lives(pid: int) -> bool:
    try:
        done, _ = os.waitpid(pid, os.WNOHANG)  # started by this process: it would stay a zombie
    except ChildProcessError:
        done = 0
    if done:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
