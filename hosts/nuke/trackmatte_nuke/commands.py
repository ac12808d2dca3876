"""What the node's buttons and the menus do; errors are told to the artist in one sentence."""

from __future__ import annotations

import importlib
import weakref
from typing import TYPE_CHECKING, Any

import nuke

from . import knobs, selftest, session, setups
from . import node as nodes
from .model import Box, NodeError, Point

if TYPE_CHECKING:
    from typing import Callable

CLASS = "Trackmatte"
PANEL = "__import__('trackmatte_nuke.commands', fromlist=['commands']).make_panel"
"""What Nuke evaluates when it makes a panel."""
_asked: list[nodes.NukeNode] = []
_panels: list[Any] = []
"""Weak references to the panels that were made."""


def add_menus() -> None:
    """Add Trackmatte to Nuke's menus; called once, when a Nuke with a window starts."""
    place = nuke.menu("Nodes").addMenu("Trackmatte")
    place.addCommand("Trackmatte", create)
    tools = nuke.menu("Nuke").addMenu("Trackmatte")
    tools.addCommand("Open Panel", _on_selected(open_panel))
    tools.addCommand("Cut-out", _on_selected(cutout))
    tools.addCommand("Blur Background", _on_selected(blur))
    tools.addCommand("Despill", _on_selected(despill))
    tools.addCommand("Layers", _on_selected(layers))
    tools.addCommand("Self-test", run_selftest)
    nuke.addOnScriptClose(session.close_all)
    _add_panel()


def create() -> Any:
    """Add a Trackmatte node behind the selected one."""
    return nuke.createNode(CLASS)


def track(node: Any = None) -> None:
    """Follow the subject through the clip."""
    _tell(node, lambda n: _begun(n, session.of(nodes.of(n)).track()))


def matte(node: Any = None) -> None:
    """Track what is missing, refine it and bring the matte into the script."""
    _tell(node, lambda n: _begun(n, session.of(nodes.of(n)).matte()))


def stop(node: Any = None) -> None:
    """Stop after the frame in hand."""

    def work(n: Any) -> list[str]:
        session.of(nodes.of(n)).stop()
        return []

    _tell(node, work)


def add_point(node: Any = None) -> None:
    """Put a point of the subject into the middle of the picture, to be dragged."""
    _tell(node, lambda n: _add_point(n, subject=True))


def add_background(node: Any = None) -> None:
    """Put a point of the background there."""
    _tell(node, lambda n: _add_point(n, subject=False))


def add_box(node: Any = None) -> None:
    """Put a box around the middle of the picture, to be dragged."""

    def work(n: Any) -> list[str]:
        at = nodes.of(n)
        state = at.read()
        at.set_box(Box("", state.selected, state.frame, 0.25, 0.25, 0.75, 0.75))
        return []

    _tell(node, work)


def cutout(node: Any = None) -> None:
    """Add the subject alone."""
    _tell(node, setups.cutout)


def blur(node: Any = None) -> None:
    """Add the subject over its blurred background, as the node's knobs say."""
    _tell(node, lambda n: setups.blur(n, float(n["blur_size"].value()), str(n["lens"].value())))


def despill(node: Any = None) -> None:
    """Add the subject in its own colours, straight."""
    _tell(node, setups.despill)


def layers(node: Any = None) -> None:
    """Add a layer for every object to the plate."""
    _tell(node, setups.layers)


def open_panel(node: Any = None) -> None:
    """Show the panel on a node."""

    def work(n: Any) -> list[str]:
        _asked[:] = [nodes.of(n)]
        opened = [p() for p in _panels if p() is not None]
        if opened:
            opened[-1].show_node(_asked[0])
            opened[-1].window().raise_()
        else:
            try:
                importlib.import_module(".panel", __package__)
            except ImportError as e:
                raise NodeError(f"the panel needs the PySide that Nuke brings: {e}") from e
            _add_panel(opened=True)
        return []

    _tell(node, work)


def make_panel() -> Any:
    """Return a new panel; Nuke calls this for every place that it is put into."""
    from .panel import Panel

    made = Panel(_node_to_show)
    _panels.append(weakref.ref(made))
    return made


def run_selftest() -> str:
    """Try everything that Trackmatte asks of Nuke, write a report and say where it is."""
    path = selftest.run()
    nuke.message(f"Trackmatte's self-test has written {path}")
    return path


def say(node: Any, lines: list[str], *, bad: bool = False) -> None:
    """Show lines on a node, bad ones in a window as well where there is one."""
    nodes.of(node).say("; ".join(lines))
    if bad and nuke.GUI:
        nuke.message("\n".join(lines))


def _tell(node: Any, work: Callable[[Any], list[str]]) -> None:
    """Do something for a node; say on it what came of it, or what is wrong."""
    at = nuke.thisNode() if node is None else node
    try:
        lines = work(at)
    except NodeError as e:
        say(at, [str(e)], bad=True)
        return
    if lines:
        say(at, lines)


def _begun(node: Any, begun: bool) -> list[str]:
    at = session.of(nodes.of(node))
    if not begun and at.status.bad:
        raise NodeError(" ".join(at.status.lines))
    return []


def _add_point(node: Any, *, subject: bool) -> list[str]:
    at = nodes.of(node)
    state = at.read()
    # Beside the middle, so that a second handle does not lie on the first.
    here = sum(1 for p in state.points if p.frame == state.frame)
    at.set_point(Point("", state.selected, state.frame, 0.5 + 0.04 * (here % 5), 0.5, subject))
    return []


def _on_selected(command: Callable[[Any], None]) -> Callable[[], None]:
    """Return a command for the selected Trackmatte node."""

    def work() -> None:
        found = [n for n in nuke.selectedNodes() if knobs.is_ours(n)]
        if not found:
            nuke.message("Select a Trackmatte node first.")
            return
        command(found[0])

    return work


def _node_to_show() -> Any:
    """Return the selected Trackmatte node, else the one whose panel was asked for; None = there is none."""
    found = [n for n in nuke.selectedNodes() if knobs.is_ours(n)]
    if found:
        return nodes.of(found[0])
    return next((n for n in _asked if n.alive()), None)


def _add_panel(*, opened: bool = False) -> None:
    """Let Nuke's menu of panes know the panel; open one beside the properties where that is asked for."""
    from nukescripts import panels

    made = panels.registerWidgetAsPanel(PANEL, "Trackmatte", "trackmatte.panel", create=opened)
    if opened:
        made.addToPane(nuke.getPaneFor("Properties.1"))
