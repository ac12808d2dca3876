"""``nukescripts.panels``, after Foundry's own source of it: a widget is named by a text that is evaluated."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from . import menus
from .state import state


class PythonPanel:
    """A panel around a widget."""

    def __init__(self, widget: str, name: str) -> None:
        self.name = name
        make: Callable[[], Any] = eval(widget, {})
        self.widget = make()
        self.pane: Any = None

    def addToPane(self, pane: Any = None) -> PythonPanel:
        self.pane = pane
        state().opened.append(self)
        return self


def registerWidgetAsPanel(widget: str, name: str, id: str, create: bool = False) -> Any:
    """Add a panel to the menu of panes; make one when that is asked for."""
    if not isinstance(widget, str) or not id:
        raise TypeError("a widget is named by a text")
    menus.menu("Pane").addCommand(name, lambda: PythonPanel(widget, name).addToPane())
    return PythonPanel(widget, name) if create else None


def module() -> types.ModuleType:
    """Return a package ``nukescripts``."""
    package = types.ModuleType("nukescripts")
    package.panels = types.ModuleType("nukescripts.panels")  # type: ignore[attr-defined]
    package.panels.registerWidgetAsPanel = registerWidgetAsPanel
    return package
