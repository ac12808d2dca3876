"""A weights folder and a server of weights, for the tests of the registry."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.weights_server import DATA, MAM, SMALL, SMALL_DATA, TINY, Server, serving
from trackmatte.weights import download, table
from trackmatte.weights.table import KNOWN


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty weights folder, and the published files replaced by small ones."""
    sums = {TINY: DATA, SMALL: SMALL_DATA}
    small = {n: (len(d), hashlib.sha256(d).hexdigest()) for n, d in sums.items()}
    shrunk = (
        replace(w, size=small[w.name][0], sha256=small[w.name][1]) if w.name in small else w for w in KNOWN
    )
    monkeypatch.setattr(table, "KNOWN", tuple(shrunk))
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setenv("TRACKMATTE_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "weights"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving() as s:
        s.files = {f"{TINY}.pt": DATA, f"{SMALL}.pt": SMALL_DATA, f"{MAM}.pth": b"m" * 5000}
        monkeypatch.setenv("TRACKMATTE_WEIGHTS_MIRROR", s.url)
        yield s
