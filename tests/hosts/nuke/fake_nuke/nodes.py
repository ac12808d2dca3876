"""Nodes: what Nuke lets one do with them, and a refusal of anything else."""

from __future__ import annotations

import re
from typing import Any

from . import knobs as k
from . import main_thread, media
from .state import state
from .tables import NODES, Spec

KINDS: dict[str, type[k.Knob]] = {
    "str": k.String_Knob, "file": k.File_Knob, "int": k.Int_Knob, "float": k.Double_Knob,
    "bool": k.Boolean_Knob, "xy": k.XY_Knob, "wh": k.WH_Knob, "box": k.BBox_Knob, "rgba": k.AColor_Knob,
    "chan": k.Channel_Knob, "mask": k.Channel_Knob, "format": k.Format_Knob,
    "chip": k.ColorChip_Knob, "space": k.Colorspace_Knob,
}  # fmt: skip


def make_knob(spec: Spec) -> k.Knob:
    """Make a knob that a class of nodes has."""
    if spec.kind == "enum":
        return k.Enumeration_Knob(spec.name, "", list(spec.choices))
    knob = KINDS[spec.kind](spec.name)
    if isinstance(knob, k.Array_Knob):
        for curve in (*knob._value, *knob._default):
            curve.value = float(spec.default)
    else:
        knob._value = knob._default = spec.default
    return knob


