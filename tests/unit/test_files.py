"""Files are whole or not there, whatever fails, and the sentence names the way out."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from trackmatte.errors import OutputError
from trackmatte.files import (
    atomic,
    free_bytes,
    read_array,
    write_array,
    write_bytes,
    write_error,
    write_image,
)

PIXELS = np.linspace(0, 1, 32 * 48 * 4, dtype=np.float32).reshape(32, 48, 4)


def fail(number: int, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Let one system call fail."""

    def broken(*_args: object, **_kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    if where == "fsync":
        monkeypatch.setattr(os, "fsync", broken)
    else:
        monkeypatch.setattr(Path, where, broken)


@pytest.mark.parametrize("where", ["fsync", "replace", "mkdir"])
@pytest.mark.parametrize(
    ("number", "says"),
    [
        (
            errno.ENOSPC,
            "the disk is full; what was finished is kept, so free some space and run the same command",
        ),
        (errno.EDQUOT, "quota"),
        (errno.EIO, "the disk reports an error"),
        (errno.EFBIG, "ulimit -f"),
        (errno.EROFS, "choose a folder you may write to"),
        (errno.EACCES, "choose a folder you may write to"),
        (errno.ESTALE, "its folder is gone"),
    ],
)
def test_whatever_fails_the_old_file_stays_and_no_leftover(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, number: int, says: str
) -> None:
    path = tmp_path / "m.exr"
    path.write_bytes(b"old")
    with monkeypatch.context() as patch:
        fail(number, patch, where)
        with pytest.raises(OutputError) as error:
            write_image(path, PIXELS, {}, "half")
    assert str(path) in str(error.value)
    assert says in str(error.value)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["m.exr"]


def test_growth_is_what_the_file_adds(tmp_path: Path) -> None:
    path = tmp_path / "m.exr"
    assert write_image(path, PIXELS, {}, "half") == path.stat().st_size
    before = path.stat().st_size
    assert write_image(path, PIXELS[:8], {}, "half") == path.stat().st_size - before < 0


def test_folder_that_goes_while_a_file_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "f"

    def go(*, replaced: bool) -> None:
        with atomic(folder / "x") as temporary:
            temporary.write_bytes(b"x")
            shutil.rmtree(folder)
            if replaced:  # by a file: even tidying up fails
                folder.touch()

    for replaced in (False, True):
        with pytest.raises(OutputError, match="its folder is gone"):
            go(replaced=replaced)
    assert folder.is_file()


def test_an_error_inside_is_passed_on_and_leaves_nothing(tmp_path: Path) -> None:
    def go(error: type[BaseException]) -> None:
        with atomic(tmp_path / "x") as temporary:
            temporary.write_bytes(b"half")
            raise error

    for error in (KeyError, KeyboardInterrupt):
        with pytest.raises(error):
            go(error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a" * 251 + ".exr", "é" * 125 + ".exr", "a b%04d#?[x]&ü.exr", "漢字.exr"])
def test_every_name_that_the_file_system_takes(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_image(path, PIXELS, {}, "float", channels=("R", "G", "B", "A"))
    assert [p.name for p in tmp_path.iterdir()] == [name]
    twin = shutil.copy(path, tmp_path / "plain.exr")
    with OpenEXR.File(str(twin), separate_channels=True) as f:
        np.testing.assert_array_equal(f.channels()["A"].pixels, PIXELS[..., 3])


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="the name is too long"):
        write_bytes(tmp_path / ("a" * 256), b"x")


@pytest.mark.parametrize("name", ["a b%04d#?ü.tif", "plain.tif"])
def test_planes_come_back_under_any_name(tmp_path: Path, name: str) -> None:
    plane = PIXELS[..., 0]
    write_array(tmp_path / name, plane, {"key": "k"})
    found = read_array(tmp_path / name)
    assert found is not None
    np.testing.assert_array_equal(found[0], plane)
    assert found[1] == {"key": "k"}


LIMITED = """
import resource, sys, numpy as np
from pathlib import Path
from trackmatte.files import write_image
from trackmatte.errors import OutputError

path = Path(sys.argv[1])
kind = {".exr": "half", ".png": "uint16", ".tif": "float"}[path.suffix]
noise = (np.random.default_rng(0).random((64, 64, 4)) * 65535).astype(np.uint16)
size = write_image(path, noise, {}, kind)
path.unlink()
said = set()
for limit in (0, 1, size // 3, size // 2, size - 5000, size - 500, size - 40, size - 1):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        write_image(path, noise, {}, kind)
        sys.exit(f"with {limit} of {size} bytes it was not noticed")
    except OutputError as e:
        said.add(str(e))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(write_image(path, noise, {}, kind) == size, *said, sep="\\n")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
@pytest.mark.parametrize("suffix", [".exr", ".png", ".tif"])
def test_a_file_that_does_not_fit_is_noticed_wherever_it_breaks_off(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    done = subprocess.run([sys.executable, "-c", LIMITED, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    whole, said = done.stdout.splitlines()
    assert whole == "True"
    assert "ulimit -f" in said
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_free_space_of_what_is_not_there_yet(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "a" / "b" / "c.exr") == pytest.approx(
        shutil.disk_usage(tmp_path).free, rel=0.05
    )


def test_a_reason_of_a_library_is_passed_on(tmp_path: Path) -> None:
    assert "codec x is unhappy" in str(write_error(tmp_path / "m.mp4", "codec x is unhappy"))


def test_one_channel_that_stands_for_four_gives_the_same_file(tmp_path: Path) -> None:
    alpha = np.random.default_rng(3).random((37, 53), np.float32)
    alpha[0, :4] = 0, 1, 2**-25, 1 - 2**-13  # ends, and ties between two halves
    shared = np.broadcast_to(alpha[..., None], (37, 53, 4))
    for name, pixels in (("shared", shared), ("copied", np.repeat(alpha[..., None], 4, axis=2))):
        write_image(tmp_path / f"{name}.exr", pixels, {"compression": "zip"}, "half")
    assert (tmp_path / "shared.exr").read_bytes() == (tmp_path / "copied.exr").read_bytes()
