"""One object in SAM 2: its prompted frames, and what its pass remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from trackmatte.trackers import Arrays
from trackmatte.trackers.sam2_memory import Output, Policy, Recall, pack, unpack
from trackmatte.trackers.sam2_model import Clicks, Features, Model
from trackmatte.trackers.sam2_prompts import Given, scale_paint

CERTAIN = 10.0
"""Logits of a painted pixel, as SAM 2 gives a mask that it is handed."""


@dataclass(frozen=True, slots=True, eq=False)
class Prompted:
    """A conditioning frame: every frame of every pass attends to it."""

    output: Output
    shown: NDArray[np.float32] | None = None
    """(h, w) logits where the artist's own mask or paint is shown instead of the low-resolution output."""
    corrected: bool = False
    """Whether it was made with the memories of a pass."""

    def pack(self) -> Arrays:
        """Return it as plain arrays, without ``shown``."""
        return pack({0: self.output}, "")

    @classmethod
    def unpack(cls, arrays: Arrays, device: torch.device) -> Prompted:
        """Return what `pack` was given; only corrections are packed."""
        return cls(unpack(arrays, "", device)[0], corrected=True)


class Subject:
    """State of one object; nothing in it depends on other objects.

    Parameters
    ----------
    reuse : whether a backward pass begins with what the forward pass saw just after the first prompt.
    """

    def __init__(self, name: str, model: Model, policy: Policy, *, reuse: bool) -> None:
        self.name, self.model, self.reuse = name, model, reuse
        self.prompted: dict[int, Prompted] = {}
        self.recall = Recall(model.spatial_lags, model.pointer_lags, policy)
        self.head: dict[int, Output] = {}
        """What the forward pass saw just after the first prompt, with ``reuse``."""
        self.latest: Output | None = None
        self.at: int | None = None
        self.sign = 1

    @property
    def started(self) -> bool:
        """Whether the pass has met a prompt, or was restored."""
        return self.at is not None

    def rewind(self) -> None:
        """Forget the pass; with ``reuse`` the next one begins with the head of this one."""
        self.recall.clear()
        for index in sorted(self.head, reverse=True):  # the nearest to the prompt is the newest
            self.recall.outputs[index] = self.head[index]
        self.latest, self.at, self.sign = None, None, 1

    def take(self, index: int, features: Features, given: Given, length: int | None) -> Prompted:
        """Return what a prompt on frame ``index`` makes; the subject is as before.

        On the frame the pass has just stepped on it is a correction: it sees the memories and goes on
        from the mask there.
        """
        corrected = self.started and self.at == index
        model, previous = self.model, None
        mask = None if given.mask is None else torch.from_numpy(given.mask).to(model.device)[None, None]
        if corrected:
            seen = self.prompted[index].output if index in self.prompted else self.latest
            previous = None if seen is None else seen.masks
        clicks = self._clicks(given)
        if clicks is None and mask is None and corrected and previous is not None:
            assert self.latest is not None  # paint alone: the mask stays, painted over
            output = self.prompted[index].output if index in self.prompted else self.latest
        elif clicks is None:
            assert mask is not None
            [output] = model.track(features, index, mask=self._square(mask), initial=True, remember=False)
        else:
            if previous is None and mask is not None:
                small = F.interpolate(mask, size=(model.low_res,) * 2, mode="bilinear", antialias=True)
                previous = (2 * small - 1) * CERTAIN
            prompted, recent = self.view(index)
            [output] = model.track(
                features,
                index,
                prompted=[prompted] if corrected else (),
                recent=[recent] if corrected else (),
                sign=self.sign,
                length=length,
                initial=not corrected,
                clicks=clicks,
                previous=previous,
                remember=False,
            )
        assert output.masks is not None
        masks = output.masks
        if given.paint.any():
            paint = scale_paint(given.paint, (model.low_res, model.low_res))
            brush = torch.from_numpy(paint).to(model.device)[None, None]
            masks = torch.where(brush > 0, CERTAIN, torch.where(brush < 0, -CERTAIN, masks))
        memory = model.remember(features, masks, output.score)
        return Prompted(Output(output.pointer, output.score, output.iou, masks, memory), corrected=corrected)

    def enter(self, index: int, made: Prompted) -> None:
        """Make frame ``index`` a conditioning frame."""
        self.prompted[index] = made
        self.recall.outputs.pop(index, None)

    def view(self, index: int) -> tuple[Mapping[int, Output], Mapping[int, Output]]:
        """Return (prompted frames, recent frames) that frame ``index`` may look at.

        A correction counts from its frame on: what came before it in the pass was made without it, and is
        made so again when a later run has to walk over it.
        """
        sign = self.sign_to(index)
        prompted = {
            i: p.output
            for i, p in self.prompted.items()
            if i != index and not (p.corrected and (i - index) * sign > 0)
        }
        return prompted, self.recall.window(index, sign)

    def shape(self, index: int) -> tuple[int, ...]:
        """Return what must agree for objects to run together on frame ``index``."""
        prompted, recent = self.view(index)
        have = [i for i, out in recent.items() if out.memory is not None]
        return (self.sign_to(index), *prompted, -1, *recent, -1, *have)

    def sign_to(self, index: int) -> int:
        """Return the direction of a step to ``index``: 1 forward, -1 backward."""
        if self.at is None or self.at == index:
            return self.sign
        return 1 if index > self.at else -1

    def add(self, index: int, output: Output) -> None:
        """Remember what was made of frame ``index``."""
        self.latest = output
        self.recall.add(index, output)
        first = min(self.prompted)
        if self.reuse and self.sign_to(index) > 0 and 0 < index - first <= self.model.pointer_lags:
            near = index - first < self.model.spatial_lags
            self.head[index] = Output(
                output.pointer, output.score, output.iou, None, output.memory if near else None
            )

    def arrive(self, index: int) -> None:
        """Say that the pass is on frame ``index`` now."""
        self.sign = self.sign_to(index)
        self.at = index

    def snapshot(self) -> Arrays:
        """Return the state of the pass as plain arrays."""
        return {
            "at": np.array([self.at, self.sign], np.int64),
            **self.recall.snapshot("recent."),
            **pack(self.head, "head."),
            **pack({} if self.latest is None else {0: self.latest}, "latest."),
        }

    def restore(self, state: Arrays) -> None:
        """Put back what `snapshot` returned."""
        device = self.model.device
        self.at, self.sign = (int(i) for i in state["at"])
        self.recall.restore(state, "recent.", device)
        self.head = unpack(state, "head.", device)
        self.latest = unpack(state, "latest.", device).get(0)

    def _clicks(self, given: Given) -> Clicks | None:
        if not len(given.labels):
            return None
        device = self.model.device
        xy = torch.from_numpy(given.xy)[None].to(device) * self.model.size
        return Clicks(xy, torch.from_numpy(given.labels)[None].to(device))

    def _square(self, mask: torch.Tensor) -> torch.Tensor:
        """Bring a (1, 1, H, W) mask to the model's input as the official predictor does."""
        hard, size = (mask > 0.5).float(), (self.model.size, self.model.size)
        if hard.shape[-2:] == size:
            return hard
        scaled = F.interpolate(hard, size=size, mode="bilinear", align_corners=False, antialias=True)
        return (scaled >= 0.5).float()
