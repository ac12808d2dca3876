"""Threads, churn, leaks: plain, under the address, undefined and thread sanitizers, and valgrind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from tests.hosts.ofx import wire
from tests.hosts.ofx.driver import PREMULTIPLIED, Built, Host, build, hosting
from tests.hosts.ofx.test_faults import GARBAGE
from tests.hosts.ofx.wire import FakeEngine

Starter = Callable[..., AbstractContextManager[Host]]
SESSION = "01234567-89ab-4cde-8f01-23456789abcd"
LONG = bool(os.environ.get("TRACKMATTE_OFX_LONG"))
"""Set by scripts/test-hosts: many more rounds."""


def matte(key: int, w: int, h: int) -> np.ndarray:
    """Return a matte that tells frames apart."""
    return np.random.default_rng(key).random((h, w), np.float32)


def clip(count: int = 5, size: tuple[int, int] = (24, 40), dtype: type = np.uint8) -> np.ndarray:
    """Return frames of noise."""
    return np.random.default_rng(2).integers(0, 256, (count, *size, 4)).astype(dtype)


def stress(h: Host, engine: FakeEngine, rounds: int) -> None:
    """Many threads render, others load, describe, create, render, destroy; all see the same pictures."""
    engine.matte = matte
    h.source(clip(), first=3)
    h.set("session", SESSION)
    answer = h.ask("stress", threads=4, churn=3, count=rounds)
    assert answer == {"bad": 0, "different": 0}
    assert h.report()["messages"] == 0
    assert engine.most <= 13  # a few lines per process, whatever the number of instances


def everything(h: Host, engine: FakeEngine) -> None:
    """Use each part once, also what goes wrong."""
    for dtype in (np.uint8, np.float32):
        h.source(clip(dtype=dtype), first=0, negative=1, pad=12, alpha=PREMULTIPLIED)
        for output in range(5):
            h.set("output", output)
            h.set("shrinkGrow", 2.5 - output)
            h.set("feather", output)
            h.render(1, window="3 4 30 20")
    h.set("point1", "9 9")
    h.set("sign1", 1)
    h.ask("press", param="setAtFrame", time=2)
    h.ask("press", param="trackBoth", time=2)
    h.ask("press", param="matte", time=2)
    h.set("prompts", '{"version": 1, "points": [{"frame": 1, "x"')
    h.ask("press", param="setAtFrame", time=2)
    h.ask("press", param="clear")
    for action in (
        "OfxActionDescribe",
        "OfxActionCreateInstance",
        "OfxInteractActionDraw",
        "OfxActionDestroyInstance",
    ):
        h.ask("pen", action=action)
    for what in GARBAGE.values():
        engine.on[wire.MATTE] = lambda line, req, _, what=what: line.sock.sendall(what(req))
        h.ask("press", param="setAtFrame", time=2)  # the user's word: no back-off
        h.render(0)
    engine.on[wire.MATTE] = lambda *_: engine.kill()
    h.ask("press", param="setAtFrame", time=2)
    h.render(0)
    h.ask("press", param="trackBoth", time=2)  # nobody there, and nothing to start


def test_threads_and_churn(host: Starter, runtime: Path) -> None:
    with FakeEngine(runtime) as engine, host() as h:
        stress(h, engine, 400 if LONG else 40)


def test_more_threads_than_lines(host: Starter, runtime: Path) -> None:
    """A thread without a line waits for one."""
    with FakeEngine(runtime) as engine, host() as h:
        engine.matte = matte
        h.source(clip(), first=0)
        h.set("session", SESSION)
        assert h.ask("stress", threads=30, churn=0, count=10) == {"bad": 0, "different": 0}
        assert 1 < engine.most <= 13
        assert h.report()["messages"] == 0


def test_churn_without_an_engine(host: Starter) -> None:
    """As MLT does: an instance for each frame; without an engine every frame is the source."""
    with host(message=0, progress=0, timeline=0, draw=0, interact=0, buttons=0, temporal=0) as h:
        frames = clip()
        h.source(frames, first=0)
        h.set("session", SESSION)
        assert h.ask("stress", threads=2, churn=4, count=40) == {"bad": 0, "different": 0}
        out, _ = h.render(3)
        assert out.tobytes() == frames[3].tobytes()


def test_load_and_unload_in_a_circle(host: Starter, runtime: Path) -> None:
    with FakeEngine(runtime) as engine, host() as h:
        engine.matte = matte
        h.source(clip(), first=0)
        h.set("session", SESSION)
        first, _ = h.render(1)
        for _ in range(20):
            assert h.ask("unload")["status"] == 0
            assert h.ask("reload")["status"] == 0
            assert h.ask("reload")["status"] == 0
            again, _ = h.render(1)
            assert again.tobytes() == first.tobytes()


SANITIZERS = {
    "address": ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"),
    "thread": ("-fsanitize=thread",),
}


@pytest.fixture(scope="session", params=SANITIZERS)
def sanitized(request: pytest.FixtureRequest, shared: Path) -> Built:
    """The plug-in and the host, both with a sanitizer; it stops the host at the first fault."""
    return build(shared, request.param, *SANITIZERS[request.param], optimise="-O1")


def test_sanitizers(sanitized: Built, tmp_path: Path, runtime: Path) -> None:
    """Each ends the process at the first fault; at its end AddressSanitizer looks for leaks."""
    environment = {
        "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=9",
        "TSAN_OPTIONS": "halt_on_error=1:exitcode=9",
        "TRACKMATTE_PYTHON": "/bin/false",
    }
    with FakeEngine(runtime) as engine, hosting(sanitized, tmp_path, runtime, environment=environment) as h:
        stress(h, engine, 200 if LONG else 10)
        everything(h, engine)


@pytest.mark.timeout(900)
@pytest.mark.skipif(not shutil.which("valgrind"), reason="no valgrind")
def test_valgrind(built: Built, tmp_path: Path, runtime: Path) -> None:
    """No invalid access, no value that was never set, no leak, no descriptor left open."""
    words = (
        "valgrind",
        "--quiet",
        "--error-exitcode=9",
        "--leak-check=full",
        "--errors-for-leak-kinds=definite",
        "--exit-on-first-error=no",
    )
    environment = {"TRACKMATTE_PYTHON": "/bin/false"}
    with (
        FakeEngine(runtime) as engine,
        hosting(built, tmp_path, runtime, *words, environment=environment) as h,
    ):
        if LONG:
            stress(h, engine, 5)
        everything(h, engine)
