"""One method per operation of the engine."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from . import wire
from .errors import ClientTooOld, EngineDied, EngineError, EngineTooOld, Stale
from .protocol import messages as m
from .protocol.events import EVENTS, Event
from .protocol.operations import HEARTBEAT, OPERATIONS, PROTOCOL, Operation

HOST = "127.0.0.1"
QUICK, SLOW = 10.0, 600.0
"""Seconds to wait for what only looks something up, and for what computes."""
T = TypeVar("T")


@dataclass(frozen=True)
class Address:
    """How to reach a running engine."""

    port: int
    token: str = field(repr=False)
    pid: int = 0


class Client:
    """Talks to a running engine; may be used from several threads.

    Every method raises `EngineError` with the engine's own sentence, `EngineDied` when it is gone, and
    edits raise `Stale` when the shot is no longer at the revision they were made on.
    """

    def __init__(self, address: Address) -> None:
        self.address = address

    def hello(self, timeout: float = QUICK) -> m.Hello:
        """Say who is there, and make sure that the two understand each other.

        Raises
        ------
        EngineTooOld, ClientTooOld : they do not; the message says which side to update.
        """
        found = self._ask("hello", m.Hello, timeout=timeout)
        if found.protocol < PROTOCOL:
            raise EngineTooOld(
                f"the engine {found.engine} speaks protocol {found.protocol} and this plug-in {PROTOCOL}; "
                "update the engine: pip install --upgrade trackmatte"
            )
        if found.protocol > PROTOCOL:
            raise ClientTooOld(
                f"the engine {found.engine} speaks protocol {found.protocol} and this plug-in {PROTOCOL}; "
                "update the plug-in"
            )
        return found

    def capabilities(self) -> m.Capabilities:
        """Say what can be done here."""
        return self._ask("capabilities", m.Capabilities, timeout=SLOW)

    def shut_down(self) -> None:
        """Cancel all jobs and stop the engine."""
        self._ask("shut_down", m.Done)

    def create_shot(self, request: m.CreateShot) -> m.ShotState:
        """Make a shot file for a clip and open it."""
        return self._ask("create_shot", m.ShotState, request, timeout=SLOW)

    def open_shot(self, path: str, grid: str | None = None) -> m.ShotState:
        """Open a shot file."""
        return self._ask("open_shot", m.ShotState, m.OpenShot(path, grid), timeout=SLOW)

    def list_shots(self) -> m.ShotList:
        """List the open shots."""
        return self._ask("list_shots", m.ShotList)

    def shot_state(self, shot: str) -> m.ShotState:
        """Say how a shot stands."""
        return self._ask("shot_state", m.ShotState, shot=shot, timeout=SLOW)

    def close_shot(self, shot: str) -> None:
        """Close a shot; its file and cache stay."""
        self._ask("close_shot", m.Done, shot=shot)

    def put_prompt(
        self, shot: str, revision: int, prompt: m.Prompt, *, keep_mask: bool = False
    ) -> m.Prompted:
        """Replace what is said about an object on a frame."""
        request = m.PutPrompt(revision, prompt, keep_mask)
        return self._ask("put_prompt", m.Prompted, request, shot=shot, timeout=SLOW)

    def add_prompt(self, shot: str, revision: int, prompt: m.Prompt) -> m.Prompted:
        """Add to what is said about an object on a frame, or correct its mask there."""
        return self._ask("add_prompt", m.Prompted, m.AddPrompt(revision, prompt), shot=shot, timeout=SLOW)

    def remove_prompt(self, shot: str, revision: int, frame: int, obj: str = "subject") -> m.ShotState:
        """Take back what is said about an object on a frame."""
        return self._ask("remove_prompt", m.ShotState, m.RemovePrompt(revision, frame, obj), shot=shot)

    def preview(self, shot: str, request: m.Preview) -> m.Selected:
        """Show what a prompt would select."""
        return self._ask("preview", m.Selected, request, shot=shot, timeout=SLOW)

    def forget_object(self, shot: str, revision: int, obj: str) -> m.ShotState:
        """Take back everything said about an object."""
        return self._ask("forget_object", m.ShotState, m.EditObject(revision, obj), shot=shot)

    def lock(self, shot: str, revision: int, obj: str, frames: m.Span) -> m.ShotState:
        """Freeze an object's frames: no pass changes them."""
        return self._ask("lock", m.ShotState, m.LockFrames(revision, obj, frames), shot=shot)

    def unlock(self, shot: str, revision: int, obj: str, frames: m.Span) -> m.ShotState:
        """Let an object's frames be recomputed."""
        return self._ask("unlock", m.ShotState, m.LockFrames(revision, obj, frames), shot=shot)

    def layers(self, shot: str, request: m.MakeLayers) -> m.JobState:
        """Start a job that splits a frame into soft layers."""
        return self._ask("layers", m.JobState, request, shot=shot)

    def layer_image(self, shot: str, number: int, layer: int, width: int = 960) -> bytes:
        """Return a layer of a frame that was split as a grey PNG."""
        return self._bytes("layer_image", shot, number, {"layer": layer, "width": width})

    def pick_layers(
        self, shot: str, revision: int, frame: int, layers: tuple[int, ...], obj: str = "subject"
    ) -> m.Prompted:
        """Make layers of a frame the mask of an object there."""
        request = m.PickLayers(revision, frame, layers, obj)
        return self._ask("pick_layers", m.Prompted, request, shot=shot, timeout=SLOW)

    def set_methods(self, shot: str, request: m.SetMethods) -> m.ShotState:
        """Set the selector and the refiner."""
        return self._ask("set_methods", m.ShotState, request, shot=shot)

    def set_range(self, shot: str, revision: int, frames: m.Span | None) -> m.ShotState:
        """Set in and out; None = the whole clip."""
        return self._ask("set_range", m.ShotState, m.SetRange(revision, frames), shot=shot)

    def undo(self, shot: str, revision: int) -> m.ShotState:
        """Undo the last edit."""
        return self._ask("undo", m.ShotState, m.Edit(revision), shot=shot)

    def redo(self, shot: str, revision: int) -> m.ShotState:
        """Redo what was undone."""
        return self._ask("redo", m.ShotState, m.Edit(revision), shot=shot)

    def track(self, shot: str, request: m.TrackFrames | None = None) -> m.JobState:
        """Start a job that tracks."""
        return self._ask("track", m.JobState, request or m.TrackFrames(), shot=shot)

    def matte(self, shot: str) -> m.JobState:
        """Start a job that refines masks into mattes."""
        return self._ask("matte", m.JobState, m.MatteFrames(), shot=shot)

    def export(self, shot: str, request: m.ExportFrames) -> m.JobState:
        """Start a job that delivers."""
        return self._ask("export", m.JobState, request, shot=shot)

    def export_plan(self, shot: str, request: m.ExportFrames) -> m.ExportPlan:
        """Return what an export would write."""
        return self._ask("export_plan", m.ExportPlan, request, shot=shot)

    def places(self, shot: str) -> m.Places:
        """List the frames that need the artist."""
        return self._ask("places", m.Places, shot=shot, timeout=SLOW)

    def next_place(self, shot: str, frame: int, obj: str | None = None) -> m.Place | None:
        """Find the first doubtful place after a frame."""
        query = {"frame": frame, "object": obj}
        return self._ask("next_place", m.NextPlace, shot=shot, query=query, timeout=SLOW).place

    def frame(self, shot: str, number: int, width: int = 960) -> bytes:
        """Return the plate as JPEG."""
        return self._bytes("frame", shot, number, {"width": width})

    def mask(self, shot: str, number: int, obj: str, width: int = 960) -> bytes:
        """Return an object's tracked mask as PNG."""
        return self._bytes("mask", shot, number, {"object": obj, "width": width})

    def matte_image(self, shot: str, number: int, obj: str, width: int = 960) -> bytes:
        """Return an object's matte as PNG."""
        return self._bytes("matte_image", shot, number, {"object": obj, "width": width})

    def list_jobs(self) -> tuple[m.JobState, ...]:
        """List the jobs."""
        return self._ask("list_jobs", m.JobList).jobs

    def job_state(self, job: str) -> m.JobState:
        """Say how a job stands."""
        return self._ask("job_state", m.JobState, job=job)

    def cancel_job(self, job: str) -> m.JobState:
        """Stop a job after the frame in hand; what is finished stays."""
        return self._ask("cancel_job", m.JobState, job=job)

    def events(self, job: str, after: int = 0) -> Iterator[Event]:
        """Follow a job; ends when the job or the connection does. See `trackmatte_client.job.Job`."""
        try:
            with _Answer(self, OPERATIONS["events"], {"job": job}, {"after": after}, 4 * HEARTBEAT) as answer:
                for line in answer.lines():
                    value = wire.parse(line)
                    kind = EVENTS.get(str(value.get("event"))) if isinstance(value, dict) else None
                    if kind is not None:
                        yield wire.decode(kind, value)
        except _Broken:
            return

    def _ask(
        self,
        name: str,
        reply: type[T],
        request: Any = None,
        *,
        query: dict[str, Any] | None = None,
        timeout: float = QUICK,
        **place: str,
    ) -> T:
        return wire.decode(reply, wire.parse(self._whole(name, place, query or {}, request, timeout)))

    def _bytes(self, name: str, shot: str, number: int, query: dict[str, Any]) -> bytes:
        return self._whole(name, {"shot": shot, "number": str(number)}, query, None, SLOW)

    def _whole(
        self, name: str, place: dict[str, str], query: dict[str, Any], request: Any, timeout: float
    ) -> bytes:
        """Ask once, and once more if the connection broke and asking twice does no harm."""
        operation = OPERATIONS[name]
        for attempt in (1, 2):
            try:
                with _Answer(self, operation, place, query, timeout, request) as answer:
                    return answer.all()
            except _Broken as e:
                if operation.method != "GET" or attempt == 2:
                    raise EngineDied(f"the connection to the engine broke ({e}); start it again") from e
        raise AssertionError


