"""The module ``nuke``: the functions that are known, and none else."""

from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import knobs as k
from . import main_thread, menus, nodes, script
from .state import state
from .tables import NODES


class Undo:
    """Steps of undo; nested groups are one step, the outermost."""

    @staticmethod
    def begin(name: str = "") -> None:
        main_thread.required("Undo")
        state().open.append((name, state().snapshot()))

    @staticmethod
    def name(name: str) -> None:
        state().open[-1] = (name, state().open[-1][1])

    @staticmethod
    def end() -> None:
        step = state().open.pop()
        if not state().open and not state().undo_off:
            state().undo.append(step)

    @staticmethod
    def cancel() -> None:
        if state().open:
            state().restore(state().open.pop()[1])

    @staticmethod
    def disable() -> None:
        state().undo_off += 1

    @staticmethod
    def enable() -> None:
        if not state().undo_off:
            raise RuntimeError("undo was not disabled")
        state().undo_off -= 1

    @staticmethod
    def undo() -> None:
        state().restore(state().undo.pop()[1])


class CancelledError(Exception):
    """The artist stopped it."""


class Constructors:
    """``nuke.nodes``."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in NODES or name == "Root":
            raise AttributeError(f"nuke.nodes has no {name}")

        def make(**given: Any) -> Any:
            made = nodes.Group(name, here()) if name == "Group" else nodes.Node(name, here())
            for key, value in given.items():
                made[key].setValue(value)
            return made

        return make


def here() -> Any:
    """Return the group that new nodes go into."""
    return state().groups[-1] if state().groups else state().root


def createNode(typ: str, knobs: str = "", inpanel: bool = True) -> Any:
    """Make a node behind the selected one; gizmos are looked for on the plug-in path."""
    if knobs:
        raise NotImplementedError
    picked = [n for n in here().members if n["selected"].value()]
    if typ in NODES:
        new = getattr(Constructors(), typ)()
    else:
        found = [f for p in state().plugin_paths for f in (Path(p) / f"{typ}.gizmo",) if f.is_file()]
        if not found:
            raise RuntimeError(f"{typ}: Unknown command")
        (new,) = script.read(found[0].read_text(), here())
    if picked and new.inputs():
        new.setInput(0, picked[0])
    for n in picked:
        n["selected"].setValue(False)
    new["selected"].setValue(True)
    if inpanel and state().gui:
        new.showControlPanel()
    return new


def toNode(s: str) -> Any:
    at: Any = here()
    for part in s.split("."):
        at = next((n for n in getattr(at, "members", []) if n.name() == part), None)
    return at


def allNodes(filter: str = "", group: Any = None) -> list[Any]:
    main_thread.required("allNodes")
    return [n for n in (group or here()).members if filter in ("", n.Class())]


def selectedNodes(filter: str = "") -> list[Any]:
    return [n for n in allNodes(filter) if n["selected"].value()]


def selectedNode() -> Any:
    found = selectedNodes()
    if not found:
        raise ValueError("no node selected")
    return found[0]


def delete(n: Any) -> None:
    main_thread.required("delete")
    for call, kind in list(state().destroy_calls):
        if kind in ("*", n.Class()):
            with state().this(n):
                call()
    for other in n.group.members:
        other.wires = [None if w is n else w for w in other.wires]
    n.group.members.remove(n)
    n.gone = True
    state().record(n)


def root() -> Any:
    return state().root


def frame(f: int | None = None) -> int:
    main_thread.required("frame")
    if f is not None:
        if not isinstance(f, int):
            raise TypeError(f"a frame is a whole number, not {f!r}")
        state().frame = f
    return state().frame


def thisNode() -> Any:
    if not state().these:
        raise ValueError("there is no node in this context")
    return state().these[-1]


def execute(nameOrNode: Any, start: int, end: int, incr: int = 1) -> None:
    """Render a Write: the script is written, parsed and evaluated."""
    from tests.hosts.nuke import rendering

    main_thread.required("execute")
    state().executed.append((nameOrNode.name(), start, end))
    for count, number in enumerate(range(start, end + 1, incr)):
        if state().interrupt_after is not None and count >= state().interrupt_after:
            raise CancelledError("Cancelled")
        rendering.write(script.write(state().root), nameOrNode.name(), number)


def message(prompt: str) -> None:
    if not state().gui:
        raise RuntimeError("there is no window to show a message in")
    state().messages.append(prompt)


def pluginAddPath(args: str, addToSysPath: bool = True) -> None:
    if not Path(args).is_absolute():
        raise RuntimeError(f"the fake knows no folder that {args} is in")
    state().plugin_paths.insert(0, args)


def pluginPath() -> list[str]:
    return list(state().plugin_paths)


def addOnDestroy(call: Any, args: Any = (), kwargs: Any = {}, nodeClass: str = "*") -> None:
    if args or kwargs:
        raise NotImplementedError
    state().destroy_calls.append((call, nodeClass))


def removeOnDestroy(call: Any, args: Any = (), kwargs: Any = {}, nodeClass: str = "*") -> None:
    if args or kwargs:
        raise NotImplementedError
    state().destroy_calls.remove((call, nodeClass))


def addOnScriptClose(call: Any, args: Any = (), kwargs: Any = {}, nodeClass: str = "*") -> None:
    if args or kwargs or nodeClass != "*":
        raise NotImplementedError
    state().close_calls.append(call)


def scriptSaveAs(filename: str = "", overwrite: int = -1) -> None:
    if Path(filename).exists() and overwrite != 1:
        raise RuntimeError(f"{filename} exists")
    Path(filename).write_text(script.write(state().root))
    state().root.knob_table["name"]._value = filename


def scriptReadFile(s: str) -> None:
    script.read(Path(s).read_text(), here())


KNOBS = (
    "String_Knob", "File_Knob", "Int_Knob", "Enumeration_Knob", "Boolean_Knob", "Double_Knob", "XY_Knob",
    "BBox_Knob", "Tab_Knob", "PyScript_Knob", "Text_Knob",
)  # fmt: skip
FUNCTIONS = (
    createNode, toNode, allNodes, selectedNodes, selectedNode, delete, root, frame, thisNode, execute,
    message, pluginAddPath, pluginPath, addOnDestroy, removeOnDestroy, addOnScriptClose, scriptSaveAs,
    scriptReadFile, menus.menu, menus.getPaneFor, main_thread.executeInMainThread,
    main_thread.executeInMainThreadWithResult,
)  # fmt: skip


def module(*, gui: bool, version: str = "14.0v5") -> types.ModuleType:
    """Return a module ``nuke``."""
    made = types.ModuleType("nuke")
    for function in FUNCTIONS:
        setattr(made, function.__name__, function)
    for name in KNOBS:
        setattr(made, name, getattr(k, name))
    made.__dict__.update(
        Undo=Undo, CancelledError=CancelledError, nodes=Constructors(), GUI=gui,
        STARTLINE=k.STARTLINE, INVISIBLE=k.INVISIBLE, TO_SCRIPT=k.TO_SCRIPT, EXPRESSIONS=k.EXPRESSIONS,
        WRITE_NON_DEFAULT_ONLY=k.WRITE_NON_DEFAULT_ONLY,
        NUKE_VERSION_STRING=version, NUKE_VERSION_MAJOR=int(version.split(".", maxsplit=1)[0]),
    )  # fmt: skip
    return made
