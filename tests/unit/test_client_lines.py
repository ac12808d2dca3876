"""The client against an engine that misbehaves: cut lines, other programs, other versions."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from trackmatte_client import (
    Address,
    Client,
    ClientTooOld,
    EngineDied,
    EngineError,
    EngineTooOld,
    Job,
    engine,
)
from trackmatte_client.protocol.operations import PROTOCOL

Answer = Callable[[BaseHTTPRequestHandler], None]


class Double:
    """A stand-in for an engine whose answers a test writes."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                double.asked.append(self.path)
                double.answers[self.path.partition("?")[0]](self)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.client = Client(Address(self.server.server_address[1], "token", os.getpid()))
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def says(self, path: str, value: Any, status: int = 200) -> None:
        """Answer a route with JSON."""
        self.answers[path] = lambda h: send(h, json.dumps(value).encode(), status)

    def hello(self, **other: Any) -> None:
        self.says("/hello", {"protocol": PROTOCOL, "engine": "9.9", "pid": os.getpid(), **other})

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def send(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, length: int | None = None) -> None:
    handler.send_response(status)
    handler.send_header("content-length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def double() -> Iterator[Double]:
    made = Double()
    yield made
    made.close()


def write_file(folder: Path, monkeypatch: pytest.MonkeyPatch, **said: Any) -> None:
    monkeypatch.setenv("TRACKMATTE_RUNTIME", str(folder))
    (folder / "engine.json").write_text(json.dumps(said))


def test_both_sides_say_who_must_be_updated(double: Double) -> None:
    double.hello(protocol=PROTOCOL - 1)
    with pytest.raises(EngineTooOld, match=r"engine 9\.9 speaks protocol .*update the engine"):
        double.client.hello()
    double.hello(protocol=PROTOCOL + 1)
    with pytest.raises(ClientTooOld, match="update the plug-in"):
        double.client.hello()
    double.hello(new="field")
    assert double.client.hello().engine == "9.9"


def test_another_version_is_not_replaced_behind_the_users_back(
    double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = double.client.address.port
    write_file(tmp_path, monkeypatch, port=port, token="token", pid=os.getpid())
    double.hello(protocol=PROTOCOL + 1)
    with pytest.raises(ClientTooOld):
        engine.find_or_start(["/nowhere/engine"])
    double.hello()
    found = engine.find()
    assert found is not None
    assert found.address.port == port


@pytest.mark.parametrize(
    "answer",
    [
        lambda h: send(h, b"<html>", 200),
        lambda h: send(h, b"{}", 401),
        lambda h: send(h, b'{"protocol": 1, "engine": "9.9", "pid": 1}'),
        lambda h: h.wfile.write(b"SSH-2.0-OpenSSH\r\n"),
        lambda h: send(h, b"{", 200, length=100),
    ],
    ids=["page", "refused", "other pid", "other protocol", "cut"],
)
def test_another_program_on_the_port_is_no_engine(
    answer: Answer, double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file(tmp_path, monkeypatch, port=double.client.address.port, token="token", pid=os.getpid())
    double.answers["/hello"] = answer
    assert engine.find() is None


def test_nothing_on_the_port_is_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        write_file(tmp_path, monkeypatch, port=port, token="token", pid=1)
        assert engine.find() is None
        with pytest.raises(EngineDied, match="the engine is gone"):
            Client(Address(port, "token")).hello()


def test_what_asks_is_repeated_once_and_what_changes_never(double: Double) -> None:
    def drop(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.shutdown(socket.SHUT_RDWR)

    for path in ("/v1/shots", "/v1/shutdown"):
        double.answers[path] = drop
    with pytest.raises(EngineDied, match="broke"):
        double.client.list_shots()
    with pytest.raises(EngineDied, match="broke"):
        double.client.shut_down()
    assert double.asked == ["/v1/shots", "/v1/shots", "/v1/shutdown"]


def test_a_refusal_without_a_reason_is_still_told(double: Double) -> None:
    double.answers["/v1/shots"] = lambda h: send(h, b"oops", 500)
    with pytest.raises(EngineError, match="status 500 and no reason"):
        double.client.list_shots()


def line(seq: int, **more: Any) -> bytes:
    event = {"event": "note", "seq": seq, "message": f"note {seq}", **more}
    return json.dumps(event).encode() + b"\n"


def ended(seq: int) -> bytes:
    job = {"job": "j", "shot": "s", "kind": "track", "status": "done", "seq": seq, "error": None}
    return line(seq, event="state", job=job)


def test_a_broken_stream_is_taken_up_where_it_broke(double: Double) -> None:
    beat, future = b'{"event": "heartbeat"}\n', b'{"event": "of the future", "seq": 9}\n'
    streams = [line(1) + line(2) + line(3)[:-5], beat + line(3) + future, line(4) + ended(5)]
    double.answers["/v1/jobs/j/events"] = lambda h: send(h, streams.pop(0), length=10_000)
    news = Job(double.client, "j").wait(20)
    assert [getattr(e, "seq", None) for e in news] == [1, 2, 3, 4, 5]
    assert double.asked == [f"/v1/jobs/j/events?after={n}" for n in (0, 2, 3)]


def test_a_stream_that_never_says_anything_is_given_up(double: Double) -> None:
    double.answers["/v1/jobs/j/events"] = lambda h: send(h, b"")
    with pytest.raises(EngineDied, match="no longer says"):
        Job(double.client, "j").wait(20)


def test_events_come_by_polling_and_polling_never_waits(double: Double) -> None:
    go = threading.Event()

    def slowly(handler: BaseHTTPRequestHandler) -> None:
        go.wait(20)
        send(handler, line(1) + ended(2))

    double.answers["/v1/jobs/j/events"] = slowly
    job = Job(double.client, "j")
    assert job.poll() == []
    assert not job.finished
    with pytest.raises(TimeoutError, match="did not end"):
        job.wait(0.05)
    go.set()
    assert [e.event for e in job.wait(20)] == ["note", "state"]
    assert job.state is not None
    assert job.state.status == "done"
    assert job.poll() == []


def test_a_job_that_the_engine_does_not_know_is_an_error(double: Double) -> None:
    error = {"code": "not_found", "message": "the engine knows no job j", "exit_code": 2, "shot": None}
    double.says("/v1/jobs/j/events", error, 404)
    job = Job(double.client, "j")
    with pytest.raises(EngineError, match="knows no job"):
        job.wait(20)
    assert job.finished
