"""The OFX wire itself: who may connect, what is no message, what is no memory, and that nothing leaks."""

from __future__ import annotations

import logging
import os
import re
import socket
import struct
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests import disc
from tests import ofx_wire as w
from tests.engines import ROOT, wait_for
from tests.ofx_engine import BOX, MEMORY, SIZE, Bridged, bridged, held, plate, push, settles
from tests.ofx_wire import Plugin, WireError
from trackmatte.server.ofx import bridge as bridge_module
from trackmatte.server.ofx import connection, memory, peer, wire
from trackmatte.server.ofx.memory import Memory
from trackmatte.server.ofx.messages import ASKED, Kind

PAGE = ROOT / "docs" / "protocol-ofx.md"
SESSION = "0f0e0d0c-0b0a-4908-8706-050403020100"
HI = {"protocol": 1, "plugin": "test", "host": "pytest", "pid": 1}


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridged]:
    with bridged(tmp_path_factory.mktemp("ofx")) as bridge:
        with bridge.plugin() as plugin:
            plugin.open(SESSION)
            plugin.prompts(SESSION, boxes=[{"frame": 1, **BOX}])
            push(plugin, SESSION, range(1, 4))
            plugin.run(w.TRACK, SESSION, 1, 3)
            plugin.run(w.REFINE, SESSION, 1, 3)
        yield bridge


@pytest.fixture
def plugin(bridge: Bridged) -> Iterator[Plugin]:
    with bridge.plugin() as plugin:
        yield plugin


@pytest.fixture(autouse=True)
def nothing_is_left(bridge: Bridged, request: pytest.FixtureRequest) -> Iterator[None]:
    """Compare what the process holds before and after each test."""
    before = None
    if "plugin" not in request.fixturenames:
        wait_for(lambda: held().threads == 0)
        before = held()
    yield
    if before is not None:
        assert settles(before) == before
        assert bridge.sock.exists()


def closed_with(sock: socket.socket) -> list[str]:
    """Return the codes that come until the other end closes."""
    return [body["code"] for kind, _, body, _ in w.rest(sock) if kind == w.ERROR]


HEADER = struct.Struct("<IHHII")
NO_MESSAGES: dict[str, bytes] = {
    "magic": HEADER.pack(0x4D544D58, 1, 1, 1, 2) + b"{}",
    "version": HEADER.pack(w.MAGIC, 2, 1, 1, 2) + b"{}",
    "type 0": HEADER.pack(w.MAGIC, 1, 0, 1, 2) + b"{}",
    "type 16": HEADER.pack(w.MAGIC, 1, 16, 1, 2) + b"{}",
    "type of the engine": w.pack(w.PROGRESS, 1, {}),
    "length": HEADER.pack(w.MAGIC, 1, 1, 1, 65537) + b"{" + b" " * 65535 + b"}",
    "longest": HEADER.pack(w.MAGIC, 1, 1, 1, 0xFFFFFFFF) + b"{}",
    "no JSON": w.pack(w.STATUS, 1, b"\xff\xfe"),
    "empty": w.pack(w.STATUS, 1, b""),
    "array": w.pack(w.STATUS, 1, b"[]"),
    "number": w.pack(w.STATUS, 1, b"1"),
    "key twice and half": w.pack(w.STATUS, 1, b'{"session": "a", "session"'),
    "deep": w.pack(w.STATUS, 1, b'{"a":' + b"[" * 60000 + b"]" * 5000 + b"}"),
    "surrogate": w.pack(w.STATUS, 1, rb'{"session": "\ud800"}'),
    "NaN": w.pack(w.TRACK, 1, b'{"session": "%s", "from": NaN, "to": 1}' % SESSION.encode()),
    "1e999": w.pack(w.TRACK, 1, b'{"session": "%s", "from": 1e999, "to": 1}' % SESSION.encode()),
    "no session": w.pack(w.STATUS, 1, {}),
    "session with dots": w.pack(w.STATUS, 1, {"session": "../../../../../../../../../../../etc/x"}),
    "session of another kind": w.pack(w.STATUS, 1, {"session": 7}),
    "too large": w.pack(w.TRACK, 1, {"session": SESSION, "from": -(2**53) - 1, "to": 2**53}),
    "direction": w.pack(w.TRACK, 1, {"session": SESSION, "from": 1, "to": 2, "dir": "up"}),
    "label": w.pack(
        w.PROMPTS,
        1,
        {"session": SESSION, "prompts": {"points": [{"frame": 1, "x": 0.5, "y": 0.5, "label": 2}]}},
    ),
    "too many points": w.pack(
        w.PROMPTS,
        1,
        {"session": SESSION, "prompts": {"points": [{"frame": 1, "x": 0, "y": 0}] * 1001}},
    ),
    "mode": w.pack(w.OPEN, 1, {"session": SESSION, "mode": "pull"}),
}


