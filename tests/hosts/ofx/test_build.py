"""What is delivered: the binary's exports, the wheel with the bundle, the Windows build."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.hosts.ofx.driver import FLAGS, ROOT, SOURCES, Built, Host, build

OFX = ROOT / "hosts" / "ofx"
ENTRIES = ["OfxGetNumberOfPlugins", "OfxGetPlugin"]
MINGW = shutil.which("x86_64-w64-mingw32-gcc")


def exported(binary: Path) -> list[str]:
    """Return the functions that a Linux binary exports, by two tools."""
    nm = subprocess.run(
        ["nm", "-D", "--defined-only", str(binary)], capture_output=True, text=True, check=True
    )
    by_nm = [line.split()[-1] for line in nm.stdout.splitlines()]
    elf = subprocess.run(
        ["readelf", "--dyn-syms", "-W", str(binary)], capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in elf.stdout.splitlines()]
    by_elf = [r[7] for r in rows if len(r) == 8 and r[4:6] == ["GLOBAL", "DEFAULT"] and r[6] != "UND"]
    assert sorted(by_nm) == sorted(by_elf)
    return sorted(by_nm)


@pytest.fixture(scope="module")
def built(shared: Path) -> Built:
    """The plug-in as it is delivered."""
    return build(shared, patient=False)


def test_nothing_is_exported_but_the_entry_points(built: Built) -> None:
    assert exported(built.plugin) == ENTRIES


def test_no_library_but_the_systems(built: Built) -> None:
    """No Python, no C++: what hosts carry in other versions."""
    told = subprocess.run(
        ["readelf", "-d", str(built.plugin)], capture_output=True, text=True, check=True
    ).stdout
    needed = {line.split("[")[1].rstrip("]") for line in told.splitlines() if "(NEEDED)" in line}
    assert needed <= {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2"}


@pytest.mark.skipif(not MINGW, reason="no x86_64-w64-mingw32-gcc: the Windows build is not tried")
def test_windows_compiles(shared: Path, tmp_path: Path) -> None:
    assert shared
    out = tmp_path / "Trackmatte.ofx"
    flags = [f for f in FLAGS if not f.startswith("-D")]
    files = map(str, sorted(SOURCES.glob("*.c")))
    words = [str(MINGW), *flags, "-O1", "-shared", *files, "-o", str(out), "-ladvapi32", "-static-libgcc"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
    told = subprocess.run(
        ["x86_64-w64-mingw32-objdump", "-p", str(out)], capture_output=True, text=True, check=True
    )
    table = told.stdout.split("[Ordinal/Name Pointer] Table")[1].split("\n\n")[0]
    assert [line.split()[-1] for line in table.strip().splitlines()] == ENTRIES


def has_tools() -> bool:
    """Whether the wheel can be built here without a network."""
    return bool(
        importlib.util.find_spec("scikit_build_core") and shutil.which("cmake") and shutil.which("ninja")
    )


@pytest.mark.skipif(not has_tools(), reason="no scikit-build-core, cmake or ninja: the wheel is not built")
def test_wheel(shared: Path, tmp_path: Path, runtime: Path) -> None:
    """One wheel for every Python, with the bundle as hosts want it; a host loads it from there."""
    words = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-build-isolation",
        "--no-deps",
        "--disable-pip-version-check",
    ]
    done = subprocess.run(
        [*words, "-w", str(tmp_path), str(OFX)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith("trackmatte_ofx-0.1.0-py3-none-linux_")
    folder = "Linux-aarch64" if platform.machine() == "aarch64" else "Linux-x86-64"
    bundle = "trackmatte_ofx/Trackmatte.ofx.bundle/Contents"
    with zipfile.ZipFile(wheel) as z:
        names = {n for n in z.namelist() if "dist-info" not in n}
        assert names == {f"{bundle}/Info.plist", f"{bundle}/{folder}/Trackmatte.ofx"}
        z.extractall(tmp_path)
    binary = tmp_path / bundle / folder / "Trackmatte.ofx"
    assert exported(binary) == ENTRIES
    host = Host(Built(binary, build(shared).host), tmp_path, runtime)
    host.ask("config")
    assert host.load()["describe"] == 0
    host.close()
    for pipe in (host.process.stdin, host.process.stdout):
        if pipe:
            pipe.close()
    assert not os.path.lexists(OFX / "build")
