"""Names to classes, loaded on first use; third parties join through entry points."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar, cast

from trackmatte.errors import UsageError

T = TypeVar("T")


class Registry(Generic[T]):
    """A family of interchangeable parts.

    Parameters
    ----------
    kind : singular noun for messages, e.g. ``"tracker"``.
    builtin : name -> ``"module:Class"``; nothing is imported before it is asked for.

    Third-party packages add parts under the entry-point group ``trackmatte.<kind>s``.
    """

    def __init__(self, kind: str, builtin: dict[str, str]) -> None:
        self.kind = kind
        self._builtin = builtin

    def _all(self) -> dict[str, str]:
        found = {e.name: e.value for e in entry_points(group=f"trackmatte.{self.kind}s")}
        return {**found, **self._builtin}

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._all()))

    def get(self, name: str) -> type[T]:
        """Return the class registered as ``name``.

        Raises
        ------
        UsageError : no such part; the message lists those there are.
        """
        parts = self._builtin if name in self._builtin else self._all()  # looking for others takes 10 ms
        if name not in parts:
            raise UsageError(f"no {self.kind} is called {name!r}; there are: {', '.join(sorted(parts))}")
        module, _, cls = parts[name].partition(":")
        return cast("type[T]", getattr(import_module(module), cls))
