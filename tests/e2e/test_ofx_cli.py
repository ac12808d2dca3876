"""``trackmatte ofx``: the plug-in gets to its place, and nothing of others is lost."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests import disc
from trackmatte.cli import main, ofx
from trackmatte.server.ofx.naming import session_of

PLIST = "<string>org.trackmatte.Trackmatte</string>"


def bundle(folder: Path, content: str = "one") -> Path:
    """Make a bundle with a binary that says something."""
    made = folder / ofx.BUNDLE
    binary = made / "Contents" / "Linux-x86-64" / "Trackmatte.ofx"
    binary.parent.mkdir(parents=True)
    binary.write_text(content)
    (made / "Contents" / "Info.plist").write_text(PLIST)
    return made


def run(*words: object) -> int:
    """Run the command line in this process."""
    return main(["ofx", *map(str, words)])


def content(folder: Path) -> str:
    """Return what the installed binary says; nothing lies beside the bundle."""
    assert [p.name for p in folder.iterdir()] == [ofx.BUNDLE]
    return (folder / ofx.BUNDLE / "Contents" / "Linux-x86-64" / "Trackmatte.ofx").read_text()


def test_install_update_and_nothing_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dest = tmp_path / "new" / "Plugins"
    assert run("install", "--bundle", bundle(tmp_path / "a"), "--dest", dest) == 0
    assert content(dest) == "one"
    assert "OFX_PLUGIN_PATH" in capsys.readouterr().err
    before = (dest / ofx.BUNDLE).stat().st_ino
    assert run("install", "--bundle", tmp_path / "a" / ofx.BUNDLE, "--dest", dest) == 0
    assert "up to date" in capsys.readouterr().err
    assert (dest / ofx.BUNDLE).stat().st_ino == before
    assert run("install", "--bundle", bundle(tmp_path / "b", "two"), "--dest", dest) == 0
    assert content(dest) == "two"


@pytest.mark.parametrize("what", ["file", "folder", "mixed", "link"])
def test_files_of_others_stay(tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    source, dest = bundle(tmp_path / "a"), tmp_path / "dest"
    dest.mkdir()
    target = dest / ofx.BUNDLE
    kept = target / "Contents" / "mine.txt"
    if what == "file":
        target.write_text("mine")
    elif what == "link":
        target.symlink_to(bundle(tmp_path / "elsewhere", "mine"))
    else:
        if what == "mixed":
            bundle(dest, "old")
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text("mine")
    assert run("install", "--bundle", source, "--dest", dest) == 6
    assert "--overwrite" in capsys.readouterr().err
    assert what in ("file", "link") or kept.read_text() == "mine"
    assert run("install", "--bundle", source, "--dest", dest, "--overwrite") == 0
    assert content(dest) == "one"
    if what == "link":
        assert content(tmp_path / "elsewhere") == "mine"


@pytest.mark.skipif(
    sys.platform != "linux" or os.getuid() != 0, reason="a folder that root cannot write is in /proc"
)
def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("install", "--bundle", bundle(tmp_path), "--dest", "/proc/OFX") == 6
    assert "--dest" in capsys.readouterr().err


def test_what_is_no_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").mkdir()
    assert run("install", "--bundle", tmp_path / "x", "--dest", tmp_path / "d") == 2
    assert "scripts/build-ofx" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_the_installed_distribution_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    made = bundle(site / "trackmatte_ofx")
    info = site / "trackmatte_ofx-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: trackmatte-ofx\nVersion: 0.1.0\n")
    files = [p.relative_to(site).as_posix() for p in made.rglob("*") if p.is_file()]
    (info / "RECORD").write_text("".join(f"{f},,\n" for f in files))
    monkeypatch.syspath_prepend(str(site))
    assert run("install", "--dest", tmp_path / "dest") == 0
    assert content(tmp_path / "dest") == "one"


def test_no_distribution(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ofx, "DISTRIBUTION", "trackmatte-ofx-that-nobody-has")
    assert run("install", "--dest", tmp_path) == 7
    assert "pip install" in capsys.readouterr().err


def test_the_shot_of_a_clip(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of its own for each clip, for this user alone."""
    monkeypatch.setenv("TRACKMATTE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    disc.write_movie(tmp_path / "a.mp4", 2, (32, 32))
    assert run("shot", "a.mp4") == 0
    path = Path(capsys.readouterr().out.strip())
    assert path == tmp_path / "cache" / "ofx" / str(session_of(str(tmp_path / "a.mp4"))) / "session.shot.json"
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert run("shot", disc.write_frames(tmp_path / "plates", 2, (32, 32))) == 0
    assert run("shot", "b.mp4") == 3
    assert session_of("/clips/a.mov") != session_of("/clips/b.mov")
    capsys.readouterr()
    assert run("shot", "a.mp4", "--number", 7) == 0
    assert Path(capsys.readouterr().out.strip()) == path  # by its number it has the same shot
    assert run("shot", tmp_path / "a.mp4", "--number", 7) == 0
    assert run("shot", tmp_path / "plates", "--number", 7) == 6
    assert f"{tmp_path / 'a.mp4'} has the number 7; choose another" in capsys.readouterr().err
    assert run("shot", "a.mp4", "--number", 0) == 2
    assert run("shot", "a.mp4", "--overwrite") == 2
    assert (tmp_path / "cache/ofx/clips/7").read_text() == str(tmp_path / "a.mp4")
    assert run("shot", tmp_path / "plates", "--number", 7, "--overwrite") == 0
    assert (tmp_path / "cache/ofx/clips/7").read_text() == str(tmp_path / "plates")
    assert run("shot", "a.mp4", "--number", 7) == 6  # it is the other's now
