"""Scripts written as Nuke writes them, and read back."""

from __future__ import annotations

from typing import Any

from tests.hosts.nuke import nk

from . import knobs as k
from .nodes import Group, Node
from .tables import NODES, USER_KNOBS

VERSION = "14.0 v5"


def write(root: Any) -> str:
    """Return a script."""
    return f"version {VERSION}\n{_block(root, 'Root', 0, top=True)}" + _members(root, 0)


def _members(group: Any, depth: int) -> str:
    """Return a group's nodes as Nuke writes them: named where they are not used right below."""
    pad = " " * depth
    order = _ordered(group)
    direct = [
        len(n.wires) == 1 and i > 0 and n.wires[0] is order[i - 1] and n.kind.inputs == 1
        for i, n in enumerate(order)
    ]
    named = [w for n, d in zip(order, direct, strict=True) if not d for w in n.wires]
    lines: list[str] = []
    for node, follows in zip(order, direct, strict=True):
        if not follows:
            # Pushed in this order, the first input lies on top.
            lines += [f"{pad}push {'0' if w is None else _variable(w)}" for w in reversed(node.wires)]
        lines.append(_block(node, node.kind.name, depth).rstrip("\n"))
        if node in named:
            lines.append(f"{pad}set {_variable(node)[1:]} [stack 0]")
    return "\n".join(lines) + ("\n" if lines else "")


def _variable(node: Any) -> str:
    return f"$N{id(node):x}"  # as in Nuke: no two alike in a script


def _ordered(group: Any) -> list[Any]:
    """Return nodes such that inputs come before what uses them."""
    done: list[Any] = []

    def put(node: Any) -> None:
        if node not in done:
            for below in filter(None, node.wires):
                put(below)
            done.append(node)

    for node in group.members:
        put(node)
    return done


def _block(node: Any, kind: str, depth: int, *, top: bool = False) -> str:
    pad = " " * depth
    lines = [f"{pad}{kind} {{"]
    plain, masks = len(node.wires[: node.kind.inputs]), len(node.wires[node.kind.inputs :])
    if top or (plain, masks) != (1, 0):
        lines.append(f"{pad} inputs {plain}" + (f"+{masks}" if masks else ""))
    for name, knob in node.knob_table.items():
        if knob._user:
            lines.append(f"{pad} addUserKnob {{{knob.declared()}}}")
        found = knob.written()
        if found is not None:
            lines.append(f"{pad} {name} {found}")
    lines.append(f"{pad}}}")
    if isinstance(node, Group) and not top:
        lines.append(_members(node, depth + 1).rstrip("\n"))
        lines.append(f"{pad}end_group")
    return "\n".join(filter(None, lines)) + "\n"


def read(text: str, into: Any) -> list[Any]:
    """Add the nodes of a script to a group and return them."""
    made: dict[str, Any] = {}
    graph = nk.parse(text)
    for item in graph.nodes.values():
        if item.kind == "Root":
            continue
        if item.kind not in NODES:
            raise RuntimeError(f"{item.kind}: Unknown command")  # as Nuke says
        node = Group(item.kind, into) if item.kind == "Group" else Node(item.kind, into)
        made[item.name] = node
        for word in item.user_knobs:
            node.addKnob(user_knob(word))
        for name, value in item.knobs.items():
            if name != "name":
                node[name].restore(value)
        node.knob_table["name"]._value = into.free_name(item.name, node)
        if item.inside is not None:
            _inside(item.inside, node)
    for item in graph.nodes.values():
        if item.kind != "Root":
            made[item.name].wires = [made.get(n) if n else None for n in item.inputs]
    return list(made.values())


def _inside(graph: nk.Graph, group: Any) -> None:
    made: dict[str, Any] = {}
    for item in graph.nodes.values():
        node = Node(item.kind, group)
        made[item.name] = node
        for name, value in item.knobs.items():
            node[name].restore(value)
    for item in graph.nodes.values():
        made[item.name].wires = [made.get(n) if n else None for n in item.inputs]


def user_knob(words: list[Any]) -> k.Knob:
    """Return the knob that the words of ``addUserKnob`` declare."""
    number, name = int(words[0]), words[1]
    if number not in USER_KNOBS:
        raise RuntimeError(f"addUserKnob {number} is not known")
    said: dict[str, Any] = {"l": None, "M": [], "T": "", "t": "", "R": None}
    flags = [w for w in words[2:] if isinstance(w, str) and w[:1] in "+-" and w[1:].isupper()]
    rest = [w for w in words[2:] if w not in flags]
    while rest:
        key = rest.pop(0)
        if key not in said:
            raise RuntimeError(f"addUserKnob {name}: {key!r} is not known")
        said[key] = rest.pop(0)
        if key == "R":
            rest.pop(0)
    kind = getattr(k, USER_KNOBS[number])
    more = {"Enumeration_Knob": [said["M"]], "PyScript_Knob": [said["T"]], "Text_Knob": [said["T"]]}
    knob: k.Knob = kind(name, said["l"], *more.get(USER_KNOBS[number], []))
    for flag in flags:
        if flag not in ("+STARTLINE", "-STARTLINE", "+INVISIBLE"):
            raise RuntimeError(f"flag {flag} is not known")
        number_of = {"STARTLINE": k.STARTLINE, "INVISIBLE": k.INVISIBLE}[flag[1:]]
        (knob.setFlag if flag[0] == "+" else knob.clearFlag)(number_of)
    return knob
