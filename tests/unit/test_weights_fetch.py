"""Downloads of model weights, from a server on this machine that also serves badly."""

from __future__ import annotations

import os
import resource
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.weights_server import DATA, MAM, TINY, Server, leftovers, place
from trackmatte import weights
from trackmatte.errors import MissingPartError, OutputError
from trackmatte.weights import download, table

pytestmark = pytest.mark.usefixtures("folder")
PARTIAL = f".{TINY}.pt.trackmatte-partial"


def test_fetch(server: Server, folder: Path) -> None:
    told: list[tuple[int, int | None]] = []
    path = weights.fetch(TINY, progress=lambda done, total: told.append((done, total)))
    assert path == folder / f"{TINY}.pt"
    assert path.read_bytes() == DATA
    assert told[0] == (0, len(DATA))
    assert told[-1] == (len(DATA), len(DATA))
    assert [d for d, _ in told] == sorted(d for d, _ in told)
    assert leftovers(folder) == []
    assert weights.fetch(TINY) == path
    assert len(server.asked) == 1


def test_without_a_mirror_its_own_address_is_asked(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRACKMATTE_WEIGHTS_MIRROR")
    elsewhere = replace(weights.get(TINY), url=f"{server.url}/{TINY}.pt")
    monkeypatch.setattr(table, "KNOWN", (elsewhere, weights.get(MAM)))
    assert weights.fetch(TINY) == folder / f"{TINY}.pt"
    with pytest.raises(MissingPartError, match="with a browser"):
        weights.fetch(MAM)
    assert len(server.asked) == 1


def test_broken_connection_is_taken_up_again(server: Server, folder: Path) -> None:
    server.cuts = [200_000, 100_000]
    assert weights.fetch(TINY).read_bytes() == DATA
    starts = [int(asked[6:-1] or 0) if asked else 0 for _, asked in server.asked]
    assert len(starts) == 3
    assert 0 == starts[0] < starts[1] < starts[2] < len(DATA)
    assert leftovers(folder) == []


def test_connection_that_stays_broken_keeps_what_came(server: Server, folder: Path) -> None:
    server.cuts = [200_000, 0]
    with pytest.raises(MissingPartError) as e:
        weights.fetch(TINY)
    assert "broke" in str(e.value)
    assert "run the same command again to go on after 0.2 MB" in str(e.value)
    assert not (folder / f"{TINY}.pt").exists()
    kept = (folder / PARTIAL).read_bytes()
    assert DATA.startswith(kept)
    assert len(kept) >= 130_000
    assert weights.fetch(TINY).read_bytes() == DATA
    assert server.asked[-1][1] == f"bytes={len(kept)}-"
    assert leftovers(folder) == []


def test_resume_where_the_server_cannot(server: Server, folder: Path) -> None:
    server.ranges = False
    place(folder, PARTIAL, DATA[:150_000])
    assert weights.fetch(TINY).read_bytes() == DATA


@pytest.mark.parametrize("partial", [DATA, b"x" * 150_000, b"x" * len(DATA), DATA + b"more"])
def test_whole_wrong_and_too_long_partial_files(server: Server, folder: Path, partial: bytes) -> None:
    place(folder, PARTIAL, partial)
    assert weights.fetch(TINY).read_bytes() == DATA
    assert len(server.asked) == {DATA: 0, b"x" * 150_000: 2}.get(partial, 1)
    assert leftovers(folder) == []


def test_wrong_sum(server: Server, folder: Path) -> None:
    server.files[f"{TINY}.pt"] = b"x" + DATA[1:]
    with pytest.raises(MissingPartError, match=r"SHA-256 differs.*by hand") as e:
        weights.fetch(TINY)
    assert "\n" not in str(e.value)
    assert os.listdir(folder) in ([], [f".{TINY}.pt.lock"])  # noqa: PTH208


def test_wrong_size_is_seen_before_the_download(server: Server, folder: Path) -> None:
    server.files[f"{TINY}.pt"] = b"<html>please log in</html>"
    with pytest.raises(MissingPartError, match=f"of 26 bytes instead of {len(DATA)}"):
        weights.fetch(TINY)
    assert leftovers(folder) == []


def test_404(server: Server, folder: Path) -> None:
    del server.files[f"{TINY}.pt"]
    with pytest.raises(MissingPartError, match=r"404 Not Found.*by hand"):
        weights.fetch(TINY)
    assert leftovers(folder) == []


@pytest.mark.parametrize(
    ("mirror", "says"),
    [("http://127.0.0.1:9", "no connection"), ("nowhere", "Invalid URL"), ("file:///tmp", "file://")],
)
def test_no_network(folder: Path, monkeypatch: pytest.MonkeyPatch, mirror: str, says: str) -> None:
    monkeypatch.setenv("TRACKMATTE_WEIGHTS_MIRROR", mirror)
    with pytest.raises(MissingPartError, match=says) as e:
        weights.fetch(TINY)
    for word in (weights.get(TINY).url, str(folder), "try again later"):
        assert word in str(e.value)


def test_server_that_falls_silent(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TIMEOUT", (1.0, 0.1))
    monkeypatch.setattr(download, "RETRIES", 0)
    server.gate = threading.Event()
    try:
        with pytest.raises(MissingPartError, match="go on after"):
            weights.fetch(TINY)
    finally:
        server.gate.set()
    assert (folder / PARTIAL).stat().st_size > 0


def test_sum_that_is_not_published_is_remembered(server: Server, folder: Path) -> None:
    place(folder, f".{MAM}.pth.trackmatte-partial", b"of another version")
    assert weights.fetch(MAM).read_bytes() == b"m" * 5000
    assert server.asked == [(f"{MAM}.pth", "")]
    assert weights.verify(MAM) == "ok"
    (folder / f"{MAM}.pth").write_bytes(b"n" * 5000)
    with pytest.raises(MissingPartError, match="add it again"):
        weights.require(MAM)


def test_several_at_once_fetch_one_file(server: Server, folder: Path) -> None:
    server.gate = threading.Event()
    told: list[int] = []
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(weights.fetch, TINY, progress=lambda d, _: told.append(d)) for _ in range(3)]
        threading.Timer(0.6, server.gate.set).start()
        for job in jobs:
            assert job.result().read_bytes() == DATA
    assert len(server.asked) == 1
    assert leftovers(folder) == []


def test_full_disk_keeps_what_came(server: Server, folder: Path) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, limit[1]))
    try:
        with pytest.raises(OutputError, match=r"size is not allowed there .*run the command again"):
            weights.fetch(TINY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert (folder / PARTIAL).stat().st_size > 100_000
    assert weights.fetch(TINY).read_bytes() == DATA
    assert server.asked[-1][1]
