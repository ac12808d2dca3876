"""Why a request is refused: codes, HTTP statuses, and the command line's own sentences."""

from __future__ import annotations

import logging

from trackmatte.errors import (
    ClipError,
    DeviceError,
    MissingPartError,
    OutputError,
    PromptError,
    ShotError,
    TrackmatteError,
    UsageError,
)
from trackmatte_client.protocol.messages import Error, ShotState
from trackmatte_client.protocol.operations import EXIT

CODES: dict[type[TrackmatteError], str] = {
    UsageError: "usage",
    ClipError: "clip",
    PromptError: "prompt",
    ShotError: "shot",
    OutputError: "output",
    MissingPartError: "missing_part",
    DeviceError: "device",
}
log = logging.getLogger("trackmatte.server")


class Refusal(Exception):  # noqa: N818
    """A request that the server itself refuses.

    Parameters
    ----------
    code : one of `trackmatte_client.protocol.operations.STATUS`.
    shot : with ``stale``, how the shot is now.
    """

    def __init__(self, code: str, message: str, shot: ShotState | None = None) -> None:
        super().__init__(message)
        self.code, self.shot = code, shot


def error_of(problem: Exception) -> Error:
    """Return what a client is told of an exception; one that nobody foresaw goes to the log in full."""
    message = str(problem)
    if isinstance(problem, Refusal):
        return Error(problem.code, message, EXIT.get(problem.code, 2), problem.shot)
    for kind, code in CODES.items():
        if isinstance(problem, kind):
            return Error(code, message, kind.exit_code)
    log.error("unforeseen", exc_info=problem)
    return Error(
        "internal", f"the engine has a bug ({type(problem).__name__}: {message}); engine.log has the details"
    )
