"""Non-local votes: pixels ask similar places of remembered frames what they were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """What one remembered frame says about n pixels."""

    prob: F32
    """(n,) in [0, 1], the weighted label of the best matches."""
    cost: F32
    """(n,) squared feature distance of the best match per channel, in nuisance units."""
    shift: F32
    """(n, 2) mean (dx, dy) from the predicted position to the best matches, analysis pixels."""


def vote(
    query: F32,
    memory: F32,
    labels: F32,
    ys: I32,
    xs: I32,
    centre: F32,
    *,
    radius: int,
    stride: int,
    temperature: float,
    leash: float,
) -> Votes:
    """Match pixels against a window of a remembered frame and collect the labels of the best.

    Non-local means over time (Buades et al., CVPR 2005) used for label propagation.

    Parameters
    ----------
    query, memory : (h, w, d) float32 features of the present and the remembered frame.
    labels : (h, w) float32 in [0, 1], the remembered object.
    ys, xs : (n,) int32 pixels that ask.
    centre : (n, 2) float32 (x, y), where they are expected in the remembered frame.
    radius, stride : window half width and sampling step in analysis pixels.
    temperature : of the soft vote, in units of `Votes.cost`.
    leash : cost added at the window's rim; keeps ties near the prediction.
    """
    n = len(ys)
    prob = np.zeros(n, np.float32)
    cost = np.zeros(n, np.float32)
    shift = np.zeros((n, 2), np.float32)
    if n:
        _vote(
            query,
            memory,
            labels,
            ys,
            xs,
            centre,
            radius,
            stride,
            np.float32(temperature),
            np.float32(leash),
            prob,
            cost,
            shift,
        )
    return Votes(prob, cost, shift)


_TOP = 8


@njit(cache=True, fastmath={"contract", "reassoc"}, nogil=True)  # type: ignore[untyped-decorator]
def _scan(
    q: Any,
    memory: Any,
    cy: int,
    cx: int,
    oy: int,
    ox: int,
    radius: int,
    stride: int,
    rim: Any,
    best: Any,
    place: Any,
    filled: int,
) -> int:
    """Scan a window around (cy, cx) and keep the cheapest places, sorted; the leash is tied to (oy, ox)."""
    h, w, d = memory.shape
    scale = np.float32(1.0 / (2 * d))
    for y in range(max(cy - radius, cy % stride if cy < radius else 0), min(cy + radius, h - 1) + 1, stride):
        for x in range(
            max(cx - radius, cx % stride if cx < radius else 0), min(cx + radius, w - 1) + 1, stride
        ):
            m = memory[y, x]
            s = np.float32(0.0)
            for k in range(d):
                e = q[k] - m[k]
                s += e * e
            s = s * scale + rim * np.float32((x - ox) * (x - ox) + (y - oy) * (y - oy))
            if filled == _TOP and s >= best[_TOP - 1]:
                continue
            j = filled if filled < _TOP else _TOP - 1
            while j > 0 and best[j - 1] > s:
                best[j] = best[j - 1]
                place[j] = place[j - 1]
                j -= 1
            best[j] = s
            place[j] = y * w + x
            if filled < _TOP:
                filled += 1
    return filled


@njit(cache=True, fastmath={"contract", "reassoc"}, nogil=True)  # type: ignore[untyped-decorator]
def _vote(
    query: Any,
    memory: Any,
    labels: Any,
    ys: Any,
    xs: Any,
    centre: Any,
    radius: int,
    stride: int,
    temperature: Any,
    leash: Any,
    prob: Any,
    cost: Any,
    shift: Any,
) -> None:
    h, w, _ = memory.shape
    best = np.empty(_TOP, np.float32)
    place = np.empty(_TOP, np.int32)
    rim = leash / np.float32(max(1, radius * radius))
    for i in range(len(ys)):
        q = query[ys[i], xs[i]]
        cx = min(max(int(np.floor(centre[i, 0] + 0.5)), 0), w - 1)
        cy = min(max(int(np.floor(centre[i, 1] + 0.5)), 0), h - 1)
        filled = _scan(q, memory, cy, cx, cy, cx, radius, stride, rim, best, place, 0)
        if stride > 1:
            filled = _scan(q, memory, place[0] // w, place[0] % w, cy, cx, stride - 1, 1, rim, best, place, 0)
        total = np.float32(0.0)
        for j in range(filled):
            y, x = place[j] // w, place[j] % w
            weight = np.exp((best[0] - best[j]) / temperature)
            total += weight
            shift[i, 0] += weight * (x - centre[i, 0])
            shift[i, 1] += weight * (y - centre[i, 1])
            prob[i] += weight * labels[y, x]
        prob[i] /= total
        shift[i, 0] /= total
        shift[i, 1] /= total
        cost[i] = best[0]
