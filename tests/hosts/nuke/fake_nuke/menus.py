"""Menus and panes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .state import state

KNOWN = ("Nuke", "Nodes", "Pane", "Viewer", "Animation", "Properties")


class Menu:
    """A menu or a place in it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.children: dict[str, Any] = {}

    def addMenu(self, name: str, icon: str = "", tooltip: str = "", index: int = -1) -> Menu:
        found: Menu = self.children.setdefault(name, Menu(name))
        return found

    def addCommand(
        self,
        name: str,
        command: Any = None,
        shortcut: str = "",
        icon: str = "",
        tooltip: str = "",
    ) -> Item:
        item = Item(name, command)
        self.children[name] = item
        return item

    def addSeparator(self) -> None:
        return

    def findItem(self, name: str) -> Any:
        return self.children.get(name)


class Item:
    """A command in a menu."""

    def __init__(self, name: str, command: Callable[[], Any] | str) -> None:
        self._name, self.command = name, command

    def invoke(self) -> None:
        if isinstance(self.command, str):
            exec(self.command, {})
        else:
            self.command()


def menu(name: str) -> Menu:
    """Return one of Nuke's menus; there are none without a window."""
    if not state().gui:
        raise RuntimeError("there are no menus without a window")
    if name not in KNOWN:
        raise RuntimeError(f"there is no menu {name}")
    found: Menu = state().menus.setdefault(name, Menu(name))
    return found


def getPaneFor(panelName: str) -> Any:
    """Return the pane that holds a panel; None when there is none."""
    return state().panes.get(panelName)
