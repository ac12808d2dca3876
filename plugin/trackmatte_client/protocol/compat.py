"""``Literal``, which Python 3.7 lacks."""

from __future__ import annotations

import sys
from typing import Any

if sys.version_info >= (3, 8):
    from typing import Literal
else:

    class Literal:
        """Holds its values as the real one does."""

        def __class_getitem__(cls, values: Any) -> type:
            """Return a type with ``__origin__`` and ``__args__``."""
            args = values if isinstance(values, tuple) else (values,)
            return type("Literal", (), {"__origin__": cls, "__args__": args})


__all__ = ["Literal"]
