"""A tracker that is cheap, deterministic and has a state that a resume must get right.

Run as a script it is the command line with that tracker registered: ``python -m tests.fake ARGS``.
"""

from __future__ import annotations

import os
import random
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np

from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.prompt import Prompt
from trackmatte.trackers import TRACKERS


def wait(index: int) -> None:
    """Take as long as the environment says, and stay before a frame for as long as a file holds it."""
    time.sleep(float(os.environ.get("FAKE_SLEEP", "0")))
    with suppress(FileNotFoundError, KeyError):
        while index >= int(Path(os.environ["FAKE_HELD"]).read_text()):
            time.sleep(0.01)


def be_late(most: float) -> None:
    """Hear every request, and answer it, up to so many seconds late, as a busy machine does."""
    from trackmatte.server import app

    answer = app._answer

    def late(*call: Any) -> Any:
        time.sleep(random.random() * most)
        try:
            return answer(*call)
        finally:
            time.sleep(random.random() * most)

    app._answer = late


class FakeTracker:
    """Red minus blue, plus a memory of every frame the object's pass has seen."""

    version = "1"
    carries = False
    between: Literal["blend", "forward"] = "blend"

    def __init__(self, *, length: int | None = None, **settings: Any) -> None:
        self.length, self.settings = length, settings
        self.prompts: dict[str, dict[int, np.ndarray]] = {}
        self.passes: dict[str, np.ndarray] = {}

    @classmethod
    def settle(cls, settings: dict[str, Any]) -> dict[str, Any]:
        return settings

    def _logits(self, frame: Frame) -> np.ndarray:
        rgb = frame.display().astype(np.float32)
        return (rgb[..., 0] - rgb[..., 2] - 30) / 16

    def prompt(self, frame: Frame, prompt: Prompt, memory: object = None) -> Mask:  # noqa: ARG002
        logits = self._logits(frame) if prompt.mask is None else (prompt.mask.astype(np.float32) - 0.5) * 8
        self.prompts.setdefault(prompt.object, {})[frame.index] = logits
        return Mask(frame.index, prompt.object, logits, 1.0)

    def memory(self, obj: str, index: int) -> dict[str, np.ndarray]:  # noqa: ARG002
        return {}

    def look(self, frame: Frame) -> object:
        return self._logits(frame)

    def step(self, frame: Frame, look: object = None) -> list[Mask]:
        wait(frame.index)
        logits = self._logits(frame) if look is None else look
        masks = []
        for obj, keys in self.prompts.items():
            if frame.index in keys and not self.carries:
                self.passes[obj] = np.zeros(2)
            if frame.index not in keys and obj not in self.passes:
                continue
            before = self.passes.get(obj, np.zeros(2))
            self.passes[obj] = np.array([0.9 * before[0] + float(logits.mean()), before[1] + 1])
            own = keys.get(frame.index, logits + self.passes[obj][0] / 8)
            masks.append(Mask(frame.index, obj, own.astype(np.float32), 0.8))
        return masks

    def rewind(self, obj: str | None = None) -> None:
        for name in [obj] if obj else list(self.passes):
            self.passes.pop(name, None)

    def reset(self) -> None:
        self.prompts.clear()
        self.rewind()

    def snapshot(self, obj: str) -> dict[str, np.ndarray]:
        return {"pass": self.passes[obj].copy()} if obj in self.passes else {}

    def restore(self, obj: str, state: dict[str, np.ndarray]) -> None:
        self.passes[obj] = state["pass"].copy()


class CarryingTracker(FakeTracker):
    """The same, but its memory goes on over prompted frames, and the forward pass alone counts."""

    carries = True
    between = "forward"


def register() -> None:
    """Make them known as ``fake`` and ``carrying``."""
    TRACKERS._builtin["fake"] = "tests.fake:FakeTracker"
    TRACKERS._builtin["carrying"] = "tests.fake:CarryingTracker"


if __name__ == "__main__":
    from tests import counters
    from trackmatte.cli import main

    register()
    counters.register()
    if most := os.environ.get("FAKE_LATE"):
        be_late(float(most))
    sys.exit(main())
