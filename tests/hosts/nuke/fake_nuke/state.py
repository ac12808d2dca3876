"""All that one fake Nuke knows."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.hosts.nuke import evaluator


class State:
    """One running Nuke."""

    def __init__(self, *, gui: bool) -> None:
        from . import main_thread

        self.gui = gui
        self.queue = main_thread.Queue()
        self.frame = 1
        self.plugin_paths: list[str] = []
        self.root: Any = None
        self.groups: list[Any] = []
        self.these: list[Any] = []
        self.undo: list[tuple[str, Any]] = []
        """Steps that can be undone: name, and what was before."""
        self.open: list[tuple[str, Any]] = []
        self.undo_off = 0
        self.loose = 0
        """Edits outside any step: each would be a step of its own."""
        self.destroy_calls: list[tuple[Callable[[], Any], str]] = []
        self.close_calls: list[Callable[[], Any]] = []
        self.opened: list[Any] = []
        self.menus: dict[str, Any] = {}
        self.messages: list[str] = []
        self.panes: dict[str, Any] = {}
        self.tcl_answers: dict[str, str] = {}
        self.executed: list[tuple[str, int, int]] = []
        self.interrupt_after: int | None = None
        """Frames after which the artist stops a rendering."""

    def tcl(self, text: str) -> str:
        """Return what Nuke would make of a text with expressions."""
        for expression, answer in self.tcl_answers.items():
            text = text.replace(expression, answer)
        if re.search(r"(?<!\\)\[", text):
            raise RuntimeError(f"no such expression: {text}")
        return evaluator.unmarked(text)

    def record(self, _node: Any) -> None:
        """Note that something was edited."""
        if not self.undo_off and not self.open:
            self.loose += 1

    def snapshot(self) -> Any:
        """Return all nodes as they are now."""
        return [_kept(n) for n in self.root.members]

    def restore(self, kept: Any) -> None:
        """Put all nodes back as they were."""
        self.root.members[:] = [node for node, *_ in kept]
        for node, knobs, inputs, values in kept:
            node.knob_table = dict(knobs)
            node.wires = list(inputs)
            for name, value in values.items():
                knobs[name]._value = copy.deepcopy(value)

    @contextmanager
    def this(self, node: Any) -> Iterator[None]:
        """Let ``nuke.thisNode`` be this one."""
        self.these.append(node)
        try:
            yield
        finally:
            self.these.pop()


def _kept(node: Any) -> Any:
    values = {name: copy.deepcopy(k._value) for name, k in node.knob_table.items()}
    return node, dict(node.knob_table), list(node.wires), values


_current: list[State] = []


def state() -> State:
    """Return the running Nuke."""
    return _current[-1]


@contextmanager
def running(new: State) -> Iterator[State]:
    """Let a Nuke run."""
    _current.append(new)
    try:
        yield new
    finally:
        _current.pop()
