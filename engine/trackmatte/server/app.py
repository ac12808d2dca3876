"""The routes: HTTP in and out, one per operation of the protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from trackmatte.server import wire
from trackmatte.server.auth import Guard, refused
from trackmatte.server.engine import Engine
from trackmatte.server.handlers import HANDLERS, Call
from trackmatte.server.images import Image
from trackmatte.server.jobs import ENDED, Job
from trackmatte.server.refusal import Refusal
from trackmatte_client.protocol.events import Heartbeat
from trackmatte_client.protocol.operations import HEARTBEAT, OPERATIONS, Operation

WEB = Path(__file__).with_name("web")
"""The built web page."""
LOOK = 0.05
"""Seconds between two looks into the log of a job that someone follows."""
JSON = "application/json"
Endpoint = Callable[[Request], Awaitable[Response]]


def build(engine: Engine, *, port: int, token: str) -> Guard:
    """Return the server's application; without a built web page it serves hosts all the same."""
    routes: list[BaseRoute] = []
    for operation in OPERATIONS.values():
        route = Route(operation.route, _endpoint(engine, operation), methods=[operation.method])
        route.methods = {operation.method}  # starlette adds HEAD to GET
        routes.append(route)
    for path in {operation.route for operation in OPERATIONS.values()}:
        route = Route(path, _other_method)
        route.methods = None  # any: else the page's files below would be asked for it
        routes.append(route)
    if (WEB / "index.html").is_file():
        routes.append(Mount("/", StaticFiles(directory=WEB, html=True)))
    else:
        routes.append(Route("/", _no_page))
    handlers = {HTTPException: _http_error, Exception: _bug}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return Guard(app, port=port, token=token)


def _endpoint(engine: Engine, operation: Operation) -> Endpoint:
    async def answer(request: Request) -> Response:
        engine.touch()
        try:
            query = _query(operation, request)
            message = await _message(operation, request)
            call = Call(engine, message, request.path_params, query)
            if operation.name == "events":
                return _follow(call)
            known = request.headers.get("if-none-match", "")
            return await run_in_threadpool(_answer, operation, call, known)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as e:
            return refused(e)

    return answer


def _answer(operation: Operation, call: Call, known: str) -> Response:
    result = HANDLERS[operation.name](call)
    if not isinstance(result, Image):
        return Response(wire.encode(result), media_type=JSON, headers={"Cache-Control": "no-store"})
    headers = {"ETag": f'"{result.tag}"', "Cache-Control": "private, no-cache"}
    if headers["ETag"] in [tag.strip() for tag in known.split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(result.make(), media_type=result.kind, headers=headers)


def _query(operation: Operation, request: Request) -> dict[str, str]:
    """Return the parameters after the question mark."""
    asked = dict(request.query_params)
    names = {name.rstrip("?") for name in operation.query}
    for name in asked:
        if name not in names or len(request.query_params.getlist(name)) > 1:
            raise Refusal("malformed", f"{operation.route} takes no parameter {name!r}, or takes it once")
    for name in operation.query:
        if not name.endswith("?") and name not in asked:
            raise Refusal("malformed", f"{operation.route} needs the parameter {name!r}")
    return asked


async def _message(operation: Operation, request: Request) -> Any:
    """Return the message in the body."""
    if operation.request is None:
        return None
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:
        raise Refusal("content_type", f"{operation.route} takes {JSON}, not {kind or 'nothing'}")
    body = bytearray()
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > 4 * operation.limit:
            break
        # What is too much is still read for a while: a client that is cut off would not see the answer.
        if size > operation.limit:
            body.clear()
        else:
            body += chunk
    if size > operation.limit:
        raise Refusal(
            "too_large",
            f"the message has more than {operation.limit >> 20} MiB, the most {operation.route} takes",
        )
    return await run_in_threadpool(wire.decode, operation.request, bytes(body))


def _follow(call: Call) -> Response:
    job = call.engine.jobs.get(call.place["job"])
    after = call.number(call.query.get("after", "0"), "after")
    stream = _events(call.engine, job, after)
    return StreamingResponse(stream, media_type="application/x-ndjson", headers={"Cache-Control": "no-store"})


async def _events(engine: Engine, job: Job, after: int) -> AsyncIterator[bytes]:
    """Yield a job's events as lines, until it ends or the engine does."""
    engine.streams += 1
    quiet = 0.0
    try:
        while True:
            ended = job.status in ENDED
            news = job.since(after)
            for event in news:
                after = getattr(event, "seq", after)
                yield wire.encode(event) + b"\n"
            if ended or (engine.stopping.is_set() and not engine.jobs.active()):
                return
            quiet = 0.0 if news else quiet + LOOK
            if quiet >= HEARTBEAT:
                quiet = 0.0
                yield wire.encode(Heartbeat()) + b"\n"
            await asyncio.sleep(LOOK)
    finally:
        engine.streams -= 1
        engine.touch()


async def _other_method(request: Request) -> Response:
    return refused(_no_method(request))


async def _no_page(_: Request) -> Response:
    return refused(
        Refusal("not_found", "this installation has no web page; hosts and the command line work without it")
    )


async def _http_error(request: Request, problem: Exception) -> Response:
    status = getattr(problem, "status_code", 404)
    if status == 405:
        return refused(_no_method(request))
    return refused(Refusal("not_found", f"there is nothing at {request.url.path}; see docs/protocol.md"))


def _no_method(request: Request) -> Refusal:
    return Refusal("method", f"{request.url.path} does not take {request.method}")


async def _bug(_: Request, problem: Exception) -> Response:
    return refused(problem)
