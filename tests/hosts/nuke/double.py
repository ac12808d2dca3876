"""A node that lives in memory, the host's main thread, and an engine for them. Runs on Python 3.7 too."""

from __future__ import annotations

import queue
import sys
import threading
import time
import types
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
NAME = "staged_trackmatte_nuke"


def part(name: str) -> Any:
    """Import a module of the package as it is laid out where the client is copied into it."""
    if NAME not in sys.modules:
        package = types.ModuleType(NAME)
        package.__path__ = [str(ROOT / "hosts" / "nuke" / "trackmatte_nuke"), str(ROOT / "plugin")]
        sys.modules[NAME] = package
    return import_module("{}.{}".format(NAME, name))  # noqa: UP032


class MainThread:
    """Functions that wait for the host's main thread; `pump` is the host's event loop."""

    def __init__(self) -> None:
        self.queue: queue.Queue[Callable[[], None]] = queue.Queue()
        self.ident = threading.get_ident()

    def post(self, function: Callable[[], None]) -> None:
        self.queue.put(function)

    def pump(self, until: Callable[[], Any], seconds: float = 180.0) -> Any:
        """Run what was posted until something is true, and return that."""
        assert threading.get_ident() == self.ident
        end = time.monotonic() + seconds
        while True:
            found = until()
            if found:
                return found
            assert time.monotonic() < end, "it did not happen"
            try:
                self.queue.get(timeout=0.02)()
            except queue.Empty:
                continue


class Node:
    """A Trackmatte node in memory; refuses to be touched on any thread but the main one."""

    def __init__(self, main: MainThread, state: Any) -> None:
        self.main, self.state = main, state
        self.deleted = False
        self.said: list[str] = []
        self.went: list[int] = []
        self.delivered: list[Any] = []

    def alive(self) -> bool:
        return not self.deleted

    def _touch(self) -> None:
        assert threading.get_ident() == self.main.ident, "the node was touched off the main thread"
        assert not self.deleted, "a deleted node was touched"

    def read(self) -> Any:
        self._touch()
        return self.state

    def ready(self) -> Any:
        self._touch()
        if self.state.clip is None:
            raise part("model").NodeError(self.state.problem)
        return self.state

    def change(self, **more: Any) -> None:
        self._touch()
        self.state = replace(self.state, **more)

    def set_point(self, point: Any) -> None:
        key = point.key or "p{}".format(len(self.state.points) + 1)  # noqa: UP032
        kept = tuple(p for p in self.state.points if p.key != key)
        self.change(points=(*kept, replace(point, key=key)))

    def remove_point(self, key: str) -> None:
        self.change(
            points=tuple(p for p in self.state.points if p.key != key),
            boxes=tuple(b for b in self.state.boxes if b.key != key),
        )

    def select_object(self, name: str) -> None:
        known = self.state.objects
        self.change(selected=name, objects=known if name in known else (*known, name))

    def set_settings(self, settings: Any) -> None:
        self.change(settings=settings)

    def say(self, text: str) -> None:
        self._touch()
        self.said.append(text)

    def go_to(self, frame: int) -> None:
        self.went.append(frame)
        self.change(frame=frame)

    def deliver(self, results: Any) -> list[str]:
        self._touch()
        self.delivered += results
        return [Path(r.target).name + " is loaded" for r in results]

    def on_main_thread(self, function: Callable[[], None]) -> None:
        self.main.post(function)


def node_state(clip: str, first: int, last: int, folder: str, **more: Any) -> Any:
    """Return what a node tells whose subject was boxed on the first frame."""
    model = part("model")
    box = model.Box("b1", "subject", first, 0.2, 0.25, 0.5, 0.75)
    settings = model.Settings(folder=folder)
    usual = {"boxes": (box,), "frame": first, "settings": settings}
    return model.NodeState("Trackmatte1", model.Clip(clip, first, last), **dict(usual, **more))


if __name__ == "__main__":  # one whole job: python double.py CLIP FIRST LAST FOLDER
    main = MainThread()
    node = Node(main, node_state(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
    session = part("session").of(node)
    assert session.matte()
    main.pump(lambda: not session.busy)
    print(session.status.bad, session.status.lines, [r.target for r in node.delivered])