class Node:
    """A node of a script."""

    def __init__(self, kind: str, parent: Any) -> None:
        main_thread.required(f"making a {kind}")
        self.kind, self.group = NODES[kind], parent
        self.knob_table: dict[str, k.Knob] = {}
        for spec in self.kind.knobs.values():
            self._own(make_knob(spec))
        self.wires: list[Any] = [None] * self.kind.inputs
        self.gone = False
        if parent is not None:
            self.knob_table["name"]._value = parent.free_name(f"{kind}1")
            parent.members.append(self)
        state().record(self)

    def _own(self, knob: k.Knob) -> None:
        knob._node = self
        self.knob_table[knob._name] = knob

    def _here(self) -> None:
        main_thread.required(f"a {self.kind.name}")
        if self.gone:
            raise ValueError("A PythonObject is not attached to a node")

    def Class(self) -> str:
        self._here()
        return self.kind.name

    def name(self) -> str:
        self._here()
        return str(self.knob_table["name"]._value)

    def fullName(self) -> str:
        above = self.group.fullName() + "." if self.group is not state().root and self.group else ""
        return above + self.name()

    def setName(self, name: str, uncollide: bool = True, updateExpressions: bool = False) -> None:
        self._here()
        if not re.match(r"^[A-Za-z_]\w*$", name, re.ASCII):
            raise ValueError(f"{name!r} is no name for a node")
        if not uncollide or updateExpressions:
            raise NotImplementedError
        self["name"].setValue(self.group.free_name(name, self))

    def knob(self, p: str) -> k.Knob | None:
        self._here()
        return self.knob_table.get(p)

    def knobs(self) -> dict[str, k.Knob]:
        self._here()
        return dict(self.knob_table)

    def __getitem__(self, name: str) -> k.Knob:
        self._here()
        if name not in self.knob_table:
            raise NameError(f"knob {name} does not exist")  # as Nuke says
        return self.knob_table[name]

    def addKnob(self, knob: k.Knob) -> None:
        self._here()
        if knob._name in self.knob_table:
            raise ValueError(f"{self.name()} has a knob {knob._name} already")
        if not knob.number:
            raise ValueError(f"users cannot add a {knob.Class()}")
        knob._user = True
        self._own(knob)
        state().record(self)

    def inputs(self) -> int:
        self._here()
        return len(self.wires)

    def input(self, index: int) -> Any:
        self._here()
        return self.wires[index] if 0 <= index < len(self.wires) else None

    def setInput(self, i: int, node: Any) -> bool:
        self._here()
        if not 0 <= i < self.kind.inputs + self.kind.masks:
            raise ValueError(f"{self.kind.name} has no input {i}")
        if node is not None and (not isinstance(node, Node) or node.gone or node.group is not self.group):
            raise ValueError(f"{self.name()} cannot be connected to {node!r}")
        at, seen = [node], []
        while at:
            n = at.pop()
            if n is self:
                raise RuntimeError(f"{self.name()} would feed itself")
            if n is not None and n not in seen:
                seen.append(n)
                at += n.wires
        self.wires += [None] * (i + 1 - len(self.wires))
        self.wires[i] = node
        state().record(self)
        return True

    def parent(self) -> Any:
        self._here()
        return self.group

    def xpos(self) -> int:
        return int(self["xpos"].value())

    def ypos(self) -> int:
        return int(self["ypos"].value())

    def setXYpos(self, x: int, y: int) -> None:
        for name, v in (("xpos", x), ("ypos", y)):
            if not isinstance(v, int):
                raise TypeError(f"{name} is a whole number, not {v!r}")
            self[name].setValue(v)

    def writeKnobs(self, flags: int = 0) -> str:
        """Return the knobs as a script has them; never those that say what it is called and where it lies."""
        self._here()
        if flags != k.TO_SCRIPT | k.WRITE_NON_DEFAULT_ONLY:
            raise NotImplementedError
        hidden = ("name", "xpos", "ypos", "selected")
        said = {n: knob.written() for n, knob in self.knob_table.items() if n not in hidden}
        return " ".join(f"{n} {v}" for n, v in said.items() if v is not None)

    def dependencies(self, mask: int) -> list[Node]:
        """Return what its expressions refer to, which are none in the fake."""
        self._here()
        if mask != k.EXPRESSIONS:
            raise NotImplementedError
        return []

    def metadata(self, key: str) -> Any:
        """Return a value of the pictures' metadata on the present frame; None = there is none."""
        self._here()
        return media.metadata_of(self, key)

    def format(self) -> media.Format:
        """Return the size of the picture: in proxy mode the smaller one that Nuke works in."""
        self._here()
        whole = media.format_of(self)
        return whole.halved() if state().root["proxy"].value() else whole

    def firstFrame(self) -> int:
        self._here()
        return media.span_of(self)[0]

    def lastFrame(self) -> int:
        self._here()
        return media.span_of(self)[1]

    def channels(self) -> list[str]:
        self._here()
        return media.channels_of(self)

    def sample(self, node_channel: str, x: int, y: int) -> float:
        """Return a pixel's value, counted from the bottom left."""
        from tests.hosts.nuke import rendering

        self._here()
        return rendering.sample(self, node_channel, x, y, state().frame)

    def showControlPanel(self) -> None:
        self._here()
        if not state().gui:
            raise RuntimeError("there are no panels without a window")


class Group(Node):
    """A node with nodes inside."""

    def __init__(self, kind: str = "Group", parent: Any = None) -> None:
        self.members: list[Any] = []
        super().__init__(kind, parent)

    def free_name(self, name: str, asker: Any = None) -> str:
        """Return a name like this that no other node here has."""
        have = {n.knob_table["name"]._value for n in self.members if n is not asker}
        stem = re.sub(r"\d+$", "", name)
        number = 1
        while name in have:
            name, number = f"{stem}{number}", number + 1
        return name

    def nodes(self) -> list[Any]:
        self._here()
        return list(self.members)

    def begin(self) -> Group:
        self._here()
        state().groups.append(self)
        return self

    def end(self) -> None:
        state().groups.pop()

    def __enter__(self) -> Group:
        return self.begin()

    def __exit__(self, *_: object) -> None:
        self.end()


class Root(Group):
    """The script."""

    def __init__(self) -> None:
        super().__init__("Root")
        self.knob_table["name"]._value = "Root"

    def firstFrame(self) -> int:
        return int(self["first_frame"].value())

    def lastFrame(self) -> int:
        return int(self["last_frame"].value())
