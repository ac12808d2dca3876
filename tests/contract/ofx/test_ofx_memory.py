"""Memory over the OFX wire: what is none, what does not fit into it, and what stays as it is."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable

import numpy as np
import pytest

from tests import ofx_wire as w
from tests.contract.ofx.prepared import AT, SESSION, closed_with
from tests.ofx_engine import MEMORY, SIZE, Bridged, held, settles
from tests.ofx_wire import Plugin, WireError
from trackmatte.server.ofx import memory
from trackmatte.server.ofx.memory import Memory, sealed

PREPARED = True


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
        assert not settles(before).more_than(before)
        assert plugin.matte(SESSION, 2, SIZE)[0]["state"] == "hit"


def test_pixels_before_slots_are_one_clear_error(bridge: Bridged) -> None:
    with bridge.plugin(0) as plugin:
        at = {"offset": 0, "w": 1, "h": 1, "stride": 4, "depth": "float", "comps": 1, "premult": False}
        for kind in (w.FRAME, w.MATTE):
            with pytest.raises(WireError, match="send SLOTS") as e:
                plugin.ask(kind, {"session": SESSION, "key": 1, "pixels": at, "hash": ""})
            assert e.value.code == "usage"


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


def test_memory_that_an_error_still_looks_at_goes_with_it() -> None:
    fd = w.sealed(4096)
    before = held()
    found = Memory(sealed(fd, 4096))
    view = found._view(memory.Pixels(0, 16, 8, 64, "float", 1))
    found.close()
    view[:] = 1
    del view, found
    assert not held().more_than(before)
    os.close(fd)
