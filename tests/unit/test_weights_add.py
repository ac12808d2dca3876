"""Files of weights that a user has, and folders that cannot be written."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from tests.weights_server import DATA, MAM, SMALL, TINY, Server, leftovers, place
from trackmatte import weights
from trackmatte.errors import MissingPartError, OutputError, UsageError

pytestmark = pytest.mark.usefixtures("folder")
SHA = hashlib.sha256(DATA).hexdigest()


def test_add_own_file_with_its_config(folder: Path, tmp_path: Path) -> None:
    mine = place(tmp_path, "hero v2.pt", b"mine")
    config = place(tmp_path, "c.yaml", b"model: {}\n")
    with pytest.raises(UsageError, match="--name"):
        weights.add(mine)
    added = weights.add(mine, name="hero", config=str(config), licence="in-house")
    assert added == weights.get("hero") == weights.installed("sam2")[0]
    assert (added.file, added.licence, added.commercial, added.size) == ("hero.pt", "in-house", None, 4)
    assert added.sha256 == weights.sha256("hero") == hashlib.sha256(b"mine").hexdigest()
    assert added.config == str(folder / "hero.yaml")
    assert Path(added.config).read_bytes() == config.read_bytes()
    assert weights.require("hero").read_bytes() == b"mine"
    assert weights.verify("hero") == "ok"
    (folder / "hero.pt").write_bytes(b"MINE")
    assert weights.verify("hero") == "damaged"
    (folder / "hero.pt").unlink()
    assert weights.verify("hero") == "missing"
    with pytest.raises(MissingPartError, match=r"put hero\.pt back"):
        weights.require("hero")
    with pytest.raises(UsageError, match="own file"):
        weights.fetch("hero")
    assert weights.add(place(tmp_path, "hero.ckpt", b"new")).file == "hero.ckpt"
    assert [w.file for w in weights.own()] == ["hero.ckpt"]


def test_add_again_other_bytes_and_overwrite(folder: Path, tmp_path: Path) -> None:
    mine = place(tmp_path, "mine.pt", b"one")
    assert weights.add(mine).licence == "not stated"
    assert weights.add(mine, licence="mine").licence == "mine"
    assert weights.add(mine).licence == "mine"
    mine.write_bytes(b"two")
    with pytest.raises(OutputError, match="--overwrite"):
        weights.add(mine)
    assert weights.require("mine").read_bytes() == b"one"
    assert weights.add(mine, overwrite=True).licence == "mine"
    assert weights.require("mine").read_bytes() == b"two"
    with pytest.raises(OutputError, match="choose another with --name"):
        weights.add(place(tmp_path, "mine.ckpt", b"three"))
    assert len(weights.own()) == 1
    assert leftovers(folder) == []


def test_add_recognises_published_files(folder: Path, tmp_path: Path) -> None:
    assert weights.add(place(tmp_path, "download (1).bin", DATA)).name == TINY
    assert weights.require(TINY) == folder / f"{TINY}.pt"
    assert weights.add(place(tmp_path, "x.pt", DATA), name="other").name == TINY
    assert weights.add(place(tmp_path, "mam_vitb.pth", b"m")).name == MAM
    assert weights.verify(MAM) == "ok"
    with pytest.raises(UsageError, match=r"leave them out"):
        weights.add(place(tmp_path, "x.pt", DATA), licence="mine")
    fake = place(tmp_path, f"{SMALL}.pt", b"trained further")
    with pytest.raises(UsageError, match="another --name"):
        weights.add(fake)
    assert weights.add(fake, name="further").file == "further.pt"
    assert weights.find(SMALL) is None


def test_add_replaces_a_damaged_published_file_only_when_asked(folder: Path, tmp_path: Path) -> None:
    place(folder, f"{TINY}.pt", DATA[:-1])
    good = place(tmp_path, f"{TINY}.pt", DATA)
    with pytest.raises(OutputError, match="--overwrite"):
        weights.add(good)
    weights.add(good, overwrite=True)
    assert weights.verify(TINY) == "ok"


def test_add_a_file_that_is_in_the_folder(folder: Path) -> None:
    path = place(folder, "mine.pt", b"mine")
    assert [str(path) in note for note in weights.notes()] == [True]
    weights.add(path)
    assert weights.notes() == []
    assert weights.require("mine") == path


@pytest.mark.parametrize(
    ("file", "words", "says"),
    [
        ("gone.pt", {}, "cannot read"),
        ("x.txt", {}, "not a file of weights"),
        ("x.pt", {"name": "../x"}, "cannot be a name"),
        ("x.pt", {"name": ".x"}, "cannot be a name"),
        ("x.pt", {"config": "gone.yaml"}, "there is no config"),
    ],
)
def test_add_refuses(folder: Path, tmp_path: Path, file: str, words: dict[str, str], says: str) -> None:
    for name in ("x.pt", "x.txt"):
        place(tmp_path, name, b"x")
    with pytest.raises(UsageError, match=says):
        weights.add(tmp_path / file, **words)  # type: ignore[arg-type]
    assert not folder.exists()


def test_folder_that_cannot_be_made(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = place(tmp_path, "file", b"x") / "weights"
    monkeypatch.setenv("TRACKMATTE_WEIGHTS", str(blocked))
    with pytest.raises(OutputError, match="choose a folder you may write to"):
        weights.fetch(TINY)
    with pytest.raises(OutputError, match="choose a folder you may write to"):
        weights.add(place(tmp_path, "mine.pt", b"mine"))
    assert weights.find(TINY) is None
    assert server.asked == []


@pytest.mark.usefixtures("server")
def test_folder_for_reading_only_serves_what_it_has(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        path = place(folder, f"{TINY}.pt", DATA)
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        assert weights.require(TINY) == path
        assert weights.sha256(TINY) == SHA
        assert weights.verify(TINY) == "ok"
        assert weights.fetch(TINY) == path
        with pytest.raises(OutputError, match="cannot write"):
            weights.fetch(SMALL)
        with pytest.raises(OutputError, match="cannot write"):
            weights.add(place(tmp_path, "mine.pt", b"mine"))
    finally:
        subprocess.run(["umount", str(folder)], check=True)