@pytest.mark.parametrize("name", NO_MESSAGES)
def test_what_is_no_message_closes_the_connection(bridge: Bridged, name: str) -> None:
    with bridge.plugin(0) as plugin:
        plugin.sock.sendall(NO_MESSAGES[name])
        assert closed_with(plugin.sock) in (["malformed"], [])
    with bridge.plugin() as plugin:
        assert plugin.status(SESSION)["matted"] == 3


def test_the_first_request_is_hello(bridge: Bridged) -> None:
    for kind, body in ((w.STATUS, {"session": SESSION}), (w.OPEN, {"session": SESSION, "mode": "push"})):
        with bridge.plugin(0, hello=False) as plugin:
            plugin.send(kind, body)
            assert closed_with(plugin.sock) == ["malformed"]
    with bridge.plugin(0, hello=False) as plugin:
        plugin.send(w.BYE, {})
        assert w.rest(plugin.sock) == []


def test_hello_says_who_is_there_and_which_side_to_update(bridge: Bridged) -> None:
    with bridge.plugin(0, hello=False) as plugin:
        for protocol, side in ((2, "engine"), (0, "plugin")):
            with pytest.raises(WireError, match=f"update the {side}") as e:
                plugin.ask(w.HELLO, {**HI, "protocol": protocol})
            assert e.value.code == "version"
        said = plugin.ask(w.HELLO, {**HI, "unknown": [1, {"a": None}]})
        assert (said["protocol"], said["pid"]) == (1, os.getpid())
        assert plugin.status(SESSION)["matted"] == 3


def test_messages_may_come_in_pieces_and_together(bridge: Bridged) -> None:
    with bridge.plugin(0) as plugin:
        data = w.pack(w.STATUS, 7, {"session": SESSION.upper()})
        for byte in data:
            plugin.sock.sendall(bytes([byte]))
        assert w.read(plugin.sock)[:2] == (w.STATUS, 7)
        plugin.sock.sendall(data * 50)
        assert [w.read(plugin.sock)[1] for _ in range(50)] == [7] * 50


def unsealed(size: int) -> int:
    return w.sealed(size, 0)


def file(size: int) -> int:
    fd = os.open("/tmp", os.O_TMPFILE | os.O_RDWR)
    os.ftruncate(fd, size)
    return fd


def pipe(_: int) -> int:
    reading, writing = os.pipe()
    os.close(writing)
    return reading


def read_only(size: int) -> int:
    fd = w.sealed(size)
    again = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    os.close(fd)
    return again


NO_MEMORY: dict[str, Callable[[int], int]] = {
    "a pipe": pipe,
    "a socket": lambda _: socket.socket(socket.AF_UNIX).detach(),
    "a folder": lambda _: os.open("/", os.O_RDONLY),
    "a device": lambda _: os.open("/dev/zero", os.O_RDWR),
    "a file": file,
    "unsealed": unsealed,
    "may shrink": lambda size: w.sealed(size, w.SEAL | w.GROW),
    "may grow": lambda size: w.sealed(size, w.SEAL | w.SHRINK),
    "may be sealed more": lambda size: w.sealed(size, w.SHRINK | w.GROW),
    "may not be written": lambda size: w.sealed(size, w.SEAL | w.SHRINK | w.GROW | w.WRITE),
    "open for reading": read_only,
    "too small": lambda size: w.sealed(size - 1),
    "empty": lambda _: w.sealed(0),
}


