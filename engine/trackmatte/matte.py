"""The refined alpha of one object on one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Matte:
    """A soft matte at the plate's full resolution."""

    index: int
    """0-based position in the clip."""
    object: str
    """The object's name."""
    alpha: NDArray[np.float32]
    """(H, W) in [0, 1], linear coverage, origin top-left."""
    foreground: NDArray[np.float32] | None = None
    """(H, W, 3) straight (unpremultiplied) colour of the subject alone, in light unless the plate's own
    values were asked for; None when not asked for."""
