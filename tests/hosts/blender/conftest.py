"""The built extension, Blenders to put it in, and an engine for them."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[3]
HOST = ROOT / "hosts" / "blender"
VERSIONS = ("4.2", "4.5", "5.0", "5.2")
SECONDS = 900
"""A Blender that hangs is ended after that."""
Chapter = Callable[..., dict[str, Any]]


def python_of(version: str) -> Path | None:
    """Return the Python with this bpy: `$TRACKMATTE_BPY_5_0`, or the one that scripts/test-hosts made."""
    named = os.environ.get(f"TRACKMATTE_BPY_{version.replace('.', '_')}")
    cache = Path(os.environ.get("TRACKMATTE_HOSTS", Path.home() / ".cache" / "trackmatte-hosts"))
    found = Path(named) if named else cache / f"bpy-{version}" / "bin" / "python"
    return found if found.is_file() else None


@pytest.fixture(scope="session")
def builder() -> Any:
    """hosts/blender/build.py as a module."""
    sys.path.insert(0, str(HOST))
    try:
        return importlib.import_module("build")
    finally:  # at once: the add-on's package beside it has the engine's name
        sys.path.remove(str(HOST))


@pytest.fixture(scope="session")
def package(builder: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the .zip."""
    built: Path = builder.build(tmp_path_factory.mktemp("package"))
    return built


@pytest.fixture(scope="session")
def logic(builder: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Import a module of the staged add-on that needs no Blender."""
    folder = builder.stage(tmp_path_factory.mktemp("staged") / "addon")
    parent = types.ModuleType("staged_trackmatte")
    parent.__path__ = [str(folder)]
    sys.modules[parent.__name__] = parent
    return lambda name: importlib.import_module(f"{parent.__name__}.{name}")


@pytest.fixture(scope="session", params=VERSIONS)
def blender(request: pytest.FixtureRequest) -> tuple[str, Path]:
    """A version of Blender and its Python."""
    python = python_of(request.param)
    if python is None:
        pytest.skip(
            f"no Python with bpy {request.param} here: BLENDERS={request.param} scripts/test-hosts makes one"
        )
    return request.param, python


def engine_environment(folder: Path) -> dict[str, str]:
    """Return an environment in which a host finds this checkout's engine, with places of its own."""
    places = {n: folder / n for n in ("resources", "run", "data")}
    for place in places.values():
        place.mkdir(mode=0o700)
    engine = folder / "engine-python"
    paths = os.pathsep.join(str(ROOT / p) for p in ("engine", "plugin"))
    engine.write_text(f'#!/bin/sh\nPYTHONPATH="{paths}" exec "{sys.executable}" "$@"\n')
    engine.chmod(0o755)
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return env | {
        "BLENDER_USER_RESOURCES": str(places["resources"]),
        "TRACKMATTE_RUNTIME": str(places["run"]),
        "XDG_DATA_HOME": str(places["data"]),
        "TRACKMATTE_PYTHON": str(engine),
    }


def engine_ended(folder: Path) -> None:
    """End the engine that a host started, if it still runs."""
    with suppress(FileNotFoundError, ProcessLookupError):
        os.kill(json.loads((folder / "run" / "engine.json").read_text())["pid"], signal.SIGTERM)


@pytest.fixture
def chapter(blender: tuple[str, Path], package: Path, tmp_path: Path) -> Iterator[Chapter]:
    """Run a chapter of inside.py in a Blender of its own, with an engine of its own."""
    env = engine_environment(tmp_path)

    def run(name: str, **said: Any) -> dict[str, Any]:
        message = {"package": str(package), "folder": str(tmp_path), "run": str(tmp_path / "run"), **said}
        inside = Path(__file__).parent / "inside.py"
        done = subprocess.run(
            [blender[1], inside, name, json.dumps(message)],
            capture_output=True, text=True, check=False, env=env, timeout=SECONDS,
        )  # fmt: skip
        lines = [s for s in done.stdout.splitlines() if s.startswith("RESULT ")]
        assert (done.returncode, len(lines)) == (0, 1), done.stdout[-3000:] + done.stderr[-3000:]
        # What Blender shows as a traceback comes on one of the two streams.
        assert "Traceback" not in done.stdout + done.stderr, done.stdout[-3000:] + done.stderr[-3000:]
        result: dict[str, Any] = json.loads(lines[0].removeprefix("RESULT "))
        return result

    try:
        yield run
    finally:
        engine_ended(tmp_path)


def filled_spline(spline: list[list[list[float]]], width: int, height: int) -> NDArray[np.bool_]:
    """Return what a closed spline of [point, left handle, right handle] encloses (H, W), pixels."""
    t = np.linspace(0, 1, 40, endpoint=False)[:, None]
    ring = []
    for here, there in zip(spline, spline[1:] + spline[:1], strict=True):
        a, b, c, d = (np.array(p) for p in (here[0], here[2], there[1], there[0]))
        ring.append((1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d)
    drawn = np.zeros((height, width), np.uint8)
    cv2.fillPoly(drawn, [np.rint((np.concatenate(ring) - 0.5) * 256).astype(np.int32)], 1, shift=8)
    return drawn > 0
