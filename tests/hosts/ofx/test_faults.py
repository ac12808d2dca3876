"""Whatever happens to the engine: the very source, OK, in bounded time, and one message."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hosts.ofx import wire
from tests.hosts.ofx.driver import Host, build, hosting
from tests.hosts.ofx.wire import FakeEngine, Line, pack

Starter = Callable[..., AbstractContextManager[Host]]
SESSION = "01234567-89ab-4cde-8f01-23456789abcd"
SLACK = 1.5
"""Seconds that a loaded machine may add to the limits of 250 ms and 2 s; a hang is far longer."""


@pytest.fixture
def shipped(shared: Path, tmp_path: Path, runtime: Path) -> Starter:
    """Start hosts whose plug-in waits for the engine no longer than it does at a user's."""
    return partial(hosting, build(shared, patient=False), tmp_path, runtime)


def clip(count: int = 1, size: tuple[int, int] = (24, 40)) -> np.ndarray:
    """Return frames of noise, 8 bits."""
    return np.random.default_rng(7).integers(0, 256, (count, *size, 4), np.uint8)


def prepared(host: Host, frames: np.ndarray | None = None) -> np.ndarray:
    """Give the host a clip and the instance a session."""
    given = clip() if frames is None else frames
    host.source(given)
    host.set("session", SESSION)
    return given


def passes(host: Host, frames: np.ndarray, message: str, seconds: float = 2 + SLACK) -> None:
    """Render twice and check that the source comes out and one message with these words."""
    before = host.report()["messages"]
    took = []
    for _ in range(2):
        out, answer = host.render()
        assert out.tobytes() == frames[0].tobytes()
        took.append(answer["seconds"])
    assert min(took) < seconds  # the other may have met a moment in which the machine stood still
    assert max(took) < 10
    said = host.report()
    assert message in said["message"]
    assert said["message"].startswith("OfxMessageWarning: ")
    assert said["messages"] == before + 1


def test_no_engine(host: Starter) -> None:
    with host() as h:
        passes(h, prepared(h), "not running", SLACK)


def test_nothing_was_tracked(host: Starter) -> None:
    with host() as h:
        h.source(clip())
        passes(h, clip(), "Nothing was tracked yet", SLACK)


def test_a_socket_that_nobody_serves(host: Starter, runtime: Path) -> None:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as left:
        left.bind(str(runtime / "ofx.sock"))
    with host() as h:
        passes(h, prepared(h), "not running", SLACK)


@pytest.mark.parametrize("mode", [0o755, 0o711, 0o770])
def test_a_folder_that_others_can_enter(host: Starter, runtime: Path, mode: int) -> None:
    with FakeEngine(runtime) as engine, host() as h:
        runtime.chmod(mode)
        passes(h, prepared(h), "another user", SLACK)
        assert engine.lines == 0


def test_a_file_instead_of_a_socket(host: Starter, runtime: Path) -> None:
    (runtime / "ofx.sock").write_text("no")
    with host() as h:
        passes(h, prepared(h), "another user", SLACK)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a socket to another user")
def test_a_socket_of_another_user(host: Starter, runtime: Path) -> None:
    with FakeEngine(runtime) as engine, host() as h:
        os.chown(engine.path, 65534, 65534)
        passes(h, prepared(h), "another user", SLACK)
        assert engine.lines == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start an engine as another user")
def test_a_server_process_of_another_user(host: Starter, runtime: Path) -> None:
    """The socket's file is ours, but who listens is not: what SO_PEERCRED says counts."""
    code = (
        "import os, socket, sys, time\n"
        "s = socket.socket(fileno=int(sys.argv[1])); os.setuid(65534); s.listen(8)\n"
        "print('listening', flush=True); time.sleep(60)"
    )
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(runtime / "ofx.sock"))
        fd = server.fileno()
        words = [sys.executable, "-c", code, str(fd)]
        process = subprocess.Popen(words, pass_fds=[fd], stdout=subprocess.PIPE, text=True)
        assert process.stdout
        with process, process.stdout:
            assert process.stdout.readline() == "listening\n"
            try:
                with host() as h:
                    passes(h, prepared(h), "another user", SLACK)
            finally:
                process.kill()


