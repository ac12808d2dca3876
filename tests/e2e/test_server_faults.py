"""Engines that are killed, started twice, left alone, or run out of disk; and what a host sees of it."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import disc
from tests.engines import ROOT, ask, code, command, prompted, started, wait_for
from trackmatte.cli import main
from trackmatte.server import app
from trackmatte.server.run import Running, private_folder, running, serve
from trackmatte.shot import Shot
from trackmatte_client import Address, Client, EngineDied, EngineError, Job, engine
from trackmatte_client.protocol import messages as m
from trackmatte_client.protocol.events import ProgressEvent

FRAMES = 30


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folders, for this process as well."""
    monkeypatch.setenv("TRACKMATTE_RUNTIME", str(tmp_path / "run"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "run"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """An engine that several tests share."""
    with started(tmp_path_factory.mktemp("engine")) as client:
        yield client


def steps(job: Job, events: list[object]) -> int:
    """How many frames a job has told of."""
    events += job.poll()
    return sum(isinstance(e, ProgressEvent) for e in events)


def test_an_engine_killed_in_a_job_is_noticed_and_the_next_one_goes_on(tmp_path: Path, runtime: Path) -> None:
    clip = disc.write_movie(tmp_path / "disc.mp4", FRAMES)
    with started(tmp_path, sleep=0.05) as client:
        assert stat.S_IMODE((runtime / "engine.json").stat().st_mode) == 0o600
        assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
        shot = prompted(client, tmp_path, clip)
        job = Job(client, client.track(shot.shot).job)
        seen: list[object] = []
        wait_for(lambda: steps(job, seen) >= 5)
        os.kill(client.address.pid, signal.SIGKILL)
        with pytest.raises(EngineDied, match="what was finished is kept"):
            job.wait(10)
        assert job.finished
        with pytest.raises(EngineDied, match="the engine is gone"):
            client.shot_state(shot.shot)
        assert (runtime / "engine.json").exists()
        assert engine.find() is None
        assert running() is None

        again = engine.find_or_start(command())
        assert again.hello().pid == again.address.pid != client.address.pid
        with pytest.raises(EngineError, match="open its file again"):
            again.shot_state(shot.shot)
        opened = again.open_shot(shot.path)
        assert opened.shot == shot.shot
        assert opened.revision > shot.revision
        finished = sum(b - a + 1 for a, b in opened.objects[0].tracked)
        assert 4 <= finished < FRAMES
        with pytest.raises(EngineError, match="knows no job"):
            Job(again, job.job).wait(10)
        rest = Job(again, again.track(shot.shot).job).wait(60)
        assert steps_in(rest) == FRAMES - finished
        engine.stop(again)
    assert not (runtime / "engine.json").exists()


def steps_in(events: list[object]) -> int:
    return sum(isinstance(e, ProgressEvent) for e in events)


def test_only_one_engine_runs_and_all_hosts_find_it(
    tmp_path: Path, runtime: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found: list[Client] = []
    before = set(engine._children)
    hosts = [threading.Thread(target=lambda: found.append(engine.find_or_start(command()))) for _ in range(3)]
    for host in hosts:
        host.start()
    for host in hosts:
        host.join()
    assert len({c.address for c in found}) == 1
    assert len(found) == 3
    assert main(["serve"]) == 2
    said = capsys.readouterr().err
    assert f"running already at http://127.0.0.1:{found[0].address.port}" in said
    there = running()
    assert there is not None
    assert there.token == found[0].address.token
    record = json.loads((tmp_path / "data" / "trackmatte" / "engine.json").read_text())
    assert record["python"] == sys.executable
    pids = {found[0].address.pid}
    engine.stop(found[0])
    again = engine.start(command())  # while the first may still be ending
    assert again.address.pid not in pids
    engine.stop(again)
    wait_for(lambda: not engine._reap() and set(engine._children) <= before)
    assert not (runtime / "engine.json").exists()
    assert running() is None


def test_the_end_of_an_engine_ends_its_jobs_and_keeps_their_frames(tmp_path: Path) -> None:
    clip = disc.write_movie(tmp_path / "disc.mp4", FRAMES)
    with started(tmp_path, sleep=0.05) as client:
        shot = prompted(client, tmp_path, clip)
        job = Job(client, client.track(shot.shot).job)
        seen: list[object] = []
        wait_for(lambda: steps(job, seen) >= 3)
        engine.stop(client)
        seen += job.wait(10)
        assert job.state is not None
        assert job.state.status == "cancelled"
        kept = steps_in(seen)
    with started(tmp_path) as client:
        assert sum(b - a + 1 for a, b in client.open_shot(shot.path).objects[0].tracked) == kept < FRAMES


def test_an_engine_that_nobody_needs_ends(tmp_path: Path, runtime: Path) -> None:
    clip = disc.write_movie(tmp_path / "disc.mp4", 20)
    with started(tmp_path, "--idle", "0.6", sleep=0.1) as client:
        shot = prompted(client, tmp_path, clip)
        client.track(shot.shot)
        wait_for(lambda: not (runtime / "engine.json").exists())
        with pytest.raises(EngineDied):
            client.hello()
    with started(tmp_path) as client:  # the job of two seconds, which nobody followed, was not cut off
        assert client.open_shot(shot.path).objects[0].tracked == ((0, 19),)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes without a signal")
def test_signals_end_an_engine_as_its_users_do(tmp_path: Path, runtime: Path) -> None:
    clip = disc.write_movie(tmp_path / "disc.mp4", FRAMES)
    kept = 0
    for number in (signal.SIGTERM, signal.SIGINT):
        with started(tmp_path, sleep=0.05) as client:
            process = engine._children[-1]
            path = str(tmp_path / "a.shot.json")
            shot = client.open_shot(path) if kept else prompted(client, tmp_path, clip, path=path)
            job = Job(client, client.track(shot.shot, m.TrackFrames(fresh=True)).job)
            seen: list[object] = []
            wait_for(lambda j=job, s=seen: steps(j, s) >= 3)
            process.send_signal(number)
            assert process.wait(20) == 0
            assert not (runtime / "engine.json").exists()
            kept = steps(job, seen)
    with Shot.open(path) as shot_file:
        assert 3 <= len(shot_file.status()[0].tracked) < FRAMES


def test_a_port_that_is_taken_is_named(runtime: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    assert f"port {port} is taken; leave --port out" in capsys.readouterr().err
    assert main(["serve", "--port", "70000"]) == 2
    assert main(["serve", "--idle", "-1"]) == 2
    assert not (runtime / "engine.json").exists()


def test_a_runtime_folder_of_someone_else_is_refused(
    runtime: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime.mkdir()
    runtime.chmod(0o755)
    assert stat.S_IMODE(private_folder().stat().st_mode) == 0o700
    owner = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: owner)
    assert main(["serve"]) == 6
    assert "belongs to someone else" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setenv("TRACKMATTE_RUNTIME", str(runtime / "link"))
    (runtime / "link").symlink_to(runtime, target_is_directory=True)
    assert main(["serve"]) == 6
    (runtime / "link").unlink()
    (runtime / "link").write_text("in the way")
    assert main(["serve"]) == 6


def test_an_engine_outlives_its_host_and_takes_nothing_of_its_environment(runtime: Path) -> None:
    host = (
        f"import sys; sys.path[:0] = {sys.path!r}; from trackmatte_client import engine; "
        f"engine.start({command()!r}); print('started', flush=True)"
    )
    strange = {
        "PYTHONSTARTUP": "/nowhere",
        "PYTHONWARNINGS": "error",
        "PYTHONOPTIMIZE": "2",
        "LD_BIND_NOW": "x",
    }
    done = subprocess.run(
        [sys.executable, "-c", host],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **strange},
    )
    assert (done.stdout, done.returncode) == ("started\n", 0)
    client = engine.find()
    assert client is not None
    environ = Path(f"/proc/{client.address.pid}/environ")
    if environ.exists():
        names = {entry.partition(b"=")[0].decode() for entry in environ.read_bytes().split(b"\0")}
        assert not names & set(strange)
        assert "PATH" in names
    engine.stop(client)
    assert not (runtime / "engine.json").exists()


def test_serve_lets_hosts_know_which_python_has_it(runtime: Path, tmp_path: Path) -> None:
    assert main(["serve", "--record", "--quiet"]) == 0
    assert engine.engine_command() == [sys.executable, "-P", "-m", "trackmatte", "serve"]
    assert stat.S_IMODE((tmp_path / "data" / "trackmatte" / "engine.json").stat().st_mode) == 0o600
    assert not (runtime / "engine.json").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for an installed Python is a shell script")
def test_a_host_starts_the_recorded_engine(
    runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    paths = f"{ROOT / 'engine'}:{ROOT / 'plugin'}"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{paths}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("TRACKMATTE_PYTHON", str(python))
    client = engine.find_or_start()
    assert engine.find_or_start(["/nowhere"]).address == client.address
    assert "fake" not in {t.name for t in client.capabilities().trackers}
    engine.stop(client)
    assert not (runtime / "engine.json").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk that a few frames fill."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=120k", "tmpfs", str(folder)]
    if (
        not sys.platform.startswith("linux")
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_told_in_the_command_lines_words(
    client: Client, tmp_path: Path, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = disc.write_movie(tmp_path / "disc.mp4", FRAMES)
    out = small_disk / "out"
    shot = prompted(client, tmp_path, clip)
    for start in (client.track, client.matte):
        Job(client, start(shot.shot).job).wait(60)
    request = m.ExportFrames(str(out), depth="float", compression="none")
    with pytest.raises(EngineError) as refusal:
        Job(client, client.export(shot.shot, request).job).wait(60)
    assert client.hello().protocol == 1
    assert refusal.value.code == "output"
    assert "the disk is full" in refusal.value.message
    how = ["--out", str(out), "--depth", "float", "--compression", "none"]
    assert main(["export", shot.path, *how, "--quiet"]) == 6
    assert capsys.readouterr().err.strip() == f"trackmatte: {refusal.value.message}"


def test_a_long_clip_is_opened_without_reading_it(client: Client, tmp_path: Path) -> None:
    count = 20_000
    first = disc.write_frames(tmp_path / "long", 1).with_name("plate.1001.png")
    for n in range(1002, 1001 + count):
        if n == 5000:
            first.with_name("plate.5000.png").write_bytes(b"broken")
        else:
            os.link(first, first.with_name(f"plate.{n:04d}.png"))
    shot = prompted(client, tmp_path, first.parent)
    assert (shot.clip.first, shot.clip.last, shot.clip.length) == (1001, 1000 + count, count)
    assert client.frame(shot.shot, 1000 + count, 64)
    with pytest.raises(EngineError, match="5000"):
        client.frame(shot.shot, 5000, 64)
    assert client.shot_state(shot.shot).range == (1001, 1000 + count)


def test_web_opens_the_page_with_a_token_that_no_request_carries(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = disc.write_movie(tmp_path / "disc.mp4", 3)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("trackmatte.server.app.WEB", tmp_path / "web")
    assert main(["web", str(clip), "--no-browser"]) == 7
    assert "has no web page" in capsys.readouterr().err
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "index.html").write_text("<!doctype html>page")
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert b"<script" in ask(client, "GET", "/", drop="authorization")[2]
    assert main(["web", str(clip), "--tracker", "fake", "--json"]) == 0
    page = json.loads(capsys.readouterr().out.splitlines()[-2])
    assert opened == [page["url"]]
    base, _, fragment = page["url"].partition("#")
    assert base == f"http://127.0.0.1:{client.address.port}/"
    assert fragment.startswith(f"token={client.address.token}&shot=")
    assert page["shot"] == str(tmp_path / "disc.shot.json")
    assert client.open_shot(page["shot"]).tracker == "fake"
    assert main(["web", str(clip), "--no-browser"]) == 0
    other = disc.write_movie(tmp_path / "other.mp4", 4)
    assert main(["web", str(other), "--shot", page["shot"], "--no-browser"]) == 2
    assert len(opened) == 1
    plates = disc.write_frames(tmp_path / "plates", 2)
    monkeypatch.chdir(plates.parent)
    assert main(["web", str(plates), "--tracker", "fake", "--no-browser"]) == 2
    assert "between the clip's images" in capsys.readouterr().err
    assert not list(plates.parent.glob("*.json"))


def test_the_page_is_served_and_nothing_beside_it(
    tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = tmp_path / "web"
    (web / "assets").mkdir(parents=True)
    (web / "index.html").write_text("<!doctype html>page")
    (web / "assets" / "app.js").write_text("let page = 1")
    (tmp_path / "secret.txt").write_text("secret")
    (web / "link.txt").symlink_to(tmp_path / "secret.txt")
    monkeypatch.setattr(app, "WEB", web)
    ready = queue.SimpleQueue[Running]()
    server = threading.Thread(target=serve, kwargs={"ready": ready.put})
    server.start()
    at = ready.get(timeout=60)
    client = Client(Address(at.port, at.token))
    for path, text in (("/", b"page"), ("/index.html", b"page"), ("/assets/app.js", b"let page")):
        status, headers, body = ask(client, "GET", path, drop="authorization")
        assert (status, text in body) == (200, True)
        assert "script-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    for path in (
        "/link.txt", "/../secret.txt", "/..%2fsecret.txt", "/%2e%2e/secret.txt", "/assets/../../secret.txt",
        "/..%5csecret.txt", "//secret.txt", "/assets", "/assets/", "/nothing",
    ):  # fmt: skip
        answer = ask(client, "GET", path, drop="authorization")
        assert code(answer) == (404, "not_found"), path
    assert code(ask(client, "POST", "/", b"{}"))[0] in (404, 405)
    client.shut_down()
    server.join(20)
    assert not server.is_alive()
    assert list(runtime.glob("*.json")) == []
