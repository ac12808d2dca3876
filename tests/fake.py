"""A tracker that is cheap, deterministic and has a state that a resume must get right.

Run as a script it is the command line with that tracker registered: ``python -m tests.fake ARGS``.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import numpy as np

from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.prompt import Prompt
from trackmatte.trackers import TRACKERS


class FakeTracker:
    """Red minus blue, plus a memory of every frame the pass has seen."""

    version = "1"

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.prompts: dict[str, dict[int, np.ndarray]] = {}
        self.rewind()

    def _logits(self, frame: Frame) -> np.ndarray:
        rgb = frame.display().astype(np.float32)
        return (rgb[..., 0] - rgb[..., 2] - 30) / 16

    def prompt(self, frame: Frame, prompt: Prompt) -> Mask:
        logits = self._logits(frame) if prompt.mask is None else (prompt.mask.astype(np.float32) - 0.5) * 8
        self.prompts.setdefault(prompt.object, {})[frame.index] = logits
        return Mask(frame.index, prompt.object, logits, 1.0)

    def step(self, frame: Frame) -> list[Mask]:
        time.sleep(float(os.environ.get("FAKE_SLEEP", "0")))
        logits = self._logits(frame)
        self.memory = 0.9 * self.memory + float(logits.mean())
        self.seen += 1
        masks = []
        for obj, keys in self.prompts.items():
            own = keys.get(frame.index, logits + self.memory / 8)
            masks.append(Mask(frame.index, obj, own.astype(np.float32), 0.8))
        return masks

    def rewind(self) -> None:
        self.memory, self.seen = 0.0, 0

    def reset(self) -> None:
        self.prompts.clear()
        self.rewind()

    def snapshot(self) -> dict[str, np.ndarray]:
        return {"memory": np.array(self.memory), "seen": np.array(self.seen)}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        self.memory, self.seen = float(state["memory"]), int(state["seen"])


def register() -> None:
    """Make it known as ``fake``."""
    TRACKERS._builtin["fake"] = "tests.fake:FakeTracker"


if __name__ == "__main__":
    from trackmatte.cli import main

    register()
    sys.exit(main())