def test_it_hangs_before_it_answers_hello(shipped: Starter, runtime: Path) -> None:
    with FakeEngine(runtime) as engine, shipped() as h:
        engine.on[wire.HELLO] = lambda *_: None
        begin = time.monotonic()
        passes(h, prepared(h), "does not answer")
        # The second frame did not wait again, unless the machine let the back-off go by.
        assert engine.lines == 1 or time.monotonic() - begin > 5


def test_it_hangs_over_a_matte(shipped: Starter, runtime: Path) -> None:
    with FakeEngine(runtime) as engine, shipped() as h:
        engine.on[wire.MATTE] = lambda *_: None
        begin = time.monotonic()
        passes(h, prepared(h), "does not answer")
        assert engine.lines == 1 or time.monotonic() - begin > 5


def test_the_host_aborts_while_it_hangs(host: Starter, runtime: Path) -> None:
    with FakeEngine(runtime) as engine, host() as h:
        engine.on[wire.MATTE] = lambda *_: None
        frames = prepared(h)
        out, answer = h.render(abort=2)
        assert out.tobytes() == frames[0].tobytes()
        assert answer["seconds"] < 0.6 + SLACK
        assert h.report()["messages"] == 0  # the user did it


def test_killed_in_the_middle_of_a_frame(host: Starter, runtime: Path) -> None:
    with FakeEngine(runtime) as engine, host() as h:
        engine.on[wire.MATTE] = lambda *_: engine.kill()
        passes(h, prepared(h), "broke off")


def test_half_a_message_and_the_end(host: Starter, runtime: Path) -> None:
    def half(line: Line, req: int, _: dict[str, Any]) -> None:
        line.sock.sendall(pack(wire.OK, req, {"state": "hit", "stale": False, "note": ""})[:-7])
        raise wire.Gone

    with FakeEngine(runtime) as engine, host() as h:
        engine.on[wire.MATTE] = half
        passes(h, prepared(h), "broke off")


def test_half_a_message_and_silence(shipped: Starter, runtime: Path) -> None:
    with FakeEngine(runtime) as engine, shipped() as h:
        engine.on[wire.MATTE] = lambda line, req, _: line.sock.sendall(
            pack(wire.OK, req, {"state": "hit"})[:20]
        )
        passes(h, prepared(h), "does not answer")


