"""Messages to JSON values and back, with the standard library alone."""

from __future__ import annotations

import dataclasses
import json
import types
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import EngineError

T = TypeVar("T")


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
    origin, args = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _message(kind, value)
    if origin in (Union, types.UnionType):
        return None if value is None else _decode(next(a for a in args if a is not type(None)), value)
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
    hints = get_type_hints(kind)
    given = _is(dict, value)
    return kind(**{k: _decode(hint, given[k]) for k, hint in hints.items() if k in given})


def _tuple(args: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    items = _is(list, value)
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_decode(args[0], v) for v in items)
    if len(items) != len(args):
        raise ValueError(f"{len(items)} values in place of {len(args)}")
    return tuple(_decode(a, v) for a, v in zip(args, items, strict=True))


def _is(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{value!r} is no {kind}")
    return value
