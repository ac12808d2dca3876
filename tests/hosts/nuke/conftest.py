"""The built folder, and Nukes that have it on their path."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import OpenImageIO as oiio
import pytest

from tests.hosts.nuke import fake_nuke

if TYPE_CHECKING:
    from tests.hosts.nuke.stage import Stage

ROOT = Path(__file__).resolve().parents[3]
HOST = ROOT / "hosts" / "nuke"


def load(path: Path) -> Any:
    """Import a file as a module that is not kept."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the folder for NUKE_PATH."""
    built: Path = load(HOST / "build.py").stage(tmp_path_factory.mktemp("nuke") / "trackmatte")
    return built


@contextmanager
def starting(folder: Path, **how: Any) -> Iterator[Nuke]:
    """Start a Nuke with the folder on its path, as Nuke would: init.py, and with a window menu.py."""
    with fake_nuke.started(**how) as state:
        for name in ("init.py", *(("menu.py",) if state.gui else ())):
            code = (folder / name).read_text(encoding="utf-8")
            exec(compile(code, str(folder / name), "exec"), {"__file__": str(folder / name)})
        yield Nuke(state)


class Nuke:
    """A running fake with our package in it."""

    def __init__(self, state: fake_nuke.State) -> None:
        self.state = state
        self.nuke = sys.modules["nuke"]

    def module(self, name: str) -> Any:
        """Import a module of the package."""
        return importlib.import_module(f"trackmatte_nuke.{name}")

    def read(self, pattern: str, first: int, last: int, **knobs: Any) -> Any:
        """Make a Read, as dropping files into the node graph would."""
        read = self.nuke.nodes.Read()
        read["file"].setValue(pattern)
        for name, value in (("first", first), ("origfirst", first), ("last", last), ("origlast", last)):
            read[name].setValue(value)
        for name, value in knobs.items():
            read[name].setValue(value)
        return read

    def node(self, above: Any = None) -> Any:
        """Make a Trackmatte node."""
        for n in self.nuke.selectedNodes():
            n["selected"].setValue(False)
        node = self.nuke.createNode("Trackmatte")
        if above is not None:
            node.setInput(0, above)
        return node

    def of(self, node: Any) -> Any:
        """Return what stands for it in the package."""
        return self.module("node").of(node)


@pytest.fixture
def running(folder: Path) -> Iterator[Nuke]:
    """A Nuke with a window."""
    with starting(folder) as found:
        yield found


def write_exr(path: Path, pixels: np.ndarray, names: tuple[str, ...] = ("R", "G", "B")) -> Path:
    """Write a picture of floats."""
    height, width, count = pixels.shape
    spec = oiio.ImageSpec(width, height, count, oiio.FLOAT)
    spec.channelnames = names
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), spec), out.geterror()
    assert out.write_image(np.ascontiguousarray(pixels, np.float32)), out.geterror()
    out.close()
    return path


@pytest.fixture
def plate(tmp_path: Path) -> Callable[..., str]:
    """Make an EXR sequence of noise and return its pattern."""

    def make(
        first: int = 1001, last: int = 1004, size: tuple[int, int] = (40, 20), name: str = "plate"
    ) -> str:
        random = np.random.default_rng(7)
        for number in range(first, last + 1):
            pixels = random.uniform(0, 1, (size[1], size[0], 3))
            write_exr(tmp_path / f"{name}.{number:04d}.exr", pixels)
        return f"{tmp_path.as_posix()}/{name}.%04d.exr"

    return make


@pytest.fixture
def stage(running: Nuke, tmp_path: Path) -> Stage:
    """A plate whose parts are known, in a script, connected to a Trackmatte node."""
    from tests.hosts.nuke.stage import FIRST, LAST, Stage, scene_in

    scene = scene_in(tmp_path)
    read = running.read(f"{tmp_path}/plate.%04d.exr", FIRST, LAST)
    return Stage(running, scene, running.node(read))
