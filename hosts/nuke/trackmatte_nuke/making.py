"""New nodes beside what a script has: named, marked, placed where nothing lies."""

from __future__ import annotations

import json
import re
import uuid
from contextlib import contextmanager
from typing import Any, Iterator

import nuke

from . import undo

MARK = "trackmatte"
"""The knob that says whose a node is and what for."""
WIDE, HIGH = 130, 110
"""Steps of the grid, in units of the node graph."""


@contextmanager
def scope(node: Any) -> Iterator[None]:
    """Work in the group that a node is in."""
    with node.parent() or nuke.root():
        yield


def identity(node: Any) -> str:
    """Return what a Trackmatte node is known by among the nodes made for it; a renamed one keeps it.

    A copy of the node gets one of its own, so that the two never write into each other's Reads.
    """
    mine = str(node["identity"].value())
    with scope(node):
        others = [n for n in nuke.allNodes("Group") if n != node and n.knob("identity") is not None]
    if not mine or mine in [str(n["identity"].value()) for n in others]:
        mine = uuid.uuid4().hex
        with undo.none():
            node["identity"].setValue(mine)
    return mine


def role_of(node: Any) -> tuple[str, str]:
    """Return (identity of the Trackmatte node, role) of a node that we made; empty words for any other."""
    knob = node.knob(MARK)
    if knob is None:
        return "", ""
    try:
        said = json.loads(str(knob.value()))
        return str(said["of"]), str(said["role"])
    except (ValueError, KeyError, TypeError):
        return "", ""


class Maker:
    """Adds nodes to the right of everything in a Trackmatte node's group."""

    def __init__(self, owner: Any) -> None:
        self.owner = owner
        with scope(owner):
            others = [n for n in nuke.allNodes() if n.Class() != "Viewer"]
            self.left = max(int(n.xpos()) for n in others) + 2 * WIDE
            self.count = len(others)
        self.top = int(owner.ypos())
        self.made: list[Any] = []

    def node(self, kind: str, role: str, name: str = "", *, column: float = 0, row: float = 0) -> Any:
        """Add a node at a place of the grid, connected to nothing."""
        with scope(self.owner):
            new = getattr(nuke.nodes, kind)()
        for i in range(new.inputs()):
            new.setInput(i, None)
        if name:
            new.setName(re.sub(r"\W+", "_", name, flags=re.ASCII))
        new.setXYpos(int(self.left + column * WIDE), int(self.top + row * HIGH))
        self.count += 1
        mark = nuke.String_Knob(MARK, MARK)
        mark.setFlag(nuke.INVISIBLE)
        new.addKnob(mark)
        new[MARK].setValue(
            json.dumps({"of": identity(self.owner), "role": role, "at": self.count}, sort_keys=True)
        )
        self.made.append(new)
        return new

    def frame(self, label: str) -> Any:
        """Put a backdrop behind what was made."""
        left = min(int(n.xpos()) for n in self.made) - 40
        top = min(int(n.ypos()) for n in self.made) - 80
        right = max(int(n.xpos()) for n in self.made) + WIDE
        bottom = max(int(n.ypos()) for n in self.made) + HIGH
        backdrop = self.node("BackdropNode", "backdrop")
        backdrop.setXYpos(left, top)
        backdrop["bdwidth"].setValue(right - left)
        backdrop["bdheight"].setValue(bottom - top)
        backdrop["label"].setValue(label)
        backdrop["tile_color"].setValue(0x2F4F4FFF)
        return backdrop
