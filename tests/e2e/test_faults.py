"""Disks that fill up, folders that vanish, signals: what is there is whole, and the same command goes on.

A fault strikes at a known write of a known pass. Afterwards every file must be readable to its last pixel,
and the same command must give the very bytes of a run that nothing disturbed.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import OpenEXR
import OpenImageIO as oiio
import pytest

from tests import disc
from tests.e2e.test_cli import BOX, FAKE, run
from trackmatte import files
from trackmatte.writers.space import Room

FRAMES = 10
AT = 5
"""Number of the write that meets the fault, from 1."""
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return disc.write_frames(tmp_path_factory.mktemp("plates"), FRAMES, (96, 64))


def command(plates: Path, out: Path, kind: str = "exr") -> tuple[object, ...]:
    return ("matte", plates, *BOX, "--out", out, "--steady", 1, "--format", kind, *FAKE)


@pytest.fixture(scope="module", params=["exr", "png"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def undisturbed(plates: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    found = {}
    for kind in ("exr", "png"):
        out = tmp_path_factory.mktemp("whole") / "o"
        assert run(*command(plates, out, kind)) == 0
        found[kind] = delivered(out, kind)
        assert len(found[kind]) == FRAMES
    return found


def delivered(out: Path, kind: str = "exr") -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in out.glob(f"*.{kind}")}


def check_whole(folder: Path) -> None:
    """Read every file to its last pixel; no leftovers."""
    for f in folder.rglob("*"):
        if f.suffix == ".exr":
            with OpenEXR.File(str(f), separate_channels=True) as exr:
                assert all(c.pixels.shape == (64, 96) for c in exr.channels().values())
        elif f.suffix in (".tif", ".png"):
            image = oiio.ImageBuf(str(f))
            assert image.read(force=True), (f, image.geterror())
        assert not f.name.endswith(files.PARTIAL)


STAGES = ["track", "matte", "steady", "export"]


def strike(monkeypatch: pytest.MonkeyPatch, stage: str, fault: Callable[[], None]) -> None:
    """Let ``fault`` happen just before the AT-th write of a pass."""
    count = 0
    guard = Room.guard

    def counted(self: Room, job: Callable[[], int | None]) -> Callable[[], None]:
        guarded = guard(self, job)

        def write() -> None:
            nonlocal count
            count += 1
            if count == STAGES.index(stage) * FRAMES + AT:
                fault()
            guarded()

        return write

    monkeypatch.setattr(Room, "guard", counted)


class Disk:
    """A small file system of its own, of which ``place`` is a folder mounted elsewhere."""

    def __init__(self, base: Path) -> None:
        self.root, self.place = base / "disk", base / "place"
        self.work = self.root / "work"
        for folder in (self.root, self.place):
            folder.mkdir()
        self.mount("-t", "tmpfs", "-o", "size=8m", "tmpfs", self.root)
        self.work.mkdir()
        self.attach()

    @staticmethod
    def mount(*words: object) -> None:
        done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"file systems cannot be mounted here: {done.stderr.strip()}")

    def attach(self) -> None:
        self.mount("--bind", self.work, self.place)

    def detach(self) -> None:
        subprocess.run(["umount", "-l", self.place], check=True)

    def fill(self) -> None:
        with (self.root / "ballast").open("wb", buffering=0) as f:
            size = 1 << 20
            while size:
                try:
                    f.write(bytes(size))
                except OSError:
                    size //= 2

    def empty(self) -> None:
        (self.root / "ballast").unlink()

    def close(self) -> None:
        for place in (self.place, self.root):
            subprocess.run(["umount", "-l", place], check=False, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if sys.platform != "linux":
        pytest.skip("needs the mounts of Linux")
    made = Disk(tmp_path)
    yield made
    made.close()


def fails(words: tuple[object, ...], capfd: Capture, *says: str, code: int = 6) -> None:
    """Run a command that must fail with one sentence that says all this."""
    capfd.readouterr()
    assert run(*words, "--quiet") == code
    err = capfd.readouterr().err
    assert err.count("\n") == 1, err
    for text in says:
        assert text in err


@pytest.mark.parametrize("stage", STAGES)
def test_disk_that_fills_up(
    stage: str,
    kind: str,
    plates: Path,
    disk: Disk,
    undisturbed: dict[str, dict[str, bytes]],
    capfd: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if stage != "export" and kind == "png":
        pytest.skip("the cache is the same")
    words = command(plates, disk.place, kind)
    with monkeypatch.context() as patch:
        strike(patch, stage, disk.fill)
        fails((*words, "--no-space-check"), capfd, "the disk is full", f"{AT - 1} of ", "same command again")
    check_whole(disk.work)
    assert len(delivered(disk.work, kind)) == (AT - 1 if stage == "export" else 0)
    fails(words, capfd, "the disk is full")
    disk.empty()
    assert run(*words) == 0
    assert delivered(disk.work, kind) == undisturbed[kind]


@pytest.mark.parametrize("stage", STAGES)
def test_disk_that_is_detached(
    stage: str,
    plates: Path,
    disk: Disk,
    undisturbed: dict[str, dict[str, bytes]],
    capfd: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = command(plates, disk.place)
    with monkeypatch.context() as patch:
        strike(patch, stage, disk.detach)
        fails(words, capfd, "is gone", "bring it back and run the same command again", "of ")
    assert not any(
        f.suffix in (".exr", ".tif") for f in disk.place.rglob("*")
    )  # not written beneath the mount
    disk.attach()
    check_whole(disk.work)
    assert run(*words) == 0
    assert delivered(disk.work) == undisturbed["exr"]


def test_disk_that_becomes_read_only(
    plates: Path,
    disk: Disk,
    undisturbed: dict[str, dict[str, bytes]],
    capfd: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = command(plates, disk.place)
    with monkeypatch.context() as patch:
        strike(patch, "export", lambda: disk.mount("-o", "remount,ro", disk.root))
        fails(words, capfd, "Read-only", f"{AT - 1} of {FRAMES} files are saved")
    assert len(delivered(disk.work)) == AT - 1
    fails(words, capfd, "Read-only")
    disk.mount("-o", "remount,rw", disk.root)
    check_whole(disk.work)
    assert run(*words) == 0
    assert delivered(disk.work) == undisturbed["exr"]


@pytest.mark.parametrize(("stage", "how"), [*((s, "deleted") for s in STAGES), ("export", "replaced")])
def test_folder_that_is_deleted(
    stage: str,
    how: str,
    plates: Path,
    tmp_path: Path,
    undisturbed: dict[str, dict[str, bytes]],
    capfd: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "o"

    def fault() -> None:
        shutil.rmtree(out)
        if how == "replaced":
            out.touch()

    with monkeypatch.context() as patch:
        strike(patch, stage, fault)
        fails(command(plates, out), capfd, "is gone")
    assert not out.is_dir()
    out.unlink(missing_ok=True)
    assert run(*command(plates, out)) == 0
    assert delivered(out) == undisturbed["exr"]


@pytest.mark.parametrize(("call", "number"), [("fsync", errno.ENOSPC), ("replace", errno.EIO)])
@pytest.mark.parametrize("stage", STAGES)
def test_errors_of_the_system(
    stage: str,
    call: str,
    number: int,
    plates: Path,
    tmp_path: Path,
    undisturbed: dict[str, dict[str, bytes]],
    capfd: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_args: object) -> None:
        raise OSError(number, os.strerror(number))

    out = tmp_path / "o"
    with monkeypatch.context() as patch:
        owner: Any = os if call == "fsync" else Path
        strike(patch, stage, lambda: patch.setattr(owner, call, broken))
        fails(command(plates, out), capfd, "cannot write", f"{AT - 1} of ", "run the same command again")
    check_whole(out)
    if stage == "export":
        assert run(*command(plates, out)) == 0
        assert delivered(out) == undisturbed["exr"]


# -- too little room ------------------------------------------------------------------------------------


def test_too_little_room_is_said_early_and_insisting_goes_on(
    plates: Path, disk: Disk, capfd: Capture
) -> None:
    shot = disk.root.parent / "s" / "plate.shot.json"
    assert run("matte", plates, *BOX, "--out", shot.parent, *FAKE) == 0
    words = ("export", shot, "--out", disk.place, "--compression", "none", "--depth", "float")
    each = 96 * 64 * 4 * 4
    free = 6 * each
    disk.mount("-o", f"remount,size={free + 300000}", disk.root)
    ballast = shutil.disk_usage(disk.root).free - free
    (disk.root / "ballast").write_bytes(bytes(max(0, ballast)))
    fails(words, capfd, "of free space", "4 of 10 files are saved", "--no-space-check")
    assert len(delivered(disk.work)) == 4
    fails((*words, "--no-space-check"), capfd, "the disk is full")
    check_whole(disk.work)
    disk.mount("-o", "remount,size=8m", disk.root)
    assert run(*words) == 0
    assert len(delivered(disk.work)) == FRAMES