@pytest.mark.parametrize("name", NO_MEMORY)
def test_what_is_no_sealed_memory_is_refused_and_closed(bridge: Bridged, name: str) -> None:
    fd = NO_MEMORY[name](4096)
    try:
        with bridge.plugin(0) as plugin:
            plugin.send(w.SLOTS, {"size": 4096}, (fd,))
            assert closed_with(plugin.sock) == ["malformed"]
    finally:
        os.close(fd)


@pytest.mark.parametrize("count", [0, 2, 3, 4, 5, 100, 253])
def test_slots_come_with_exactly_one_descriptor(bridge: Bridged, count: int) -> None:
    fd = w.sealed(4096)
    try:
        with bridge.plugin(0) as plugin:
            plugin.send(w.SLOTS, {"size": 4096}, (fd,) * count)
            assert closed_with(plugin.sock) in (["malformed"], [])
    finally:
        os.close(fd)


def test_no_other_message_comes_with_one_and_none_comes_late(bridge: Bridged) -> None:
    fd = w.sealed(4096)
    slots = w.pack(w.SLOTS, 1, {"size": 4096})
    try:
        with bridge.plugin(0) as plugin:
            plugin.send(w.STATUS, {"session": SESSION}, (fd,))
            assert closed_with(plugin.sock) in (["malformed"], [])
        for late in (1, 16, len(slots) - 1):
            with bridge.plugin(0) as plugin:
                plugin.sock.sendall(slots[:late])
                socket.send_fds(plugin.sock, [slots[late:]], [fd])
                assert closed_with(plugin.sock) in (["malformed"], [])
    finally:
        os.close(fd)


@pytest.mark.parametrize("size", [0, -1, (1 << 31) + 1, 1.5, "4096", None, True])
def test_sizes_that_no_memory_has(bridge: Bridged, size: object) -> None:
    fd = w.sealed(4096)
    try:
        with bridge.plugin(0) as plugin:
            plugin.send(w.SLOTS, {"size": size}, (fd,))
            assert closed_with(plugin.sock) == ["malformed"]
    finally:
        os.close(fd)


def test_memory_is_replaced_by_the_next(bridge: Bridged) -> None:
    with bridge.plugin(4096) as plugin:
        before = held()
        for _ in range(20):
            assert plugin.memory is not None
            plugin.memory.close()
            plugin.slots(MEMORY)
        assert settles(before) == before
        assert plugin.matte(SESSION, 2, SIZE)[0]["state"] == "hit"


def test_pixels_before_slots_are_one_clear_error(bridge: Bridged) -> None:
    with bridge.plugin(0) as plugin:
        at = {"offset": 0, "w": 1, "h": 1, "stride": 4, "depth": "float", "comps": 1, "premult": False}
        for kind in (w.FRAME, w.MATTE):
            with pytest.raises(WireError, match="send SLOTS") as e:
                plugin.ask(kind, {"session": SESSION, "key": 1, "pixels": at, "hash": ""})
            assert e.value.code == "usage"


AT = {"offset": 0, "w": 16, "h": 8, "stride": 64, "depth": "float", "comps": 1, "premult": False}


