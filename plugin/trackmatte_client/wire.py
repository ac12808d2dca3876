"""Messages to JSON values and back, with the standard library alone."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any, Dict, Tuple, TypeVar

from .errors import EngineError
from .protocol.compat import Literal

T = TypeVar("T")
_HINTS: dict[Any, dict[str, tuple[Any, bool]]] = {}


def encode(message: Any) -> Any:
    """Return a message as what `json.dumps` takes."""
    return dataclasses.asdict(message)


def parse(text: bytes) -> Any:
    """Return the JSON value in a text.

    Raises
    ------
    EngineError : it is none.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as e:
        raise EngineError("malformed", f"the engine's answer is not JSON ({e}); start it again") from e


def decode(cls: type[T], value: Any) -> T:
    """Return the message of type ``cls`` in a parsed JSON value; fields it does not know are left out.

    Raises
    ------
    EngineError : the value is no such message.
    """
    try:
        return _decode(cls, value)  # type: ignore[no-any-return]
    except (TypeError, ValueError, KeyError) as e:
        raise EngineError(
            "malformed", f"the engine's answer is no {cls.__name__} ({e}); update engine and plug-in"
        ) from e


def _decode(kind: Any, value: Any) -> Any:  # noqa: PLR0911 (one line per kind)
    origin: Any = getattr(kind, "__origin__", None)
    args: Any = getattr(kind, "__args__", ())
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _message(kind, value)
    if origin is Literal:
        if value not in args:
            raise ValueError(f"{value!r} is none of {args}")
        return value
    if origin is tuple:
        return _tuple(args, value)
    if origin is dict:
        return {str(k): _decode(args[1], v) for k, v in _is(dict, value).items()}
    if kind is float:
        return float(_is((int, float), value))
    return _is(kind, value)


def _message(kind: Any, value: Any) -> Any:
    given = _is(dict, value)
    found = {}
    for name, (hint, optional) in hints(kind).items():
        if name in given:
            item = given[name]
            found[name] = None if optional and item is None else _decode(hint, item)
    return kind(**found)


def hints(message: Any) -> dict[str, tuple[Any, bool]]:
    """Return the kind of each field of a message and whether it may be None.

    `typing.get_type_hints` cannot read ``tuple[A]`` and ``A | None`` before Python 3.10.
    """
    known = _HINTS.get(message)
    if known is None:
        names = {**vars(sys.modules[message.__module__]), "tuple": Tuple, "dict": Dict}
        known = {}
        for field in dataclasses.fields(message):
            kind, _, none = str(field.type).partition(" | ")
            if none not in ("", "None"):
                raise TypeError(f"{field.type} of {message.__name__}.{field.name} is too much")
            known[field.name] = (eval(kind, names), bool(none))  # our own annotations
        _HINTS[message] = known
    return known


def _tuple(args: Any, value: Any) -> tuple[Any, ...]:
    items = _is(list, value)
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_decode(args[0], v) for v in items)
    if len(items) != len(args):
        raise ValueError(f"{len(items)} values in place of {len(args)}")
    return tuple(_decode(a, v) for a, v in zip(args, items))


def _is(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{value!r} is no {kind}")
    return value
