"""A plate whose parts are known, and a Nuke in which it is connected to a Trackmatte node."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.hosts.nuke import evaluator, fake_nuke, nk
from tests.hosts.nuke.conftest import Nuke, write_exr

WIDTH, HEIGHT = 160, 96
FIRST, LAST = 1001, 1003


@dataclass
class Scene:
    """A plate whose parts are known."""

    folder: Path
    alpha: NDArray[np.float32]
    subject: NDArray[np.float32]
    background: NDArray[np.float32]
    plate: NDArray[np.float32]


@dataclass
class Stage:
    """A Nuke in which a plate is connected to a Trackmatte node."""

    running: Nuke
    scene: Scene
    node: Any

    def deliver(self, *presets: str, offset: int = 0) -> list[str]:
        """Bring sequences of one object into the script."""
        return self.give(
            *((p, ("hero", "dog") if p == "multi" else ("hero",), p) for p in presets), offset=offset
        )

    def give(self, *what: tuple[str, tuple[str, ...], str], offset: int = 0) -> list[str]:
        """Bring sequences into the script: preset, objects, name of the files."""
        m = self.running.module("model")
        clip = m.Clip(f"{self.scene.folder}/plate.####.exr", FIRST, LAST, offset)
        made = [
            m.Result(
                preset, objects, f"{self.scene.folder}/{name}.####.exr", 4, ((FIRST, LAST),), "/s.shot.json"
            )
            for preset, objects, name in what
        ]
        with self.running.module("undo").one_step("test"):
            said: list[str] = self.running.module("results").deliver(self.node, clip, tuple(made))
        return said

    def build(self, name: str, *more: Any) -> list[str]:
        """Add a set-up."""
        said: list[str] = getattr(self.running.module("setups"), name)(self.node, *more)
        return said

    def script(self) -> str:
        """Return the script as it would be saved."""
        return fake_nuke.script.write(self.running.nuke.root())

    def picture(self, name: str, frame: int = FIRST + 1) -> evaluator.Picture:
        """Return what a node shows."""
        return evaluator.evaluate(nk.parse(self.script()), name, frame)


def scene_in(folder: Path) -> Scene:
    """Write plate, mattes and cut-outs of a bright disc with a soft rim before darker stripes."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    alpha = np.clip((30 - np.hypot(x - 70, y - 48)) / 8 + 0.5, 0, 1).astype(np.float32)
    subject = np.stack([0.9 + 0 * x, 0.8 + 0 * x, 0.7 + 0.2 * y / HEIGHT], -1)
    background = np.stack([0.1 + 0.1 * (x // 16 % 2), 0.1 + 0 * x, 0.3 * x / WIDTH], -1)
    plate = alpha[..., None] * subject + (1 - alpha[..., None]) * background
    for n in range(FIRST, LAST + 1):
        write_exr(folder / f"plate.{n}.exr", plate)
        write_exr(folder / f"matte.{n}.exr", np.repeat(alpha[..., None], 4, -1), tuple("RGBA"))
        write_exr(folder / f"cutout.{n}.exr", np.dstack([subject, alpha]), tuple("RGBA"))
        write_exr(folder / f"multi.{n}.exr", np.dstack([alpha, alpha / 2]), ("hero.A", "dog.A"))
        half = np.where(x < 70, alpha, 0), np.where(x < 70, 0, alpha)
        for name, part in zip(("left", "right"), half, strict=True):
            write_exr(folder / f"{name}.{n}.exr", np.repeat(part[..., None], 4, -1), tuple("RGBA"))
    return Scene(folder, alpha, *(a.astype(np.float32) for a in (subject, background, plate)))
