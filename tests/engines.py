"""Engines of their own for the tests: a process with the tracker of tests/fake.py, and raw requests to it."""

from __future__ import annotations

import base64
import http.client
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from trackmatte_client import Client, EngineDied, engine
from trackmatte_client.protocol import messages as m

ROOT = Path(__file__).parent.parent
BOX = (0.1, 0.1, 0.9, 0.9)


def command(*words: str) -> list[str]:
    """Return what serves with the test's tracker, whatever environment it gets."""
    paths = [str(ROOT / "engine"), str(ROOT / "plugin"), str(ROOT)]
    code = (
        f"import runpy, sys; sys.path[:0] = {paths!r}; sys.argv[0] = 'trackmatte'; "
        "runpy.run_module('tests.fake', run_name='__main__')"
    )
    return [sys.executable, "-c", code, "serve", *words]


def held_by(folder: Path) -> Path:
    """The file that holds, before the frame it names, the tracker of the engine in a folder."""
    return folder / "held"


@contextmanager
def started(folder: Path, *words: str, sleep: float = 0.0) -> Iterator[Client]:
    """Start an engine with a runtime folder of its own, and end it.

    Parameters
    ----------
    sleep : seconds that the tracker takes for a frame.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKMATTE_RUNTIME", str(folder / "run"))
        patch.setenv("XDG_DATA_HOME", str(folder / "data"))
        patch.setenv("FAKE_SLEEP", str(sleep))
        patch.setenv("FAKE_HELD", str(held_by(folder)))
        client = engine.start(command(*words))
        process = engine._children[-1]
        try:
            yield client
        finally:
            with suppress(EngineDied):
                engine.stop(client)
            wait_for(lambda: process.poll() is not None)


def wait_for(happened: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait until something is true and return it."""
    end = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return found


def new_shot(client: Client, folder: Path, clip: Path, **more: Any) -> m.ShotState:
    """Make a shot with the test's tracker and no refiner."""
    usual = {"path": str(folder / f"{os.urandom(4).hex()}.shot.json"), "tracker": "fake", "refiner": "none"}
    return client.create_shot(m.CreateShot(clip=str(clip), **{**usual, **more}))


def prompted(client: Client, folder: Path, clip: Path, **more: Any) -> m.ShotState:
    """Make a shot with a box on its first frame."""
    shot = new_shot(client, folder, clip, **more)
    return client.put_prompt(shot.shot, shot.revision, m.Prompt(shot.clip.first, box=BOX)).shot


def ask(
    client: Client,
    method: str,
    path: str,
    body: bytes | None = None,
    *,
    drop: str | None = None,
    **headers: str,
) -> tuple[int, dict[str, str], bytes]:
    """Send a raw request and return (status, headers, body); ``drop`` leaves out a usual header."""
    port = client.address.port
    usual = {"host": f"127.0.0.1:{port}", "authorization": f"Bearer {client.address.token}"}
    if body is not None:
        usual["content-type"] = "application/json"
    have = {**usual, **{k.replace("_", "-"): v for k, v in headers.items()}}
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        line.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in have.items():
            if name != drop:
                line.putheader(name, value)
        if body is not None and "transfer-encoding" not in have:
            line.putheader("content-length", str(len(body)))
        line.endheaders(body)
        answer = line.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        line.close()


def code(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, str]:
    """Return the status and the code of a refusal."""
    said = json.loads(answer[2])
    assert set(said) == {"code", "message", "exit_code", "shot"}
    assert said["message"]
    return answer[0], said["code"]


def png(pixels: np.ndarray) -> str:
    """Return grey or BGR pixels as a PNG in base64."""
    return base64.b64encode(cv2.imencode(".png", pixels)[1].tobytes()).decode()


def picture(data: bytes) -> np.ndarray:
    """Return the pixels of an encoded picture, BGR or grey."""
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert found is not None
    return found


def frames_of(spans: m.Spans) -> list[int]:
    """Return the frames in spans."""
    return [n for a, b in spans for n in range(a, b + 1)]
