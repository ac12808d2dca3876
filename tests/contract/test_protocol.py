"""The protocol: the page against the code, and every way to ask wrongly, over a real socket."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import disc
from tests.contract import protocol_tables
from tests.engines import ROOT, ask, code, new_shot, started
from trackmatte.errors import TrackmatteError
from trackmatte.server import wire
from trackmatte.server.handlers import HANDLERS
from trackmatte.server.refusal import CODES, Refusal
from trackmatte_client import Client, EngineError
from trackmatte_client.protocol import events, messages, prompts
from trackmatte_client.protocol import messages as m
from trackmatte_client.protocol.operations import EXIT, LARGE, OPERATIONS, SMALL, STATUS

PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with started(tmp_path_factory.mktemp("engine")) as client:
        yield client


@pytest.fixture(scope="module")
def shot(client: Client, tmp_path_factory: pytest.TempPathFactory) -> m.ShotState:
    folder = tmp_path_factory.mktemp("shot")
    return new_shot(client, folder, disc.write_frames(folder / "plate", 3))


def test_the_page_has_the_tables_of_the_code() -> None:
    assert PAGE.split(protocol_tables.MARKER)[1].strip() == protocol_tables.tables().strip()


def test_the_page_names_nothing_that_there_is_not() -> None:
    prose = PAGE.split(protocol_tables.MARKER)[0]
    known = {*OPERATIONS, *STATUS, *events.EVENTS, *(f.name for c in _all() for f in dataclasses.fields(c))}
    known |= {q.rstrip("?") for o in OPERATIONS.values() for q in o.query}
    known |= {"done", "failed", "cancelled", "starter"}
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)*)`", prose)) - {"trackmatte", "serve"}
    assert named <= known
    assert {c.__name__.lower() for c in _all()} >= set(re.findall(r"\]\(#([a-z]+)\)", prose)) - {
        "hello",
        "events",
    }


def test_every_link_of_the_page_has_a_target() -> None:
    anchors = {
        re.sub(r"[^\w-]", "", h.lower().replace(" ", "-")) for h in re.findall(r"^#+ (.*)$", PAGE, re.M)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) <= anchors


def _all() -> list[type]:
    return [c for module in (prompts, messages, events) for c in protocol_tables.classes(module)]


def test_every_operation_has_a_handler_a_method_of_the_client_and_known_errors() -> None:
    assert set(HANDLERS) == set(OPERATIONS) - {"events"}
    for name, operation in OPERATIONS.items():
        assert callable(getattr(Client, name)), name
        assert set(operation.errors) <= set(STATUS), name
    routes = [(o.method, o.route) for o in OPERATIONS.values()]
    assert len(set(routes)) == len(routes)


def test_every_error_of_the_engine_has_its_own_code_and_exit_code() -> None:
    assert set(CODES) == set(TrackmatteError.__subclasses__())
    for kind, name in CODES.items():
        assert EXIT[name] == kind.exit_code
        assert name in STATUS


def test_codes_that_the_server_uses_are_in_the_table() -> None:
    used = set()
    for path in (ROOT / "engine" / "trackmatte" / "server").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refusal":
                assert isinstance(node.args[0], ast.Constant)
                used.add(node.args[0].value)
    assert used <= set(STATUS)
    assert used | set(CODES.values()) | {"internal"} == set(STATUS)


@pytest.mark.parametrize("kind", protocol_tables.EXAMPLES, ids=lambda k: k.__name__)
def test_examples_are_valid_and_nothing_else_is(kind: type) -> None:
    example = protocol_tables.EXAMPLES[kind]
    text = protocol_tables.example(example)
    assert wire.decode(kind, text.encode()) == example
    for wrong in (
        {**json.loads(text), "surprise": 1},
        {**json.loads(text), **({n: {"no": 1} for n in list(json.loads(text))[:1]} or {"x": 1})},
        [],
        None,
    ):
        with pytest.raises(Refusal, match=r"docs/protocol\.md") as refusal:
            wire.decode(kind, json.dumps(wrong).encode())
        assert refusal.value.code == "malformed"


def test_unknown_keys_are_refused_deep_inside() -> None:
    stroke = {"points": [[0.1, 0.1]], "colour": "red"}
    body = json.dumps({"revision": 1, "prompt": {"frame": 1, "scribbles": [stroke]}}).encode()
    with pytest.raises(Refusal, match="colour"):
        wire.decode(m.PutPrompt, body)


def test_all_requests_are_exemplified() -> None:
    assert set(protocol_tables.EXAMPLES) == {o.request for o in OPERATIONS.values() if o.request}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_no_operation_answers_without_the_token(client: Client, operation: protocol_tables.Operation) -> None:
    path = operation.route.format(shot="x", job="x", number="1")
    for headers in (
        {"drop": "authorization"},
        {"authorization": "Bearer wrong"},
        {"authorization": "Basic x"},
    ):
        assert code(ask(client, operation.method, path, **headers)) == (401, "unauthorized")
    token = client.address.token
    for near in (token[:-1], token + "x", token.swapcase(), "\u00fc"):
        answer = ask(client, operation.method, path, authorization=f"Bearer {near}")
        assert code(answer) == (401, "unauthorized")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "[::1]:{port}", ""]
)
def test_foreign_hosts_are_refused(client: Client, host: str) -> None:
    host = host.format(port=client.address.port)
    assert code(ask(client, "GET", "/hello", host=host)) == (403, "forbidden_host")
    assert code(ask(client, "GET", "/", host=host)) == (403, "forbidden_host")


def test_localhost_is_a_name_of_this_machine(client: Client) -> None:
    assert ask(client, "GET", "/hello", host=f"localhost:{client.address.port}")[0] == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1:{port}"]
)
def test_foreign_origins_are_refused(client: Client, origin: str) -> None:
    origin = origin.format(port=client.address.port)
    assert code(ask(client, "GET", "/v1/shots", origin=origin)) == (403, "forbidden_origin")
    assert code(ask(client, "POST", "/v1/shutdown", origin=origin)) == (403, "forbidden_origin")


def test_the_own_origin_is_served_and_no_other_page_may_read(client: Client) -> None:
    status, headers, _ = ask(client, "GET", "/v1/shots", origin=f"http://127.0.0.1:{client.address.port}")
    assert status == 200
    assert not [name for name in headers if name.startswith("access-control")]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    status, headers, _ = ask(client, "OPTIONS", "/v1/shots", origin="https://evil.example")
    assert status == 403
    assert not [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"path": 1}',
        b'{"path": "/a", "more": 1}',
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
    ],
    ids=["empty", "cut", "list", "null", "type", "key", "lack", "bytes", "deep"],
)
def test_malformed_messages(client: Client, body: bytes) -> None:
    assert code(ask(client, "POST", "/v1/shots/open", body)) == (400, "malformed")


def test_other_content_types_are_refused(client: Client) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        answer = ask(client, "POST", "/v1/shots/open", b'{"path": "/a"}', content_type=kind)
        assert code(answer) == (415, "content_type")
    assert (
        ask(
            client,
            "POST",
            "/v1/shots/open",
            b'{"path": "/a"}',
            content_type="application/json; charset=utf-8",
        )[0]
        == 422
    )


def test_oversized_messages_are_refused_and_masks_may_be_large(client: Client, shot: m.ShotState) -> None:
    path = f"/v1/shots/{shot.shot}"
    assert code(ask(client, "POST", "/v1/shots/open", b" " * (SMALL + 1))) == (413, "too_large")
    assert code(ask(client, "POST", "/v1/shots/open", b" " * SMALL)) == (400, "malformed")
    assert code(ask(client, "POST", f"{path}/preview", b" " * (SMALL + 1))) == (400, "malformed")
    assert code(ask(client, "POST", f"{path}/prompts/put", b" " * (LARGE + 1))) == (413, "too_large")
    chunks = b"".join(b"%x\r\n%s\r\n" % (1 << 16, b" " * (1 << 16)) for _ in range(17)) + b"0\r\n\r\n"
    answer = ask(client, "POST", "/v1/shots/open", chunks, transfer_encoding="chunked")
    assert code(answer) == (413, "too_large")


def test_unknown_routes_methods_and_names(client: Client) -> None:
    for path in ("/v1", "/v1/", "/v1/nothing", "/v2/shots", "/hello/", "/v1/shots/a/b/c"):
        assert code(ask(client, "GET", path)) == (404, "not_found"), path
    assert code(ask(client, "DELETE", "/v1/shots")) == (405, "method")
    assert ask(client, "HEAD", "/v1/shots")[0] == 405
    assert code(ask(client, "GET", "/v1/shots/0123456789ab")) == (404, "not_found")
    assert code(ask(client, "GET", "/v1/jobs/0123456789ab/events")) == (404, "not_found")


def test_a_frame_is_a_number_and_a_width_is_bounded(client: Client, shot: m.ShotState) -> None:
    path = f"/v1/shots/{shot.shot}/frames"
    for number in ("1e3", "0x1", "1_001", "%D9%A1", "9" * 5000, "-", "%20"):
        assert code(ask(client, "GET", f"{path}/{number}")) == (400, "malformed"), number
    for number in (1000, 1004, -1, 10**11):
        assert code(ask(client, "GET", f"{path}/{number}")) == (404, "not_found")
    for query in ("width=0", "width=15", "width=8193", "width=x", "width=64&width=65", "high=3", "width="):
        assert code(ask(client, "GET", f"{path}/1001?{query}")) == (400, "malformed"), query
    assert code(ask(client, "GET", f"/v1/shots/{shot.shot}/masks/1001")) == (400, "malformed")


@pytest.mark.parametrize(
    "path",
    [
        "/../../../etc/passwd", "/..%2f..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd",
        "/v1/shots/{shot}/frames/../../../../etc/passwd", "/v1/shots/{shot}/frames/..%2f..%2fetc%2fpasswd",
        "/v1/shots/..%2f..%2fetc/frames/1001", "/v1/shots/{shot}/masks/1001?object=../../../../../etc/passwd",
        "/v1/shots/{shot}/mattes/1001?object=..%2f..%2f..", "/v1/shots/{shot}/masks/1001?object=%00",
        "/..%5c..%5cwindows%5cwin.ini", "/C:/windows/win.ini", "/server/handlers.py",
    ],
)  # fmt: skip
def test_no_route_leads_into_the_file_system(client: Client, shot: m.ShotState, path: str) -> None:
    answer = ask(client, "GET", path.format(shot=shot.shot))
    assert code(answer)[0] in (400, 404)
    assert b"root:" not in answer[2]


def test_paths_of_messages_must_be_absolute(client: Client, shot: m.ShotState, tmp_path: Path) -> None:
    for path in ("hero.shot.json", "../hero.shot.json", "", "~/hero.shot.json", "/tmp/a\0b.shot.json"):
        with pytest.raises(EngineError, match="absolute") as refusal:
            client.open_shot(path)
        assert refusal.value.code == "usage"
    with pytest.raises(EngineError, match="absolute"):
        client.create_shot(m.CreateShot(str(tmp_path / "a.shot.json"), "plate.mov"))
    with pytest.raises(EngineError, match="absolute"):
        client.export(shot.shot, m.ExportFrames("out"))


def test_noise_on_the_socket_harms_nobody(client: Client) -> None:
    for noise in (
        b"\x16\x03\x01\x02\x00",
        b"GET\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", client.address.port), timeout=60) as line:
            line.sendall(noise)
    with socket.create_connection(("127.0.0.1", client.address.port), timeout=60) as line:
        head = f"POST /v1/shots/open HTTP/1.1\r\nhost: 127.0.0.1:{client.address.port}\r\n"
        head += f"authorization: Bearer {client.address.token}\r\ncontent-type: application/json\r\n"
        line.sendall(f"{head}content-length: 100\r\n\r\n{{".encode())
    assert client.hello().protocol == 1
