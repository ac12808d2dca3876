"""What SAM 2 remembers of one object, bounded, and as plain arrays.

SAM 2 (Ravi et al., 2024) attends to the prompted frames, to the spatial memories of the six frames before
the present one, and to the object pointers of the fifteen before it. Nothing older is ever read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from trackmatte.trackers import Arrays

Policy = Literal["sam2", "confident"]
"""``sam2``: the frames just before, as published. ``confident``: only those that can be trusted."""
LEAST_IOU = 0.5
"""Of the ``confident`` policy: predicted IoU below which a frame is not remembered."""
LEAST_OVERLAP = 0.2
"""Of the ``confident`` policy: IoU of the mask's box with where its motion led."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """What SAM 2 made of one object on one frame; s = image size."""

    pointer: torch.Tensor
    """(1, 256) object pointer."""
    score: torch.Tensor
    """(1, 1) log-odds that the object is visible."""
    iou: float
    """Predicted IoU of the mask, [0, 1]."""
    masks: torch.Tensor | None
    """(1, 1, s/4, s/4) float32 logits; dropped when no longer asked for."""
    memory: torch.Tensor | None
    """(1, 64, s/16, s/16) bfloat16 spatial memory, as the official predictor keeps it."""


class Recall:
    """The memories of an object's pass, in the order they were made.

    Parameters
    ----------
    spatial : lags whose spatial memory may be read (6 times the stride).
    pointers : lags whose pointer may be read.
    """

    def __init__(self, spatial: int, pointers: int, policy: Policy) -> None:
        self.spatial, self.pointers, self.policy = spatial, pointers, policy
        self.outputs: dict[int, Output] = {}
        self.trusted: list[tuple[int, Box]] = []
        """(index, box) of the last two remembered frames, for the motion prior."""

    def add(self, index: int, output: Output) -> None:
        """Remember a frame and forget what is never read again."""
        if self.policy == "confident" and not self._believe(index, output):
            return
        self.outputs.pop(index, None)  # the order is that of the pass
        self.outputs[index] = output
        # One more than the next frame reads: a correction of this frame looks back from here.
        reach = max(self.pointers, self.spatial) + 1
        kept = list(self.outputs.items())[-reach:]
        self.outputs = {
            i: replace(
                out,
                masks=out.masks if i == index else None,
                memory=out.memory if lag <= self.spatial else None,
            )
            for lag, (i, out) in zip(range(len(kept) - 1, -1, -1), kept, strict=True)
            if self.policy == "confident" or abs(index - i) < reach
        }

    def window(self, index: int, sign: int) -> Mapping[int, Output]:
        """Return what frame ``index`` of a pass in direction ``sign`` may look at, by frame index.

        Under ``confident`` the remembered frames take the places of the frames just before.
        """
        if self.policy == "sam2":
            return self.outputs
        before = [out for i, out in self.outputs.items() if i != index]
        return {index - sign * lag: out for lag, out in enumerate(reversed(before), 1)}

    def _believe(self, index: int, output: Output) -> bool:
        """Whether a frame may be remembered: visible, sure, and where its motion led (constant velocity)."""
        box = None if output.masks is None else box_of(output.masks[0, 0])
        if float(output.score.flatten()[0]) <= 0 or output.iou < LEAST_IOU or box is None:
            return False
        if len(self.trusted) == 2:
            (i, a), (j, b) = self.trusted
            ahead = (index - j) / (j - i)
            led = tuple(q + (q - p) * ahead for p, q in zip(a, b, strict=True))
            lost = abs(index - j) > self.pointers
            if not lost and overlap(box, led) < LEAST_OVERLAP:  # type: ignore[arg-type]
                return False
        self.trusted = [*self.trusted[-1:], (index, box)]
        return True

    def clear(self) -> None:
        """Forget everything."""
        self.outputs.clear()
        self.trusted.clear()

    def snapshot(self, prefix: str) -> Arrays:
        """Return everything as plain arrays."""
        state = pack(self.outputs, prefix)
        state[f"{prefix}trusted"] = np.array([(i, *box) for i, box in self.trusted], np.float64)
        return state

    def restore(self, state: Arrays, prefix: str, device: torch.device) -> None:
        """Put back what `snapshot` returned."""
        self.outputs = unpack(state, prefix, device)
        rows = state[f"{prefix}trusted"].reshape(-1, 5).tolist()
        self.trusted = [(int(i), (x0, y0, x1, y1)) for i, x0, y0, x1, y1 in rows]


def box_of(logits: torch.Tensor) -> Box | None:
    """Return (x0, y0, x1, y1) of (h, w) logits > 0 in pixels, or None when there are none."""
    ys, xs = torch.nonzero(logits > 0, as_tuple=True)
    if not len(xs):
        return None
    return float(xs.min()), float(ys.min()), float(xs.max()) + 1, float(ys.max()) + 1


def overlap(a: Box, b: Box) -> float:
    """Return the intersection over union of two boxes."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return w * h / (both - w * h)


def pack(outputs: Mapping[int, Output], prefix: str) -> Arrays:
    """Return outputs as plain arrays; bfloat16 keeps its bits as int16."""
    state: Arrays = {
        f"{prefix}index": np.array(list(outputs), np.int64),
        f"{prefix}iou": np.array([o.iou for o in outputs.values()], np.float64),
    }
    for i, out in outputs.items():
        tensors = {"pointer": out.pointer, "score": out.score, "masks": out.masks, "memory": out.memory}
        for name, tensor in tensors.items():
            if tensor is None:
                continue
            plain = tensor.detach().cpu()
            if plain.dtype == torch.bfloat16:
                state[f"{prefix}{i}.{name}.bf16"] = plain.contiguous().view(torch.int16).numpy().copy()
            else:
                state[f"{prefix}{i}.{name}"] = plain.numpy().copy()
    return state


def unpack(state: Arrays, prefix: str, device: torch.device) -> dict[int, Output]:
    """Return what `pack` was given."""

    def tensor(i: int, name: str) -> torch.Tensor | None:
        if (bits := state.get(f"{prefix}{i}.{name}.bf16")) is not None:
            return torch.from_numpy(np.array(bits)).view(torch.bfloat16).to(device)
        plain = state.get(f"{prefix}{i}.{name}")
        return None if plain is None else torch.from_numpy(np.array(plain)).to(device)

    outputs = {}
    for i, iou in zip(state[f"{prefix}index"].tolist(), state[f"{prefix}iou"].tolist(), strict=True):
        pointer, score = tensor(i, "pointer"), tensor(i, "score")
        assert pointer is not None
        assert score is not None
        outputs[i] = Output(pointer, score, iou, tensor(i, "masks"), tensor(i, "memory"))
    return outputs
