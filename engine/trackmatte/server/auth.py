"""Who may ask: this machine's user, by token, from no foreign page."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trackmatte.server import wire
from trackmatte.server.refusal import Refusal, error_of
from trackmatte_client.protocol.operations import STATUS

SAFE = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every answer; there are no CORS headers, so no other page may read one."""


def refused(problem: Exception) -> Response:
    """Return the answer to a request that is refused."""
    error = error_of(problem)
    status = STATUS[error.code]
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return Response(wire.encode(error), status, headers, "application/json")


class Guard:
    """Lets through what comes from this machine's user.

    ``Host`` must be this server's, so that no foreign name that resolves to 127.0.0.1 (DNS rebinding) is
    served; ``Origin``, which browsers send, must be this server's own; operations need the bearer token.
    The files of the page need none: they hold nothing, and the page gets its token in the URL's fragment,
    which no browser sends.
    """

    def __init__(self, app: ASGIApp, *, port: int, token: str) -> None:
        self.app, self._token = app, token.encode()
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._origins = {f"http://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return

        async def safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(k.lower().encode(), v.encode()) for k, v in SAFE.items()]
                had = list(message.get("headers", []))
                if not any(name == b"cache-control" for name, _ in had):
                    had.append((b"cache-control", b"no-cache"))  # the page may be another after an update
                message["headers"] = [*had, *extra]
            await send(message)

        try:
            self._check(scope)
        except Refusal as e:
            await refused(e)(scope, receive, safely)
            return
        await self.app(scope, receive, safely)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if len(headers.getlist("host")) != 1 or headers["host"] not in self._hosts:
            raise Refusal(
                "forbidden_host", "ask 127.0.0.1 or localhost at the engine's port, by no other name"
            )
        if any(origin not in self._origins for origin in headers.getlist("origin")):
            raise Refusal("forbidden_origin", "another site's page may not use the engine")
        path = scope["path"]
        if path == "/hello" or path.startswith("/v1"):
            kind, _, token = headers.get("authorization", "").partition(" ")
            same = hmac.compare_digest(token.encode("latin-1"), self._token)
            if kind.lower() != "bearer" or not same:
                raise Refusal(
                    "unauthorized",
                    "the token is missing or wrong; it is in engine.json in the runtime folder",
                )
