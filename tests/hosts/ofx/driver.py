"""Builds the plug-in and the host in host/, and talks to the host."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "hosts" / "ofx" / "src"
HOST = Path(__file__).parent / "host"
FLAGS = [
    "-std=c11",
    "-D_GNU_SOURCE",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fvisibility=hidden",
    "-ffp-contract=off",
]
DEPTHS = {"Byte": np.uint8, "Short": np.uint16, "Half": np.float16, "Float": np.float32}
COMPONENTS = {"RGBA": 4, "RGB": 3, "Alpha": 1}
PREMULTIPLIED, STRAIGHT, OPAQUE = (
    "OfxImageAlphaPremultiplied",
    "OfxImageAlphaUnPremultiplied",
    "OfxImageOpaque",
)


@dataclass(frozen=True)
class Built:
    """The plug-in's binary and the host's."""

    plugin: Path
    host: Path


def build(
    folder: Path, name: str = "plain", *flags: str, optimise: str = "-O1", patient: bool = True
) -> Built:
    """Compile both, once for all workers of a test run.

    Parameters
    ----------
    patient : a frame waits for the engine for a minute and not for two seconds, which the machine may need.
    """
    place = folder / f"ofx-{name}"
    place.mkdir(parents=True, exist_ok=True)
    shipped, waits = (Built(place / f / "Trackmatte.ofx", place / "host") for f in ("shipped", "patient"))
    how = ["-g", optimise, *flags]
    with FileLock(place / "lock"):
        if not shipped.host.exists():
            files, library = sorted(SOURCES.glob("*.c")), ["-fPIC", "-shared", "-Wl,-z,defs"]
            objects = compile_files([*how, *library], files, shipped.plugin)
            render = [SOURCES / "render.c"]
            same = [o for o in objects if "render" not in o.name]
            compile_files([*how, *library, "-DRENDER_MOST=60000"], render, waits.plugin, same)
            compile_files([*how, f"-I{SOURCES}"], sorted(HOST.glob("*.c")), shipped.host)
    return waits if patient else shipped


def compile_files(flags: list[str], files: list[Path], out: Path, others: Sequence[Path] = ()) -> list[Path]:
    """Compile, two files at a time, and link them and other objects; return the objects made."""
    out.parent.mkdir(exist_ok=True)
    gcc = [shutil.which("gcc") or "gcc", *FLAGS, *flags]
    objects = [out.parent / f"{out.name}-{path.stem}.o" for path in files]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda i: _run([*gcc, "-c", str(files[i]), "-o", str(objects[i])]), range(len(files))))
    _run([*gcc, *map(str, [*objects, *others]), "-o", str(out), "-ldl", "-lpthread", "-lm"])
    return objects


def _run(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]


class Host:
    """A running host; every method is one command. A `prefix` is what runs it: valgrind, Wine."""

    def __init__(self, built: Built, folder: Path, runtime: Path, *prefix: str, **environment: str) -> None:
        self.folder = folder
        self.built, self.runtime = built, runtime
        usual = {k: v for k, v in os.environ.items() if not k.startswith("TRACKMATTE_")}
        usual |= {
            "TRACKMATTE_RUNTIME": str(runtime),
            "XDG_DATA_HOME": str(folder / "data"),
            "PATH": "/usr/bin:/bin",
        }
        self.process = subprocess.Popen(
            [*prefix, str(built.host)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if prefix else sys.stderr,
            env=usual | environment,
            text=True,
        )
        self.shape = (0, 0, 0)
        self.dtype: type = np.uint8

    def ask(self, command: str, **words: object) -> dict[str, Any]:
        """Send a command and return the answer."""
        assert self.process.stdin
        assert self.process.stdout
        line = "\t".join([command, *(f"{k}={v}" for k, v in words.items() if v is not None)])
        assert "\n" not in line
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"the host died at {command} ({self.process.wait()})"
        found: dict[str, Any] = json.loads(answer)
        return found

    def load(self, **words: object) -> dict[str, Any]:
        """Load and describe the plug-in."""
        return self.ask("load", path=self.built.plugin, **words)

    def source(self, frames: np.ndarray, *, first: int = 0, id: int = 0, **words: Any) -> None:
        """Give a clip: (N, H, W, C) of one of DEPTHS, rows from the top."""
        path = self.folder / "source.raw"
        path.write_bytes(np.ascontiguousarray(frames).tobytes())
        depth = next(k for k, v in DEPTHS.items() if np.dtype(v) == frames.dtype)
        comps = next(k for k, v in COMPONENTS.items() if v == frames.shape[3])
        n, h, w, c = frames.shape
        told = {
            "depth": depth,
            "comps": comps,
            "w": w,
            "h": h,
            "frames": n,
            "first": first,
            "path": path,
            "id": id,
        }
        assert self.ask("source", **(told | words))["whole"]
        self.shape, self.dtype = (h, w, c), DEPTHS[depth]

    def output(self, depth: str, comps: str, w: int, h: int, **words: Any) -> None:
        """Lay the output out in another way than the source."""
        self.ask("output", depth=depth, comps=comps, w=w, h=h, **words)
        self.shape, self.dtype = (h, w, COMPONENTS[comps]), DEPTHS[depth]

    def render(self, time: float = 0, **words: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Render and return the output, rows from the top; what was not written is 0x5A."""
        path = self.folder / "output.raw"
        answer = self.ask("render", time=time, out=path, **words)
        assert answer["status"] == 0
        return np.fromfile(path, self.dtype).reshape(self.shape), answer

    def set(self, param: str, value: object) -> None:
        """Set a parameter, as a project file does."""
        self.ask("set", param=param, value=value)

    def text(self, param: str) -> str:
        """Return a text parameter."""
        return str(self.ask("get", param=param)["text"])

    def report(self) -> dict[str, Any]:
        """Return the counts of everything."""
        return self.ask("report")

    def fds(self) -> list[str]:
        """Return what the host's process has open."""
        folder = Path(f"/proc/{self.process.pid}/fd")
        return sorted(str(f.readlink()) for f in folder.iterdir() if f.is_symlink())

    def close(self) -> str:
        """End the host cleanly and return what it said on standard error."""
        assert self.process.stdin
        self.process.stdin.write("quit\n")
        self.process.stdin.flush()
        _, err = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, err
        return err or ""


