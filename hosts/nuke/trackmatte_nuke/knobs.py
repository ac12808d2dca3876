"""The knobs of a Trackmatte node: what they are called, and prompts to and from them.

A prompt lives in a slot. A slot of a point is three knobs: ``p1`` where it is, ``p1_kind`` whether it is the
subject, the background or off, ``p1_object`` whose it is. Only keys count: a key of ``p1`` on a frame is a
prompt on that frame, and between keys the handle in the Viewer merely moves along. So dragging a handle on
another frame is a correction there. Boxes are ``box1``, ``box1_kind`` and ``box1_object``.

Positions in knobs are Nuke's: pixels from the bottom left. Frames in knobs are the timeline's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import nuke

if TYPE_CHECKING:
    from typing import Iterator

KINDS = ("off", "subject", "background")
OFF, SUBJECT, BACKGROUND = range(3)
POINT, BOX = "p", "box"
SIGNS = ("identity", "selected_object", "use_range", "rendered")
"""A group that has these knobs is a Trackmatte node."""
_SLOT = re.compile(r"^(p|box)(\d+)$")


def is_ours(node: Any) -> bool:
    """Whether a node is a Trackmatte node, whatever it is called."""
    return bool(node.Class() == "Group") and all(node.knob(name) is not None for name in SIGNS)


def slots(node: Any, stem: str) -> list[str]:
    """Return the names of a node's slots of points (``p``) or boxes (``box``), lowest number first."""
    found = []
    for name in node.knobs():
        match = _SLOT.match(name)
        if match and match.group(1) == stem and node.knob(name + "_kind") is not None:
            found.append((int(match.group(2)), str(name)))
    return [name for _, name in sorted(found)]


def key(slot: str, frame: int) -> str:
    """Return what a prompt is called: its slot and its frame of the timeline."""
    return f"{slot}@{frame}"


def parse_key(text: str) -> tuple[str, int] | None:
    """Return slot and frame of the timeline; None when it is no such name."""
    slot, _, frame = text.partition("@")
    if not _SLOT.match(slot) or not re.match(r"^-?\d+$", frame):
        return None
    return slot, int(frame)


def keyed(node: Any, slot: str) -> list[int]:
    """Return the frames on which a slot says something, ascending."""
    return [frame for frame in _keys(node[slot]) if kind_at(node, slot, frame) != OFF]


def kind_at(node: Any, slot: str, frame: int) -> int:
    """Return what a slot is on a frame: what its last key until then says, nothing between two."""
    switch = node[slot + "_kind"]
    keys = _keys(switch)
    return int(switch.getValueAt(max([k for k in keys if k <= frame], default=keys[0]) if keys else frame))


def values(node: Any, slot: str) -> Iterator[tuple[int, int, tuple[float, ...]]]:
    """Yield (frame, kind, position) of what a slot says; a box is left, bottom, right, top."""
    count = 2 if slot.startswith(POINT) else 4
    knob = node[slot]
    for frame in keyed(node, slot):
        place = tuple(float(knob.getValueAt(frame, i)) for i in range(count))
        yield frame, kind_at(node, slot, frame), place


def owner(node: Any, slot: str) -> str:
    """Return the object of a slot."""
    return str(node[slot + "_object"].value()).strip()


def free_slot(node: Any, stem: str, obj: str, frame: int, kind: int) -> str:
    """Return a slot of an object that says nothing on a frame and is of that kind; else a new one."""
    for slot in slots(node, stem):
        fits = kind_at(node, slot, frame) == kind or not _keys(node[slot])
        if fits and owner(node, slot) == obj and frame not in keyed(node, slot):
            return slot
    numbers = [int(_number(slot)) for slot in slots(node, stem)]
    return _add_slot(node, stem, max(numbers) + 1 if numbers else 1, obj)


def put(node: Any, slot: str, frame: int, kind: int, place: tuple[float, ...]) -> None:
    """Let a slot say this on a frame; what it says on others stays."""
    knob = node[slot]
    _settle(node, slot)
    knob.setAnimated()
    for i, value in enumerate(place):
        knob.setValueAt(float(value), frame, i)
    node[slot + "_kind"].setValueAt(kind, frame)


def remove(node: Any, slot: str, frame: int) -> None:
    """Let a slot say nothing on a frame; what it says on others stays."""
    _settle(node, slot)
    count = 2 if slot.startswith(POINT) else 4
    knob = node[slot]
    for i in range(count):
        if knob.isKeyAt(frame, i):
            knob.removeKeyAt(frame, i)
    switch = node[slot + "_kind"]
    if switch.isKeyAt(frame):
        switch.removeKeyAt(frame)


def names(node: Any) -> tuple[str, ...]:
    """Return a node's objects, without doubles and at least one; those that own prompts are among them."""
    found = str(node["objects"].value()).replace(",", " ").split()
    found += [owner(node, s) for stem in (POINT, BOX) for s in slots(node, stem) if keyed(node, s)]
    unique = tuple(dict.fromkeys(name for name in found if name))
    return unique or ("subject",)


def _keys(knob: Any) -> list[int]:
    """Return the frames of a knob's keys, ascending."""
    return sorted({round(frame) for frame in knob.getKeyList()})


def _settle(node: Any, slot: str) -> None:
    """Let each key of a slot have a kind of its own: a dragged one had that of the key before it."""
    switch = node[slot + "_kind"]
    kinds = {frame: kind_at(node, slot, frame) for frame in _keys(node[slot])}
    switch.setAnimated()
    for frame, kind in kinds.items():
        switch.setValueAt(kind, frame)


def _number(slot: str) -> str:
    match = _SLOT.match(slot)
    return match.group(2) if match else "0"


def _add_slot(node: Any, stem: str, number: int, obj: str) -> str:
    """Add a slot's knobs to a node and return the slot's name."""
    slot = f"{stem}{number}"
    place = nuke.XY_Knob(slot, slot) if stem == POINT else nuke.BBox_Knob(slot, slot)
    kind = nuke.Enumeration_Knob(slot + "_kind", "", list(KINDS))
    whose = nuke.String_Knob(slot + "_object", "of")
    kind.clearFlag(nuke.STARTLINE)
    whose.clearFlag(nuke.STARTLINE)
    for knob in (place, kind, whose):
        node.addKnob(knob)
    node[slot + "_object"].setValue(obj)
    node[slot].setAnimated()
    return slot
