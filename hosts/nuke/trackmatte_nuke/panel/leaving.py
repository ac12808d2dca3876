"""What a panel leaves behind in good order."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Callable

    from ..pictures import Pictures
    from ..session import Session


class Leaving:
    """What is left to do when the widget is gone; holds no widget."""

    def __init__(self) -> None:
        self.gone = False
        self.pictures: Pictures | None = None
        self._session: Session | None = None
        self._listener: weakref.WeakMethod[Callable[[], None]] | None = None

    def watch(self, session: Session, listener: Callable[[], None]) -> None:
        """Remember who is to be told no more."""
        self._session, self._listener = session, weakref.WeakMethod(listener)

    def __call__(self, *_: object) -> None:
        self.gone = True
        if self.pictures is not None:
            self.pictures.close()
        listener = self._listener() if self._listener is not None else None
        if self._session is not None and listener in self._session.listeners:
            self._session.listeners.remove(listener)
