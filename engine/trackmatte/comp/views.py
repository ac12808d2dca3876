"""The result beside the plate, to compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trackmatte.comp.effects import Checker, Layers
from trackmatte.errors import UsageError

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class View:
    """What of plate and result is shown."""

    kind: Literal["result", "side", "wipe"] = "result"
    """The result; the plate to its left; or the plate left of a line and the result right of it."""
    position: float = 0.5
    """Of the line, as a part of the width."""

    def __post_init__(self) -> None:
        if not 0 <= self.position <= 1:
            raise UsageError(f"a wipe at {self.position:g} lies outside the picture; choose 0 to 1")

    def __call__(self, layers: Layers, result: F32) -> F32:
        """Return (H, W, C) linear, twice as wide for ``side``; there a cut-out lies over a checkerboard."""
        if self.kind == "result":
            return result
        if result.shape[2] == 4:
            result = Checker()(layers)
        if self.kind == "side":
            return np.hstack([layers.plate, result])
        width = result.shape[1]
        at, half = round(self.position * width), max(1, width // 960) / 2
        out = np.where((np.arange(width) < at)[None, :, None], layers.plate, result)
        out[:, max(0, int(at - half)) : int(np.ceil(at + half))] = 1
        return np.asarray(out, np.float32)
