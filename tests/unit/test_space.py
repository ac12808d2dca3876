"""Room on a disk, with the disk's figures injected."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from trackmatte.errors import OutputError
from trackmatte.writers.space import BLOCK, Room

Usage = namedtuple("Usage", "total used free")


class Disk:
    """A disk whose free space a test sets, and that counts who asks."""

    def __init__(self) -> None:
        self.free = 10**12
        self.asked = 0

    def usage(self, _path: object) -> Usage:
        self.asked += 1
        return Usage(10**12, 10**12 - self.free, self.free)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(shutil, "disk_usage", disk.usage)
    return disk


def write(room: Room, count: int, grown: int | None) -> None:
    for _ in range(count):
        room.guard(lambda: grown)()


def test_too_little_for_the_rest_stops_after_the_first_files(tmp_path: Path, disk: Disk) -> None:
    room = Room(tmp_path, 1000)
    disk.free = 995 * 10**6
    write(room, 3, 10**6)
    with pytest.raises(OutputError) as error:
        write(room, 1, 10**6)
    text = str(error.value)
    for part in ("995 MB of free", "996 MB", "4 of 1000 files are saved", str(tmp_path), "--no-space-check"):
        assert part in text


def test_just_enough_is_enough(tmp_path: Path, disk: Disk) -> None:
    room = Room(tmp_path, 1000)
    disk.free = 1000 * 10**6

    def job() -> int:
        disk.free -= 10**6
        return 10**6

    for _ in range(1000):
        room.guard(job)()
    assert disk.free == 0
    assert disk.asked <= 12  # at the powers of two, not at every file


def test_files_that_grow_later_are_noticed(tmp_path: Path, disk: Disk) -> None:
    room = Room(tmp_path, 1000)
    disk.free = 10**9
    write(room, 4, 1000)
    with pytest.raises(OutputError, match="of free space"):
        write(room, 200, 10**7)


def test_replaced_files_of_the_same_size_need_no_room(tmp_path: Path, disk: Disk) -> None:
    room = Room(tmp_path, 100)
    disk.free = 10
    write(room, 100, 0)


def test_no_room_at_all_is_said_before_the_first_file(tmp_path: Path, disk: Disk) -> None:
    disk.free = 100 * BLOCK - 1
    with pytest.raises(OutputError, match="0 of 100 files are saved"):
        Room(tmp_path, 100)
    Room(tmp_path, 99)
    Room(tmp_path, 100, estimate=False)
    Room(tmp_path, 1000, whole=True)


def test_insisting_writes_until_the_disk_is_full(tmp_path: Path, disk: Disk) -> None:
    disk.free = 1
    room = Room(tmp_path, 1000, estimate=False)
    write(room, 1000, 10**9)
    assert room.done == 1000


def test_sizes_that_are_not_known_are_not_guessed(tmp_path: Path, disk: Disk) -> None:
    room = Room(tmp_path, 100)
    disk.free = 1
    write(room, 100, None)


def test_a_failed_write_says_what_is_saved_and_a_movie_that_nothing_is(tmp_path: Path) -> None:
    def fail() -> int:
        raise OutputError("cannot write x: broken")

    room = Room(tmp_path, 9)
    write(room, 2, 1)
    with pytest.raises(OutputError, match=r"broken \(2 of 9 files are saved in"):
        room.guard(fail)()
    with pytest.raises(OutputError, match="of a movie nothing is kept"):
        Room(tmp_path, 9, whole=True).guard(fail)()


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_folder_that_goes_is_never_made_again(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "out"
    room = Room(folder, 9)
    write(room, 3, 1)
    folder.rmdir()
    if how == "replaced":
        folder.touch()
    ran: list[int] = []
    with pytest.raises(OutputError, match=r"is gone.* 3 of 9 files were saved .*run the same command again"):
        room.guard(lambda: ran.append(1))()
    assert ran == []
    assert not folder.is_dir()


def test_another_disk_under_the_same_path_is_not_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(tmp_path, 9)
    room._device += 1
    with pytest.raises(OutputError, match="is gone"):
        room.check_there()
    monkeypatch.setattr(Path, "is_dir", lambda _self: (_ for _ in ()).throw(OSError(5, "I/O error")))
    with pytest.raises(OutputError, match="is gone"):
        room.check_there()
