"""What a user does in the host: handles, buttons, and reading what comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from tests.hosts.ofx import model
from tests.hosts.ofx.driver import Host

Starter = Callable[..., AbstractContextManager[Host]]


def clip(count: int = 6, dtype: Any = np.uint8) -> np.ndarray:
    """Return frames of noise, each another one."""
    r = np.random.default_rng(11)
    return model.from_float(r.random((count, 20, 50, 4), np.float32), np.dtype(dtype))


def point(host: Host, number: int, x: float, y: float, sign: int = 1) -> None:
    """Put a handle somewhere in the host's coordinates; what it means: 0 off, 1 keep, 2 leave out."""
    host.set(f"point{number}", f"{x} {y}")
    host.set(f"sign{number}", sign)


def prompts(host: Host) -> Any:
    """Return the prompts parameter."""
    return json.loads(host.text("prompts"))


def press(host: Host, param: str, **more: Any) -> None:
    """Press a button; the host gets OK whatever happens."""
    assert host.ask("press", param=param, **more)["status"] == 0
