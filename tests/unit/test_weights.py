"""The registry of model weights: what is known, what is there, and the record of it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.weights_server import DATA, MAM, SMALL, SMALL_DATA, TINY, leftovers, place
from trackmatte import weights
from trackmatte.errors import MissingPartError, UsageError
from trackmatte.weights import store, table
from trackmatte.weights.table import KNOWN

pytestmark = pytest.mark.usefixtures("folder")
SHA = hashlib.sha256(DATA).hexdigest()


# The table


def test_table_is_consistent() -> None:
    for w in KNOWN:
        assert (w.size is None) == (w.sha256 is None)
        assert w.sha256 is None or re.fullmatch("[0-9a-f]{64}", w.sha256)
        assert w.url.startswith("https://")
        assert not w.direct or w.url.endswith(f"/{w.file}")
        assert re.match(store.NAME_PATTERN, w.file)
        assert Path(w.file).suffix in table.SUFFIXES
        assert (w.config is not None) == (w.family == "sam2")
    for field in ("name", "file", "url", "sha256"):
        values = [getattr(w, field) for w in KNOWN if w.direct]
        assert len(set(values)) == len(values)
    names = [w.name for w in KNOWN if w.family == "sam2"]
    sizes = ("large", "base_plus", "small", "tiny")
    assert names == [f"{v}_hiera_{s}" for v in ("sam2.1", "sam2") for s in sizes]
    assert all(w.commercial is not True for w in KNOWN if w.family == "mam")


@pytest.mark.skipif(find_spec("sam2") is None, reason="the sam2 package is not installed")
def test_configs_are_in_the_sam2_package() -> None:
    spec = find_spec("sam2")
    assert spec is not None
    assert spec.submodule_search_locations
    package = Path(spec.submodule_search_locations[0])
    for w in KNOWN:
        assert w.config is None or (package / w.config).is_file()


def test_folder_is_the_users_unless_said(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    assert weights.folder() == folder
    monkeypatch.delenv("TRACKMATTE_WEIGHTS")
    assert weights.folder().name == "weights"
    assert "trackmatte" in weights.folder().parts


# Finding


def test_nothing_is_installed_and_nothing_is_made(folder: Path) -> None:
    assert weights.installed() == []
    assert weights.own() == []
    assert weights.notes() == []
    assert weights.find(TINY) is None
    assert weights.find("nonsense") is None
    assert weights.verify(TINY) == "missing"
    assert not folder.exists()


def test_missing_says_file_source_folder_and_command(folder: Path) -> None:
    with pytest.raises(MissingPartError) as e:
        weights.require(TINY)
    url = weights.get(TINY).url
    for word in (f"{TINY}.pt", url, str(folder), f"trackmatte weights fetch {TINY}"):
        assert word in str(e.value)
    with pytest.raises(MissingPartError, match=r"with a browser.*trackmatte weights add mam_vitb\.pth"):
        weights.require(MAM)
    with pytest.raises(MissingPartError, match="fetch"):
        weights.sha256(TINY)
    with pytest.raises(UsageError, match=f"did you mean {TINY}"):
        weights.require("sam2.1_hiera_tny")


def test_file_put_there_by_hand_is_found_and_hashed_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place(folder, f"{TINY}.pt", DATA)
    assert weights.find(TINY) == weights.find(f"{TINY}.pt") == path
    assert weights.require(TINY) == path
    reads: list[Path] = []
    real = store.hash_file
    monkeypatch.setattr(store, "hash_file", lambda p: (reads.append(p), real(p))[1])
    assert weights.sha256(TINY) == SHA
    assert weights.require(TINY) == path
    assert reads == []
    os.utime(path, ns=(1, 1))
    assert weights.sha256(TINY) == SHA
    assert weights.sha256(TINY) == SHA
    assert reads == [path]


def test_preference(folder: Path, tmp_path: Path) -> None:
    place(folder, f"{TINY}.pt", DATA)
    place(folder, f"{SMALL}.pt", SMALL_DATA)
    place(folder, f"{MAM}.pth", b"m")
    mine = place(tmp_path, "aaa.pt", b"mine")
    weights.add(mine, config="configs/sam2.1/sam2.1_hiera_t.yaml")
    assert [w.name for w in weights.installed("sam2")] == [SMALL, TINY, "aaa"]
    assert [w.name for w in weights.installed("mam")] == [MAM]
    assert len(weights.installed()) == 4


def test_truncated_and_altered_files_are_not_used(folder: Path) -> None:
    path = place(folder, f"{TINY}.pt", DATA[:-1])
    assert weights.find(TINY) is None
    assert weights.installed() == []
    with pytest.raises(MissingPartError, match="move it away"):
        weights.require(TINY)
    assert weights.verify(TINY) == "damaged"
    path.write_bytes(b"x" + DATA[1:])
    with pytest.raises(MissingPartError, match="move it away"):
        weights.require(TINY)
    with pytest.raises(MissingPartError, match="move it away"):
        weights.fetch(TINY)
    assert path.read_bytes() == b"x" + DATA[1:]


def test_verify_sees_damage_that_size_and_time_hide(folder: Path) -> None:
    path = place(folder, f"{TINY}.pt", DATA)
    assert weights.verify(TINY) == "ok"
    stat = path.stat()
    path.write_bytes(b"x" + DATA[1:])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert weights.verify(TINY) == "damaged"
    with pytest.raises(MissingPartError, match="damaged"):
        weights.require(TINY)


def test_without_a_published_sum_the_first_one_counts(folder: Path) -> None:
    path = place(folder, f"{MAM}.pth", b"one")
    assert weights.require(MAM) == path
    assert weights.verify(MAM) == "unproven"
    assert weights.verify(MAM) == "ok"
    path.write_bytes(b"two")
    assert weights.verify(MAM) == "damaged"


# The record


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b'{"format": "trackmatte-weights", "ver',
        b'{"format": "trackmatte-weights", "version": 2, "files": {}}',
        b'{"format": "trackmatte-weights", "version": 1, "files": {"../../x.pt": '
        b'{"size": 1, "mtime_ns": 1, "sha256": ""}}}',
    ],
)
def test_damaged_record_is_set_aside_and_rebuilt(folder: Path, tmp_path: Path, damage: bytes) -> None:
    place(folder, f"{TINY}.pt", DATA)
    weights.add(place(tmp_path, "mine.pt", b"mine"))
    record = folder / "weights.json"
    for count in (1, 2):
        record.write_bytes(damage)
        assert weights.find(TINY)
        assert "weights.json is damaged" in weights.notes()[0]
        assert str(folder / "mine.pt") in weights.notes()[1]
        assert weights.sha256(TINY) == SHA
        assert json.loads(record.read_bytes())["files"][f"{TINY}.pt"]["sha256"] == SHA
        assert len(list(folder.glob("weights.json.damaged*"))) == count
        weights.add(folder / "mine.pt")
        assert weights.notes() == []
    assert (folder / "weights.json.damaged").read_bytes() == damage


def test_record_of_many_at_once_loses_nothing(folder: Path, tmp_path: Path) -> None:
    files = [place(tmp_path, f"own{i}.pt", b"%d" % i) for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(weights.add, files))
    assert [w.name for w in weights.own()] == [f"own{i}" for i in range(8)]
    assert leftovers(folder) == []