@pytest.mark.parametrize(
    "wrong",
    [
        {"offset": 8}, {"offset": -16}, {"offset": 4096}, {"offset": 3600}, {"offset": 2**53},
        {"offset": 2**64}, {"w": 0}, {"w": -1}, {"w": 32769}, {"w": 17}, {"w": 1.5}, {"w": "16"},
        {"h": 0}, {"h": 65}, {"h": 32768},
        {"stride": 63}, {"stride": 0}, {"stride": -64}, {"stride": 2**31}, {"stride": 2**53}, {"stride": 577},
        {"depth": "double"}, {"depth": ""}, {"depth": None}, {"comps": 2}, {"comps": 0}, {"comps": 5},
        {"comps": 4}, {"premult": 1}, {"w": 32768, "h": 32768, "stride": 131072},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("kind", [w.FRAME, w.MATTE])
def test_pixels_that_do_not_fit_close_the_connection(
    bridge: Bridged, kind: int, wrong: dict[str, object]
) -> None:
    with bridge.plugin(4096) as plugin:
        plugin.send(kind, {"session": SESSION, "key": 2, "pixels": {**AT, **wrong}, "hash": ""})
        assert closed_with(plugin.sock) == ["malformed"]


def test_pixels_may_end_where_the_memory_ends(bridge: Bridged) -> None:
    session = str(uuid.uuid4())
    with bridge.plugin(4096) as plugin:
        at = {**AT, "offset": 32, "stride": 570}
        assert 4096 - 16 < at["offset"] + 7 * at["stride"] + 64 <= 4096
        plugin.open(session)
        assert plugin.ask(w.FRAME, {"session": session, "key": 2, "pixels": at, "hash": ""}) == {
            "known": False
        }
        said = plugin.ask(w.MATTE, {"session": SESSION, "key": 2, "pixels": at, "hash": ""})
        assert said["state"] == "hit"


def test_mattes_leave_the_rest_of_the_memory_alone(plugin: Plugin) -> None:
    assert plugin.memory is not None
    whole = np.frombuffer(plugin.memory, np.uint8)
    whole[:] = 0xA5
    at = {**AT, "offset": 256, "w": 48, "h": 32, "stride": 208}
    plugin.ask(w.MATTE, {"session": SESSION, "key": 2, "pixels": at, "hash": ""})
    inside = np.zeros(whole.shape, bool)
    for row in range(32):
        inside[256 + row * 208 : 256 + row * 208 + 192] = True
    assert (whole[~inside] == 0xA5).all()
    got = np.stack([whole[256 + r * 208 :][:192].view(np.float32) for r in range(32)])
    del whole
    np.testing.assert_array_equal(got, plugin.matte(SESSION, 2, SIZE)[1])


@pytest.mark.parametrize("look", ["0", "g" * 16, "0" * 17, 5, None])
def test_what_is_no_hash(bridge: Bridged, look: object) -> None:
    with bridge.plugin(4096) as plugin:
        plugin.send(w.MATTE, {"session": SESSION, "key": 2, "pixels": AT, "hash": look})
        assert closed_with(plugin.sock) == ["malformed"]


def test_so_many_may_connect_and_no_more(bridge: Bridged) -> None:
    plugins = [bridge.plugin(0) for _ in range(bridge_module.CONNECTIONS)]
    with pytest.raises((w.Closed, OSError)):
        bridge.plugin(0)
    assert {p.status(SESSION)["matted"] for p in plugins} == {3}
    plugins.pop().close()
    wait_for(lambda: held().threads < bridge_module.CONNECTIONS)
    plugins.append(bridge.plugin(0))
    for plugin in plugins:
        plugin.close()


def test_another_user_is_sent_away(bridge: Bridged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer.os, "geteuid", lambda: os.getuid() + 1)
    with bridge.plugin(0, hello=False) as plugin:
        assert w.rest(plugin.sock) == []


def test_the_user_is_read_from_what_each_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fake:
        def __init__(self, said: bytes) -> None:
            self.said = said

        def getsockopt(self, level: int, option: int, length: int) -> bytes:
            self.asked = level, option
            return self.said[:length]

    me = os.geteuid()
    assert peer.is_same_user(Fake(struct.pack("=iII", 5, me, 7)))  # type: ignore[arg-type]
    assert not peer.is_same_user(Fake(struct.pack("=iII", me + 1, me + 1, me)))  # type: ignore[arg-type]
    assert not peer.is_same_user(Fake(b""))  # type: ignore[arg-type]
    monkeypatch.setattr(peer, "sys", SimpleNamespace(platform="darwin"))
    mine = Fake(struct.pack("=IIhh16I", 0, me, 1, 0, *[20] * 16))
    assert peer.is_same_user(mine)  # type: ignore[arg-type]
    assert mine.asked == (0, 1)
    assert not peer.is_same_user(Fake(struct.pack("=II", 0, me + 1)))  # type: ignore[arg-type]
    assert not peer.is_same_user(Fake(struct.pack("=II", 1, me)))  # type: ignore[arg-type]


def test_where_no_memory_can_be_sealed_pixels_do_not_cross(
    bridge: Bridged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "sys", SimpleNamespace(platform="darwin"))
    with bridge.plugin(0) as plugin:
        with pytest.raises(WireError, match="no sealed memory") as e:
            plugin.slots(4096)
        assert e.value.code == "missing_part"
        assert plugin.status(SESSION)["matted"] == 3


def test_half_a_message_and_no_message_end_in_time(bridge: Bridged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "REST", 0.2)
    monkeypatch.setattr(connection, "GREETING", 0.2)
    with bridge.plugin(0, hello=False) as silent, bridge.plugin(0) as half, bridge.plugin(0) as idle:
        assert w.rest(silent.sock) == []
        half.sock.sendall(w.pack(w.STATUS, 1, {"session": SESSION})[:20])
        assert w.rest(half.sock) == []
        time.sleep(0.3)
        assert idle.status(SESSION)["matted"] == 3


def test_a_plugin_that_takes_no_answers_is_left(bridge: Bridged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "REST", 0.2)
    with bridge.plugin(0) as deaf:
        deaf.sock.settimeout(5)
        ask = w.pack(w.STATUS, 1, {"session": SESSION})
        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            deaf.sock.sendall(ask * 100_000)


def test_plugins_that_die_amid_a_message_leave_nothing(bridge: Bridged) -> None:
    at = {"offset": 0, "w": 48, "h": 32, "stride": 192, "depth": "byte", "comps": 4, "premult": False}
    frame = w.pack(w.FRAME, 9, {"session": SESSION, "key": 2, "pixels": at, "hash": ""})
    for cut in (1, 15, 16, 40, len(frame) - 1, len(frame)):
        for _ in range(3):
            plugin = bridge.plugin()
            assert plugin.memory is not None
            plugin.memory[: 48 * 32 * 4] = plate(2).tobytes()
            plugin.sock.sendall(frame[:cut])
            plugin.close()
    with bridge.plugin() as plugin:
        assert plugin.status(SESSION)["matted"] == 3


def test_the_socket_is_for_its_user_alone_and_goes_with_the_engine(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    leftover = socket.socket(socket.AF_UNIX)
    leftover.bind(str(tmp_path / "run/ofx.sock"))
    leftover.close()
    with bridged(tmp_path) as bridge:
        assert bridge.sock.stat().st_mode & 0o777 == 0o600
        plugin = bridge.plugin(0)
    assert w.rest(plugin.sock) == []
    plugin.close()
    assert not bridge.sock.exists()


def test_where_there_can_be_no_socket_the_engine_says_so_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    with caplog.at_level(logging.ERROR), bridged(folder) as bridge:
        assert not bridge.engine.stopping.is_set()
    assert "no OFX plugin can connect" in caplog.text


def test_the_end_of_the_engine_cancels_and_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bridged(tmp_path) as bridge, bridge.plugin() as plugin:
        plugin.open(SESSION)
        plugin.prompts(SESSION, boxes=[{"frame": 1, **BOX}])
        push(plugin, SESSION, range(1, 21))
        monkeypatch.setenv("FAKE_SLEEP", "0.25")
        plugin.send(w.TRACK, {"session": SESSION, "from": 1, "to": 20})
        assert plugin.answer()[0] == w.PROGRESS
        for job in bridge.engine.jobs.all():
            job.cancel()
        with pytest.raises(WireError) as e:
            plugin.finish()
        assert e.value.code == "cancelled"


def test_memory_that_an_error_still_looks_at_goes_with_it() -> None:
    fd = w.sealed(4096)
    before = held()
    found = Memory(fd, 4096)
    view = found._view(memory.Pixels(0, 16, 8, 64, "float", 1))
    found.close()
    view[:] = 1
    del view, found
    assert held() == before
    os.close(fd)


def test_the_page_has_the_types_of_the_code() -> None:
    rows = re.findall(r"^\| ([A-Z]+) \| (\d+) \| (\w+) \|", PAGE.read_text(encoding="utf-8"), re.M)
    assert {(name, int(number)) for name, number, _ in rows} == {(k.name, k.value) for k in Kind}
    asked = {name for name, _, who in rows if who in ("plugin", "both")}
    assert asked == {k.name for k in ASKED}


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
