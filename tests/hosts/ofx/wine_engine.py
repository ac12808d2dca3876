"""An engine for Wine: the product's pipe, lines and memory, and mattes by a formula.

Started by a Windows Python with numpy and msgspec as ``wine_engine.py FOLDER``; FOLDER holds the package.
It says "ready", serves plug-ins, and ends at the end of its input.
"""
# ruff: noqa: E402

from __future__ import annotations

import sys
import types
from pathlib import Path
from threading import Thread

sys.path.insert(0, sys.argv[1])
package = types.ModuleType("trackmatte.server.ofx")  # as it is, it imports the whole engine
package.__path__ = [str(Path(sys.argv[1]) / "trackmatte" / "server" / "ofx")]
sys.modules[package.__name__] = package

import numpy as np

from trackmatte.server.ofx import messages as m
from trackmatte.server.ofx.memory import Memory
from trackmatte.server.ofx.messages import Kind
from trackmatte.server.ofx.windows import PipeDoor, section
from trackmatte.server.ofx.wire import Gone, Line, Malformed


def serve(line: Line) -> None:
    """Answer a plug-in until it goes."""
    memory: Memory | None = None
    try:
        while (asked := line.receive(None)).kind is not Kind.BYE:
            body: m.msgspec.Struct
            said = asked.body
            if isinstance(said, m.Hello):
                kind, body = Kind.HELLO, m.Hi(m.PROTOCOL, "test", 1)
            elif isinstance(said, m.Slots):
                memory = Memory(section(said.name, said.size))
                kind, body = Kind.OK, m.Nothing()
            elif isinstance(said, m.Matte):
                at = said.pixels
                y, x = np.mgrid[: at.h, : at.w]
                plane = ((x * 7 + y * 13 + said.key * 29) % 101).astype(np.float32) / np.float32(100)
                assert memory is not None
                memory.write(at, slice(0, at.h), plane)
                kind, body = Kind.OK, m.Put("hit")
            else:
                kind, body = Kind.STATUS, m.Status("matted", 1, 1, 0, 0, 9, 24.0, "")
            line.send(kind, body)
    except (Gone, Malformed) as e:
        print(type(e).__name__, e, flush=True)
    finally:
        if memory is not None:
            memory.close()
        line.close()


def refused(name: str, size: int) -> bool:
    """Whether memory of this name and size is taken for none."""
    try:
        section(name, size).close()
    except Malformed:
        return True
    return False


def listen(door: PipeDoor) -> None:
    """Take in plug-ins until the door is shut."""
    while (line := door.accept()) is not None:
        Thread(target=serve, args=(line,)).start()


if __name__ == "__main__":
    door = PipeDoor()
    listening = Thread(target=listen, args=(door,))
    listening.start()
    print(
        "ready" if refused("", 10) and refused("0" * 32, 10) else "takes memory that is not there", flush=True
    )
    sys.stdin.read()
    door.shut()
    listening.join()
    door.close()
    print("closed", flush=True)
