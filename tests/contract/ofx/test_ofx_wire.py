"""The OFX wire itself: who may connect, and what is no message."""

from __future__ import annotations

import logging
import os
import re
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import ofx_wire as w
from tests.contract.ofx.prepared import AT, HI, SESSION, closed_with
from tests.engines import ROOT, wait_for
from tests.ofx_engine import BOX, Bridged, bridged, held, plate, push
from tests.ofx_wire import WireError
from trackmatte.server.ofx import bridge as bridge_module
from trackmatte.server.ofx import connection, peer, wire
from trackmatte.server.ofx.messages import ASKED, Kind

PREPARED = True

PAGE = ROOT / "docs" / "protocol-ofx.md"


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
        with suppress(BrokenPipeError):  # it may be closed before all of it is sent
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
    with bridge.plugin(0) as half, bridge.plugin(0) as idle, monkeypatch.context() as short:
        short.setattr(wire, "REST", 0.2)
        short.setattr(connection, "GREETING", 0.2)
        with bridge.plugin(0, hello=False) as silent:
            assert w.rest(silent.sock) == []
        half.sock.sendall(w.pack(w.STATUS, 1, {"session": SESSION})[:20])
        assert w.rest(half.sock) == []
        time.sleep(0.3)
        short.undo()
        assert idle.status(SESSION)["matted"] == 3


def test_a_plugin_that_takes_no_answers_is_left(bridge: Bridged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "REST", 0.2)
    with bridge.plugin(0) as deaf:
        deaf.sock.settimeout(60)
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


def test_the_page_has_the_types_of_the_code() -> None:
    rows = re.findall(r"^\| ([A-Z]+) \| (\d+) \| (\w+) \|", PAGE.read_text(encoding="utf-8"), re.M)
    assert {(name, int(number)) for name, number, _ in rows} == {(k.name, k.value) for k in Kind}
    asked = {name for name, _, who in rows if who in ("plugin", "both")}
    assert asked == {k.name for k in ASKED}
