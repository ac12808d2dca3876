"""Noise on the OFX wire."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import disc
from tests import ofx_wire as w
from tests.contract.ofx.prepared import HI, SESSION
from tests.engines import wait_for
from tests.ofx_engine import BOX, MEMORY, SIZE, Bridged, push
from trackmatte.server.ofx import wire

PREPARED = True


def mutated(rng: np.random.Generator, value: Any) -> Any:
    """Return JSON with one thing in it replaced."""
    odd = [
        None, True, -1, 0, 1, 2**31, 2**53, -(2**53), 2**63, 2**64, 0.5, 1e308, -1e308, "", "x" * 300,
        "\0", "é", [], {}, [1], "../..", SESSION, "byte", "float", "media", "push", "/dev/stdin",
        "/proc/self/mem", "/",
    ]  # fmt: skip
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = str(rng.choice([*value]))
        if rng.random() < 0.1:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: mutated(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = int(rng.integers(len(value)))
        return [*value[:at], mutated(rng, value[at]), *value[at + 1 :]]
    if isinstance(value, int) and rng.random() < 0.6:
        return value + int(rng.integers(-40, 41)) * int(rng.choice([1, 16]))
    return odd[int(rng.integers(len(odd)))]


def requests(rng: np.random.Generator, session: str, movie: Path) -> tuple[int, dict[str, Any]]:
    """Return a request that is well made."""
    w_, h = int(rng.integers(1, 60)), int(rng.integers(1, 40))
    depth, size = [("byte", 1), ("short", 2), ("half", 2), ("float", 4)][int(rng.integers(4))]
    comps = int(rng.choice([1, 3, 4]))
    frame = {"offset": 16 * int(rng.integers(50)), "w": w_, "h": h, "stride": w_ * comps * size}
    frame |= {"depth": depth, "comps": comps, "premult": False}
    matte = {**frame, "depth": "float", "comps": 1, "stride": 4 * w_}
    key, named = int(rng.integers(0, 12)), {"session": session}
    said = {"version": 1, "points": [{"frame": key, "x": 0.5, "y": 0.5, "label": 1}]}
    said["boxes"] = [{"frame": key, **BOX}]
    opened = {**named, "mode": "push", "path": "", "colour": "auto", "tracker": "fake", "refiner": "none"}
    if rng.random() < 0.3:
        opened |= {"mode": "media", "path": str(movie)}
    every: list[tuple[int, dict[str, Any]]] = [
        (w.HELLO, HI), (w.OPEN, opened), (w.PROMPTS, {**named, "prompts": said}), (w.STATUS, named),
        (w.FRAME, {**named, "key": key, "pixels": frame, "hash": "0" * 16}),
        (w.MATTE, {**named, "key": key, "pixels": matte, "hash": "0123456789abcdef"}),
        (w.TRACK, {**named, "from": 0, "to": key, "dir": "both"}),
        (w.REFINE, {**named, "from": 0, "to": key}), (w.CANCEL, {}), (w.BYE, {}),
    ]  # fmt: skip
    chances = np.array([1, 4, 6, 6, 10, 10, 3, 2, 1, 0.3])
    return every[int(rng.choice(len(every), p=chances / chances.sum()))]


def misbehave(bridge: Bridged, seed: int, codes: set[str]) -> None:
    """Be one plugin that says much that is wrong, then go without a word."""
    rng = np.random.default_rng(seed)
    session = [SESSION, str(uuid.UUID(int=int(rng.integers(4)), version=4))][int(rng.random() < 0.8)]
    hello, slots = rng.random(2) < (0.95, 0.9)
    with bridge.plugin(MEMORY if hello and slots else 0, hello=bool(hello)) as plugin:
        plugin.sock.settimeout(60)
        assert plugin.memory is None or plugin.memory.write(rng.bytes(4096 * 4))
        try:
            for _ in range(40):
                kind, body = requests(rng, session, bridge.cache / "a.mp4")
                if rng.random() < 0.25:
                    body = mutated(rng, body)
                data = bytearray(w.pack(kind, int(rng.integers(2**32)), body))
                if rng.random() < 0.05:
                    for at in rng.integers(0, len(data), 3):
                        data[at] = int(rng.integers(256))
                if rng.random() < 0.03:
                    fds = [w.sealed(4096), *os.pipe()]
                    try:
                        socket.send_fds(plugin.sock, [data], fds[: int(rng.integers(4))])
                    finally:
                        [os.close(fd) for fd in fds]
                else:
                    plugin.sock.sendall(data[: len(data) if rng.random() < 0.98 else len(data) // 2])
                if kind in (w.CANCEL, w.BYE) or rng.random() < 0.1:
                    continue
                plugin.sock.settimeout(60 if rng.random() < 0.97 else 0.001)
                while (got := w.read(plugin.sock))[0] == w.PROGRESS:
                    pass
                codes.add(got[2].get("code", "") if got[0] == w.ERROR else "")
        except (w.Closed, TimeoutError, ConnectionError):
            pass


def test_noise_breaks_nothing_and_leaves_nothing(
    bridge: Bridged, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wire, "REST", 0.3)
    rounds, first = int(os.environ.get("OFX_FUZZ_ROUNDS", "50")), int(os.environ.get("OFX_FUZZ_SEED", "1"))
    disc.write_movie(bridge.cache / "a.mp4", 6, SIZE)
    codes: set[str] = set()
    failed: list[BaseException] = []

    def work(seed: int) -> None:
        for i in range(rounds):
            try:
                misbehave(bridge, first + seed * 1_000_000 + i, codes)
            except BaseException as e:
                failed.append(e)
                return

    for begin in (0, 4):
        threads = [threading.Thread(target=work, args=(begin + i,)) for i in range(4)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        assert not failed, failed
        wait_for(lambda: not bridge.engine.jobs.active(), 60)
        resident = _resident()
        if begin == 0:
            warm = resident
    assert resident < warm + (64 << 20)
    assert not [r for r in caplog.records if r.message == "unforeseen"], caplog.text
    foreseen = {"usage", "clip", "prompt", "shot", "not_found", "version", "cancelled"}
    assert {"", "malformed"} <= codes <= {"", "malformed", *foreseen}
    session = str(uuid.uuid4())
    with bridge.plugin() as plugin:
        plugin.open(session)
        plugin.prompts(session, boxes=[{"frame": 1, **BOX}])
        push(plugin, session, range(1, 4))
        assert plugin.run(w.TRACK, session, 1, 3)["frames"] == 3
        assert plugin.run(w.REFINE, session, 1, 3)["frames"] == 3
    bridge.engine.shots.close_all()  # an open clip may hold its file


def _resident() -> int:
    """Return the bytes of memory the process occupies."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
