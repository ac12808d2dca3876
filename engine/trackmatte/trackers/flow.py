"""The weight-free tracker: optical flow, votes of remembered frames, online appearance, and a graph cut.

Every cue is a log-odds map on an analysis grid at half the working scale; their weighted sum goes into one
exact contrast-sensitive cut at working scale. Flow and descriptor are shared by all objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import PromptError, UsageError
from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.prompt import Prompt
from trackmatte.trackers import flow_contour as contour
from trackmatte.trackers.flow_cues import Present
from trackmatte.trackers.flow_features import Descriptor, JetDescriptor, Metric, fit_metric
from trackmatte.trackers.flow_memory import spread
from trackmatte.trackers.flow_motion import estimate, luma, positions, resize_flow
from trackmatte.trackers.flow_scale import resize_map, to_working
from trackmatte.trackers.flow_subject import Subject

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]


@dataclass(slots=True, eq=False)
class _Seen:
    """A frame and what was computed of it, shared by all objects."""

    index: int
    rgb: U8
    described: F32
    projected: dict[tuple[int, ...], F32]
    """Features per metric, that is, per set of prompted frames."""


class FlowTracker:
    """Tracks any number of objects without learnt weights, on the CPU, with bounded memory.

    Parameters
    ----------
    descriptor : image -> (h, w, c) features to match by; None = Gaussian derivative jets.
    """

    version = "1"

    def __init__(self, *, descriptor: Descriptor | None = None, **settings: Any) -> None:
        if settings:
            raise UsageError(
                f"the flow tracker has no setting {next(iter(settings))!r}; there is: descriptor"
            )
        self._describe: Descriptor = descriptor or JetDescriptor()
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._subjects: list[Subject] = []
        self._metrics: dict[tuple[int, ...], Metric] = {}
        self._stale = False
        self.rewind()

    def rewind(self) -> None:
        """Forget where the pass is, keep prompts and permanent memory."""
        self._last: _Seen | None = None
        for subject in self._subjects:
            subject.rewind()

    def prompt(self, frame: Frame, prompt: Prompt) -> Mask:
        """Take a prompt into the permanent memory and return the object's mask on that frame.

        An explicit mask alone is kept as it is; everything else goes through the selection.

        Raises
        ------
        PromptError : it contradicts itself, lies outside, or selects nothing.
        """
        rgb = to_working(frame.display())
        only_mask = not (prompt.points or prompt.box or any(s.mode != "hair" for s in prompt.scribbles))
        if prompt.mask is not None and only_mask:
            soft = np.clip(np.nan_to_num(prompt.mask.astype(np.float32)), 0, 1)
            logits = contour.soft_logits(resize_map(soft, rgb.shape[:2]))
        else:
            from trackmatte.select import select_mask

            chosen = select_mask(rgb, prompt, prior=None)
            logits = np.clip(chosen, -contour.FAR, contour.FAR).astype(np.float32)
        if not (logits > 0).any():
            raise PromptError(f"the prompt for {prompt.object!r} on frame {prompt.frame} selects nothing")
        subject = next((s for s in self._subjects if s.name == prompt.object), None)
        if subject is None:
            subject = Subject(prompt.object)
            self._subjects.append(subject)
        subject.prompts[frame.index] = (rgb, logits)
        self._metrics.pop(subject.chosen, None)
        self._stale = True
        return Mask(frame.index, prompt.object, logits, 1.0)

    def step(self, frame: Frame) -> list[Mask]:
        """Advance to ``frame`` and return one mask per prompted object, in order of first prompt."""
        if not self._subjects:
            return []
        rgb = to_working(frame.display())
        if self._stale:
            self._prepare()
        if self._last is not None and self._last.rgb.shape != rgb.shape:
            raise UsageError(
                f"frame {frame.number} is {rgb.shape[1]}x{rgb.shape[0]} at working scale, the one before "
                f"{self._last.rgb.shape[1]}x{self._last.rgb.shape[0]}; a clip has one size"
            )
        seen = self._look(frame.index, rgb)
        present, at = self._move(seen)
        for subject in self._subjects:
            subject.advance(at)
            if frame.index in subject.prompts:
                subject.anchor(frame.index)
            elif present is not None and subject.started and self._last is not None:
                now, before = self._features(seen, subject), self._features(self._last, subject)
                subject.propagate(present, at, now, before)
            else:
                subject.absent(rgb.shape[:2])
        self._last = seen
        return [Mask(frame.index, s.name, s.logits, s.score) for s in self._subjects]

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the state of the pass (not the prompts) as named plain arrays."""
        if self._stale:
            self._prepare()
        state: dict[str, NDArray[Any]] = {}
        if self._last is not None:
            state["last.rgb"] = self._last.rgb.copy()
            state["last.index"] = np.array(self._last.index, np.int64)
        for i, subject in enumerate(self._subjects):
            state |= {f"subject{i}.{k}": v for k, v in subject.snapshot().items()}
        return state

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Put back what ``snapshot`` returned, given the same prompts."""
        if self._stale:
            self._prepare()
        self.rewind()
        if "last.rgb" in state:
            self._last = self._look(int(state["last.index"]), state["last.rgb"].copy())
        for i, subject in enumerate(self._subjects):
            prefix = f"subject{i}."
            subject.restore({k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)})

    def _prepare(self) -> None:
        """Fit metrics, permanent memories and classifiers to the prompts there are.

        All of it is a function of the object's own prompts, so objects cannot disturb each other.
        """
        used: dict[tuple[int, ...], Metric] = {}
        for subject in self._subjects:
            images = [subject.prompts[i][0] for i in subject.chosen]
            metric = self._metrics.get(subject.chosen) or used.get(subject.chosen)
            if metric is None:
                metric = fit_metric(self._describe, spread(images, 3))
            used[subject.chosen] = metric
            subject.learn_keys([metric(self._describe(rgb), _grid(rgb)) for rgb in images])
        self._metrics = used
        if self._last is not None:
            self._last.projected.clear()
        self._stale = False

    def _look(self, index: int, rgb: U8) -> _Seen:
        return _Seen(index, rgb, self._describe(rgb), {})

    def _features(self, seen: _Seen, subject: Subject) -> F32:
        key = subject.chosen
        if key not in seen.projected:
            seen.projected[key] = self._metrics[key](seen.described, _grid(seen.rgb))
        return seen.projected[key]

    def _move(self, seen: _Seen) -> tuple[Present | None, F32]:
        """Estimate the motion since the last frame; where pixels come from, on the analysis grid."""
        size = _grid(seen.rgb)
        if self._last is None:
            return None, positions(*size)
        flow = estimate(luma(self._last.rgb), luma(seen.rgb))
        back = resize_flow(flow.back, size)
        present = Present(seen.index, seen.rgb, flow, back, resize_map(flow.trust, size))
        return present, positions(*size) + back


def _grid(rgb: U8) -> tuple[int, int]:
    """Size (rows, cols) of the analysis grid of a working image."""
    return (rgb.shape[0] + 1) // 2, (rgb.shape[1] + 1) // 2
