"""``trackmatte weights`` as a user runs it, against a web server on this machine."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.weights_server import DATA, MAM, TINY, Server, leftovers, place, serving
from trackmatte.cli import main

SHRUNK = f"""
import sys
from dataclasses import replace
from trackmatte.cli import main
from trackmatte.weights import table
small = dict(size={len(DATA)}, sha256="{hashlib.sha256(DATA).hexdigest()}")
table.KNOWN = tuple(replace(w, **small) if w.name == "{TINY}" else w for w in table.KNOWN)
sys.exit(main())
"""
"""The command line with a published file replaced by the server's small one."""


def run(*words: object) -> int:
    """Run the command line in this process."""
    return main(["weights", *map(str, words)])


def start(*words: str) -> subprocess.Popen[str]:
    """Run the command line in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SHRUNK, "weights", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRACKMATTE_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "weights"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving() as s:
        s.files = {f"{TINY}.pt": DATA, f"{MAM}.pth": b"m" * 5000}
        monkeypatch.setenv("TRACKMATTE_WEIGHTS_MIRROR", s.url)
        yield s


def test_list(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    place(folder, f"{MAM}.pth", b"m")
    place(folder, f"{TINY}.pt", b"cut off")
    assert run("list") == 0
    out, err = capfd.readouterr()
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert rows["name"].split() == ["name", "family", "size", "licence", "commercial", "installed", "source"]
    assert rows["sam2.1_hiera_large"].split()[:7] == [
        *("sam2.1_hiera_large", "sam2", "898", "MB", "Apache-2.0", "yes", "no")
    ]
    assert rows[MAM].split()[:7] == [MAM, "mam", "not", "published", "MIT", "no", "yes"]
    assert rows[TINY].split()[6] == "damaged"
    assert str(folder) in err


def test_list_as_events_and_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("list", "--json") == 0
    out, err = capfd.readouterr()
    events = [json.loads(line) for line in out.splitlines()]
    assert err == ""
    assert {e["event"] for e in events} == {"weights", "done"}
    tiny = next(e for e in events if e["name"] == TINY)
    assert tiny["commercial"] is True
    assert tiny["installed"] == "no"
    assert len(tiny["sha256"]) == 64
    assert run("list", "--quiet") == 0
    assert capfd.readouterr() == ("", "")


def test_fetch_path_and_verify(server: Server, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("path", MAM) == 7
    assert "trackmatte weights add mam_vitb.pth" in capfd.readouterr().err
    assert run("fetch", MAM) == 0
    err = capfd.readouterr().err
    assert "MIT, commercial use: no; trained on data for research only" in err
    assert "is installed" in err
    assert run("path", MAM) == 0
    assert capfd.readouterr().out == f"{folder / MAM}.pth\n"
    assert run("fetch", MAM) == 0
    assert "was here already" in capfd.readouterr().err
    assert len(server.asked) == 1
    assert run("verify") == 0
    assert capfd.readouterr().err == f"{MAM}: as it should be\n"
    (folder / f"{MAM}.pth").write_bytes(b"damage")
    assert run("verify") == 7
    assert f"{MAM} cannot be used" in capfd.readouterr().err
    assert run("verify", TINY) == 7
    assert f"{TINY}: not installed" in capfd.readouterr().err


@pytest.mark.usefixtures("server")
def test_fetch_as_events(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("fetch", MAM, "--json") == 0
    out, err = capfd.readouterr()
    events = [json.loads(line) for line in out.splitlines()]
    assert err == ""
    assert events[-3] == {"event": "progress", "stage": "fetch", "name": MAM, "done": 5000, "total": 5000}
    assert events[-2]["path"].endswith(f"{MAM}.pth")
    assert events[-1] == {"event": "done", "code": 0}
    assert run("fetch", "nonsense", "--json") == 2
    assert json.loads(capfd.readouterr().out)["code"] == 2


def test_add(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    mine = place(tmp_path, "hero.pt", b"mine")
    words = ("add", mine, "--config", "configs/sam2.1/sam2.1_hiera_t.yaml", "--licence", "in-house")
    assert run(*words) == 0
    assert f"{folder / 'hero.pt'} is installed as hero" in capfd.readouterr().err
    mine.write_bytes(b"other")
    assert run("add", mine) == 6
    assert "--overwrite" in capfd.readouterr().err
    assert run("add", mine, "--overwrite", "--quiet") == 0
    assert run("list") == 0
    assert "in-house" in capfd.readouterr().out.splitlines()[-1]
    assert run("add", tmp_path / "gone.pt") == 2


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("fetch",), 2, "NAME"),
        (("fetch", TINY), 7, "no connection"),
        (("path", TINY), 7, f"trackmatte weights fetch {TINY}"),
        (("path", "sam2.1_hiera_big"), 2, "did you mean"),
        (("verify", "zzz"), 2, "weights list"),
    ],
)
def test_errors_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    monkeypatch.setenv("TRACKMATTE_WEIGHTS_MIRROR", "http://127.0.0.1:9")
    assert run(*words) == code
    err = capfd.readouterr().err
    assert says in err
    assert "Traceback" not in err


def test_damaged_record_is_told(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    place(folder, "weights.json", b"{")
    assert run("list") == 0
    assert "weights.json is damaged" in capfd.readouterr().err


def test_killed_and_started_twice_it_goes_on_and_one_fetches(server: Server, folder: Path) -> None:
    partial = folder / f".{TINY}.pt.trackmatte-partial"
    server.gate = threading.Event()
    process = start("fetch", TINY)
    deadline = time.monotonic() + 30
    while not (partial.exists() and partial.stat().st_size > 100_000) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (folder / f"{TINY}.pt").exists()
    kept = partial.stat().st_size
    two = [start("fetch", TINY) for _ in range(2)]
    while len(server.asked) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    server.gate.set()
    for p in two:
        _, err = p.communicate(timeout=120)
        assert p.returncode == 0, err
    assert server.asked == [(f"{TINY}.pt", ""), (f"{TINY}.pt", f"bytes={kept}-")]
    assert (folder / f"{TINY}.pt").read_bytes() == DATA
    assert leftovers(folder) == []


def test_ctrl_c_says_that_it_can_go_on(server: Server, folder: Path) -> None:
    server.gate = threading.Event()
    process = start("fetch", TINY)
    deadline = time.monotonic() + 30
    while not (folder.is_dir() and leftovers(folder)) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)  # it waits for the second half of the file now
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    server.gate.set()
    assert process.returncode == 130, err
    assert "run the same command again" in err
    assert not (folder / f"{TINY}.pt").exists()
