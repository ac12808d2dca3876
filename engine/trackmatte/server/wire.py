"""Messages in and out: validated by msgspec, unknown keys refused."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from trackmatte.server.refusal import Refusal

T = TypeVar("T")


def decode(cls: type[T], body: bytes) -> T:
    """Return the message in a request's body.

    Raises
    ------
    Refusal : it is no JSON (``malformed``), has a key too many, lacks one, or one has the wrong type.
    """
    try:
        raw = msgspec.json.decode(body)
        _refuse_unknown(cls, raw, "$")
        return msgspec.convert(raw, cls)
    except msgspec.ValidationError as e:
        raise Refusal("malformed", f"the message is no {cls.__name__}: {e}; see docs/protocol.md") from e
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise Refusal("malformed", f"the message is not valid JSON ({e}); see docs/protocol.md") from e


def encode(message: Any) -> bytes:
    """Return a message as JSON."""
    return msgspec.json.encode(message)


def _refuse_unknown(kind: Any, value: Any, where: str) -> None:
    """Look for keys that the dataclasses in ``kind`` do not have."""
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        hints = get_type_hints(kind)
        for key, inner in value.items():
            if key not in hints:
                raise msgspec.ValidationError(f"Object contains unknown field `{key}` - at `{where}`")
            _refuse_unknown(hints[key], inner, f"{where}.{key}")
        return
    for part in get_args(kind):
        for inner in value if isinstance(value, list) else [value]:
            _refuse_unknown(part, inner, where)
