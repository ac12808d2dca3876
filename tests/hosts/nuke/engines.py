"""Engines for a host: this checkout's, as an installed program would be found."""

from __future__ import annotations

import json
import os
import shlex
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.disc import write_frames
from tests.engines import command, wait_for
from tests.hosts.nuke.double import part


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
    program.write_text(
        f"#!/bin/sh\nexport FAKE_SLEEP={sleep} FAKE_HELD={shlex.quote(str(held_by(run)))}\n"
        f"exec {shlex.join(command())}\n"
    )
    program.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKMATTE_RUNTIME", str(run))
        patch.setenv("XDG_DATA_HOME", str(folder / "data"))
        patch.setenv("TRACKMATTE_PYTHON", str(program))
        try:
            yield run
        finally:
            ended(run)


def held_by(run: Path) -> Path:
    """Return the file that holds the tracker of tests/fake.py before the frame it names."""
    return run.with_name("held")


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


FRAMES, SIZE = 6, (96, 64)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An engine, started by whoever asks first; its tracker ``fake`` takes its time for every frame."""
    with installed(tmp_path_factory.mktemp("engine"), sleep=0.1) as run:
        yield run


class Held:
    """Jobs that stay before their fifth frame until they are let go: what a test does meanwhile has time."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.with_suffix(".new").write_text("4")
        file.with_suffix(".new").replace(file)

    def release(self) -> None:
        """Let jobs go on."""
        self.file.unlink(missing_ok=True)


@pytest.fixture
def held(engine: Path) -> Iterator[Held]:
    """Hold the jobs of the test's tracker."""
    found = Held(held_by(engine))
    yield found
    found.release()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A few frames from 1001 on, in a folder that is not ASCII."""
    return str(write_frames(tmp_path_factory.mktemp("Füchsin 狐"), FRAMES, SIZE))


@pytest.fixture
def tidy() -> Iterator[None]:
    """Every thread of ours ends soon after its work."""
    yield
    part("session").close_all()
    wait_for(lambda: not threads())


@pytest.fixture
def off_the_main_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host's main thread asks the engine nothing: that may take its time."""
    client, here = part("trackmatte_client.client"), threading.get_ident()
    asked = client._Answer.__enter__

    def enter(answer: Any) -> Any:
        assert threading.get_ident() != here, "the engine was asked on the main thread"
        return asked(answer)

    monkeypatch.setattr(client._Answer, "__enter__", enter)


def threads() -> list[str]:
    """Return the names of our threads."""
    return [t.name for t in threading.enumerate() if t.name.startswith("trackmatte")]