@dataclass(frozen=True)
class Wine:
    """Where Windows programs run: Wine's loader and a folder that it may take for a Windows disk."""

    loader: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What Wine is told: its folder, no chatter, no display."""
        return {
            "WINEPREFIX": str(self.folder),
            "WINEDEBUG": "-all",
            "DISPLAY": "",
            "HOME": str(self.folder.parent),
        }

    def run(self, *words: str) -> None:
        """Run a program to its end."""
        subprocess.run(
            [self.loader, *words], env=os.environ | self.environment, capture_output=True, check=True
        )

    def stop(self) -> None:
        """End what Wine leaves running for this folder."""
        self.run("wineboot", "--kill")


def find_wine() -> str | None:
    """Return the path of a Wine that runs 64-bit programs."""
    return shutil.which("wine64") or shutil.which("wine64", path="/usr/lib/wine") or shutil.which("wine")


def build_windows(folder: Path) -> Built:
    """Compile plug-in and host for Windows."""
    place = folder / "ofx-windows"
    place.mkdir(parents=True, exist_ok=True)
    made = Built(place / "Trackmatte.ofx", place / "host.exe")
    gcc = [
        shutil.which("x86_64-w64-mingw32-gcc") or "gcc",
        *(f for f in FLAGS if not f.startswith("-D")),
        "-O1",
    ]
    plugin, host = (list(map(str, sorted(place.glob("*.c")))) for place in (SOURCES, HOST))
    _run([*gcc, "-shared", *plugin, "-o", str(made.plugin), "-ladvapi32", "-static-libgcc"])
    _run([*gcc, f"-I{SOURCES}", *host, "-o", str(made.host), "-static", "-lpthread"])
    return made


@contextmanager
def hosting(built: Built, folder: Path, runtime: Path, *prefix: str, **config: Any) -> Iterator[Host]:
    """Start a host with the plug-in loaded and one instance; check at the end that nothing is left over."""
    environment = config.pop("environment", {})
    host = Host(built, folder, runtime, *prefix, **environment)
    try:
        host.ask("config", **config)
        told = host.load()
        assert (told["load"], told["describe"], told["context"]) == (0, 0, 0)
        assert host.ask("create")["status"] == 0
        yield host
        assert host.ask("destroy")["status"] == 0
        assert host.ask("unload")["status"] == 0
        left = host.report()
        assert (left["images"], left["sets_in_render"], left["guard_faults"]) == (0, 0, 0)
        assert not [name for name in host.fds() if "memfd" in name or "socket" in name]
        host.close()
    finally:
        if host.process.poll() is None:
            host.process.kill()
            host.process.wait()
        for pipe in (host.process.stdin, host.process.stdout, host.process.stderr):
            if pipe:
                pipe.close()