GARBAGE: dict[str, Callable[[int], bytes]] = {
    "noise": lambda _: bytes(range(256)) * 4,
    "magic": lambda req: pack(wire.OK, req, {"state": "hit"}, magic=0x584D4D55),
    "version": lambda req: pack(wire.OK, req, {"state": "hit"}, version=2),
    "type 0": lambda req: pack(0, req, {"state": "hit"}),
    "type 16": lambda req: pack(16, req, {"state": "hit"}),
    "another type": lambda req: pack(wire.STATUS, req, {"state": "hit"}),
    "another request": lambda req: pack(wire.OK, req + 1, {"state": "hit"}),
    "too long": lambda req: pack(wire.OK, req, {"state": "hit"}, length=65537),
    "huge": lambda req: pack(wire.OK, req, {"state": "hit"}, length=0xFFFFFFFF),
    "no object": lambda req: pack(wire.OK, req, [1, 2]),
    "empty": lambda req: pack(wire.OK, req, b""),
    "not JSON": lambda req: pack(wire.OK, req, b'{"state": "hit",}'),
    "two objects": lambda req: pack(wire.OK, req, b'{"state": "hit"} {}'),
    "deep": lambda req: pack(wire.OK, req, b'{"state": "hit", "x": ' + b"[" * 9000 + b"]" * 9000 + b"}"),
    "infinite": lambda req: pack(wire.OK, req, b'{"state": "hit", "x": 1e999}'),
    "error without words": lambda req: pack(wire.ERROR, req, {"code": 3}),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage(host: Starter, runtime: Path, what: str) -> None:
    with FakeEngine(runtime) as engine, host() as h:
        engine.on[wire.MATTE] = lambda line, req, _: line.sock.sendall(GARBAGE[what](req))
        passes(h, prepared(h), "broke off", SLACK)


def test_another_protocol(host: Starter, runtime: Path) -> None:
    with FakeEngine(runtime) as engine, host() as h:
        engine.on[wire.HELLO] = lambda line, req, _: line.send(
            wire.HELLO, req, {"protocol": 2, "engine": "9", "pid": 1}
        )
        passes(h, prepared(h), "different versions", SLACK)


def test_the_engine_says_that_the_version_differs(host: Starter, runtime: Path) -> None:
    with FakeEngine(runtime) as engine, host() as h:
        engine.on[wire.HELLO] = lambda line, req, _: line.send(
            wire.ERROR, req, {"code": "version", "message": "update the plug-in"}
        )
        passes(h, prepared(h), "different versions", SLACK)


def test_an_error_is_shown_in_the_engines_words(host: Starter, runtime: Path) -> None:
    with FakeEngine(runtime) as engine, host() as h:
        refusal = {"code": "shot", "message": 'cannot read "matte" of frame 0; track again — %s %n\u0007'}
        engine.on[wire.MATTE] = lambda line, req, _: line.send(wire.ERROR, req, refusal)
        passes(h, prepared(h), 'cannot read "matte" of frame 0; track again — %s %n?', SLACK)
        assert engine.lines == 1  # the line goes on


@pytest.mark.parametrize(
    ("state", "message"),
    [("miss", "no matte yet"), ("busy", "being made"), ("error", "refused"), ("what", "refused")],
)
def test_no_matte(host: Starter, runtime: Path, state: str, message: str) -> None:
    with FakeEngine(runtime) as engine, host() as h:
        engine.reply["state"] = state
        passes(h, prepared(h), message, SLACK)


def test_recovery_clears_the_message(host: Starter, runtime: Path) -> None:
    with FakeEngine(runtime) as engine, host() as h:
        engine.reply["state"] = "miss"
        frames = prepared(h)
        passes(h, frames, "no matte yet")
        engine.reply["state"] = "hit"
        for _ in range(2):
            out, _answer = h.render()
            assert (out[..., 3] == 128).all()
            assert (out[..., :3] == frames[0][..., :3]).all()
        said = h.report()
        assert (said["messages"], said["clears"]) == (1, 1)


@pytest.mark.parametrize("asked", ["identity", "render"])
def test_output_source_clears_the_message(host: Starter, runtime: Path, asked: str) -> None:
    """Hosts that ask for the identity do not render it; others do."""
    with FakeEngine(runtime) as engine, host() as h:
        engine.reply["state"] = "miss"
        frames = prepared(h)
        passes(h, frames, "no matte yet")
        h.set("output", 4)
        for _ in range(2):
            if asked == "identity":
                assert h.ask("prefs")["identity"] == 0
            else:
                assert h.render()[0].tobytes() == frames[0].tobytes()
        assert h.report()["clears"] == 1
        h.set("output", 0)
        passes(h, frames, "no matte yet")


def test_why_a_button_failed_replaces_what_a_render_said(host: Starter) -> None:
    """'Press a Track button' is no longer true once it was pressed."""
    with host() as h:
        passes(h, prepared(h), "press a Track button")
        h.set("sign1", 1)
        h.ask("press", param="trackBoth", time=0)
        assert "was not found; install it" in h.report()["message"]
        passes_on = h.report()["messages"]
        h.render()
        assert h.report()["messages"] == passes_on
        assert "was not found; install it" in h.report()["message"]


def test_stale_is_shown_with_a_message(host: Starter, runtime: Path) -> None:
    with FakeEngine(runtime) as engine, host() as h:
        engine.reply["stale"] = True
        prepared(h)
        out, _ = h.render()
        assert (out[..., 3] == 128).all()
        assert "other prompts, settings or pictures" in h.report()["message"]


def test_an_engine_that_was_restarted_is_told_of_the_session_again(host: Starter, runtime: Path) -> None:
    known: set[str] = set()

    def opened(line: Line, req: int, said: dict[str, Any]) -> None:
        known.add(said["session"])
        line.send(wire.STATUS, req, engine.status(said["session"]))

    def matte(line: Line, req: int, said: dict[str, Any]) -> None:
        if said["session"] in known:
            engine.usual(line, req, said, wire.MATTE)
        else:
            line.send(wire.ERROR, req, {"code": "not_found", "message": "no such session"})

    with FakeEngine(runtime) as engine, host() as h:
        engine.on = {wire.OPEN: opened, wire.MATTE: matte}
        prepared(h)
        h.render()
        known.clear()
        out, _ = h.render()
        assert (out[..., 3] == 128).all()
        assert len(engine.heard(wire.OPEN)) == 2
        assert h.report()["messages"] == 0


def test_killed_and_started_again(host: Starter, runtime: Path) -> None:
    """A line that broke while it was idle is no fault: the next frame takes a new one."""
    with host() as h:
        frames = prepared(h)
        with FakeEngine(runtime):
            h.render()
        with FakeEngine(runtime, pid=4243) as again:
            out, _ = h.render()
            assert (out[..., 3] == 128).all()
            assert len(again.heard(wire.OPEN)) == 1  # another process knows of nothing
        out, _ = h.render()
        assert out.tobytes() == frames[0].tobytes()


@pytest.mark.parametrize(
    "left", [{"message": 1}, {"message": 0}, {"null": "setPersistentMessage,clearPersistentMessage"}]
)
def test_hosts_without_messages(host: Starter, left: dict[str, object]) -> None:
    with host(**left) as h:
        frames = prepared(h)
        for _ in range(2):
            out, _answer = h.render()
            assert out.tobytes() == frames[0].tobytes()
        assert h.report()["messages"] == (1 if left.get("message") == 1 else 0)
        assert not h.report()["message"] or h.report()["message"].startswith("OfxMessageLog")


def test_no_source(host: Starter) -> None:
    """What is not connected is black, and never what was in the host's memory."""
    with host() as h:
        h.source(clip(), connected=0)
        h.set("session", SESSION)
        out, _ = h.render()
        assert not out.any()


def test_a_missing_function_does_no_harm(host: Starter, runtime: Path) -> None:
    gone = "abort,clipGetRegionOfDefinition,paramGetValueAtTime,paramEditBegin,paramEditEnd,propGetDimension"
    with FakeEngine(runtime), host(null=gone, progress=0, timeline=0, draw=0, interact=0, buttons=0) as h:
        prepared(h)
        out, _ = h.render(srcframe=3)
        assert (out[..., 3] == 128).all()


def test_values_that_are_no_matte_are_held_in_range(host: Starter, runtime: Path) -> None:
    wild = np.array([np.nan, np.inf, -np.inf, -1, 2, 1e30, 0.25, -0.0], np.float32)
    with FakeEngine(runtime) as engine, host() as h:
        engine.matte = lambda _key, w, h: np.resize(wild, (h, w))
        prepared(h)
        out, _ = h.render()
        assert (out[..., 3] == np.resize([0, 255, 0, 0, 255, 255, 64, 0], (24, 40))).all()


def test_descriptors_do_not_pile_up(host: Starter, runtime: Path) -> None:
    with FakeEngine(runtime) as engine, host() as h:
        prepared(h)
        h.render()
        before = h.fds()
        for what in (*GARBAGE, "fine"):
            if what == "fine":
                engine.on.clear()
            else:
                engine.on[wire.MATTE] = lambda line, req, _, what=what: line.sock.sendall(GARBAGE[what](req))
            h.ask("press", param="setAtFrame", time=0)
            h.render()
        assert len(h.fds()) <= len(before) + 2
