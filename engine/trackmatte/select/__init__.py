"""Interactive selection on one frame: a prompt in, a mask out."""

from __future__ import annotations

from trackmatte.select.interactive import select_mask
from trackmatte.select.raster import draw_stroke

__all__ = ["draw_stroke", "select_mask"]
