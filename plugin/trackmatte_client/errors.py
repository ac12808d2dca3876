"""What can go wrong between a host and the engine.

    EngineError                    the engine refused, or a job failed: ``code`` and one sentence
    ├── Stale                      someone else edited the shot meanwhile: ``shot`` is how it is now
    ├── EngineMissing              there is no engine, or it does not start
    ├── EngineDied                 it was there and is gone
    ├── EngineTooOld               the engine must be updated
    └── ClientTooOld               the plug-in must be updated

Every message is one sentence that a host shows as it is.
"""

from __future__ import annotations

from .protocol.messages import ShotState


class EngineError(Exception):
    """The engine refused; ``code`` is one of docs/protocol.md's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class Stale(EngineError):  # noqa: N818
    """Someone else edited the shot; ``shot`` is how it is now, so look at it and edit again."""

    def __init__(self, message: str, shot: ShotState) -> None:
        super().__init__("stale", message)
        self.shot = shot


class EngineMissing(EngineError):  # noqa: N818
    """There is no engine, or it does not start."""

    def __init__(self, message: str) -> None:
        super().__init__("engine_missing", message)


class EngineDied(EngineError):  # noqa: N818
    """The engine was there and is gone."""

    def __init__(self, message: str) -> None:
        super().__init__("engine_died", message)


class EngineTooOld(EngineError):  # noqa: N818
    """The engine speaks an older protocol."""

    def __init__(self, message: str) -> None:
        super().__init__("engine_too_old", message)


class ClientTooOld(EngineError):  # noqa: N818
    """The engine speaks a newer protocol."""

    def __init__(self, message: str) -> None:
        super().__init__("client_too_old", message)