class _Broken(Exception):  # noqa: N818
    """The connection ended before the answer did."""


class _Answer:
    """One request and its answer, on a connection of its own."""

    def __init__(
        self,
        client: Client,
        operation: Operation,
        place: dict[str, str],
        query: dict[str, Any],
        timeout: float,
        request: Any = None,
    ) -> None:
        path = operation.route.format(**{k: quote(v, safe="") for k, v in place.items()})
        asked = {k: v for k, v in query.items() if v is not None}
        self._path = f"{path}?{urlencode(asked)}" if asked else path
        self._operation, self._request, self._token = operation, request, client.address.token
        self._line = http.client.HTTPConnection(HOST, client.address.port, timeout=timeout)

    def __enter__(self) -> _Answer:
        try:
            self._send()
        except BaseException:
            self._line.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._answer.close()
        self._line.close()

    def _send(self) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        body = None
        if self._request is not None:
            body = json.dumps(wire.encode(self._request)).encode()
            headers["Content-Type"] = "application/json"
        try:
            self._line.connect()
        except OSError as e:
            raise EngineDied(f"the engine is gone ({e.strerror or e}); start it again") from e
        try:
            self._line.request(self._operation.method, self._path, body, headers)
            self._answer = self._line.getresponse()
        except socket.timeout as e:  # TimeoutError from Python 3.10 on
            raise EngineError("timeout", f"the engine did not answer {self._path} in time; try again") from e
        except (OSError, http.client.HTTPException) as e:
            raise _Broken(str(e) or type(e).__name__) from e
        if self._answer.status != 200:
            try:
                raise _refusal(self.all(), self._answer.status)
            finally:
                self._answer.close()

    def all(self) -> bytes:
        try:
            return self._answer.read()
        except (OSError, http.client.HTTPException) as e:
            raise _Broken(str(e) or type(e).__name__) from e

    def lines(self) -> Iterator[bytes]:
        """Yield whole lines; end when the stream ends or breaks."""
        try:
            for line in iter(self._answer.readline, b""):
                if not line.endswith(b"\n"):
                    return
                yield line
        except (OSError, http.client.HTTPException):
            return


def _refusal(body: bytes, status: int) -> EngineError:
    try:
        error = wire.decode(m.Error, wire.parse(body))
    except EngineError:
        return EngineError("internal", f"the engine answered with status {status} and no reason")
    if error.code == "stale" and error.shot is not None:
        return Stale(error.message, error.shot)
    return EngineError(error.code, error.message)
