"""The weight-free tracker: optical flow, votes of remembered frames, online appearance, and a graph cut.

Every cue is a log-odds map on an analysis grid at half the working scale; their weighted sum goes into one
exact contrast-sensitive cut at working scale. Flow and descriptor are shared by all objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import PromptError, UsageError
from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.prompt import Prompt
from trackmatte.trackers import Arrays
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

    version = "2"
    carries = False
    between: Literal["blend", "forward"] = "blend"

    def __init__(
        self,
        *,
        length: int | None = None,  # noqa: ARG002 (not asked for)
        descriptor: Descriptor | None = None,
        **settings: Any,
    ) -> None:
        self.settle(settings)
        self._describe: Descriptor = descriptor or JetDescriptor()
        self.reset()

    @classmethod
    def settle(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Return the settings, of which there are none that a file can hold."""
        if settings:
            raise UsageError(f"the flow tracker has no setting {next(iter(settings))!r}; it needs none")
        return {}

    def reset(self) -> None:
        """Forget everything."""
        self._subjects: list[Subject] = []
        self._metrics: dict[tuple[int, ...], Metric] = {}
        self._stale = False
        self.rewind()

    def rewind(self, obj: str | None = None) -> None:
        """Forget where the pass of one or all objects is; prompts and permanent memory stay."""
        if obj is None:
            self._last: _Seen | None = None
        for subject in self._subjects:
            if obj in (None, subject.name):
                subject.rewind()

    def prompt(self, frame: Frame, prompt: Prompt, memory: Arrays | None = None) -> Mask:  # noqa: ARG002
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
        subject = self._find(prompt.object)
        if subject is None:
            subject = Subject(prompt.object)
            self._subjects.append(subject)
        subject.prompts[frame.index] = (rgb, logits)
        self._metrics.pop(subject.chosen, None)
        self._stale = True
        return Mask(frame.index, prompt.object, logits, 1.0)

    def memory(self, obj: str, index: int) -> Arrays:  # noqa: ARG002
        """Return nothing: a prompt says everything."""
        return {}

    def look(self, frame: Frame) -> object:
        """Scale and describe a frame; may run ahead in another thread."""
        rgb = to_working(frame.display())
        return _Seen(frame.index, rgb, self._describe(rgb), {})

    def step(self, frame: Frame, look: object = None) -> list[Mask]:
        """Advance to ``frame`` and return one mask per object under way, in order of first prompt."""
        if not self._subjects:
            return []
        seen = cast("_Seen", self.look(frame) if look is None else look)
        if self._stale:
            self._prepare()
        shape = seen.rgb.shape
        if self._last is not None and self._last.rgb.shape != shape:
            raise UsageError(
                f"frame {frame.number} is {shape[1]}x{shape[0]} at working scale, the one before "
                f"{self._last.rgb.shape[1]}x{self._last.rgb.shape[0]}; a clip has one size"
            )
        present, at = self._move(seen)
        for subject in self._subjects:
            subject.advance(at)
            if frame.index in subject.prompts:
                subject.anchor(frame.index)
            elif subject.started and present is not None and self._last is not None:
                now, before = self._features(seen, subject), self._features(self._last, subject)
                subject.propagate(present, at, now, before)
        self._last = seen
        return [Mask(frame.index, s.name, s.logits, s.score) for s in self._subjects if s.started]

    def snapshot(self, obj: str) -> Arrays:
        """Return the state of an object's pass (not the prompts); empty when it is not under way."""
        if self._stale:
            self._prepare()
        subject = self._find(obj)
        if subject is None or not subject.started or self._last is None:
            return {}
        last: Arrays = {"last.rgb": self._last.rgb.copy(), "last.index": np.array(self._last.index, np.int64)}
        return last | subject.snapshot()

    def restore(self, obj: str, state: Arrays) -> None:
        """Put back what ``snapshot`` returned, given the same prompts."""
        if self._stale:
            self._prepare()
        subject = self._find(obj)
        if subject is None or not state:
            return
        index = int(state["last.index"])
        if self._last is None or self._last.index != index:
            rgb = state["last.rgb"].copy()
            self._last = _Seen(index, rgb, self._describe(rgb), {})
        subject.restore(state)

    def _find(self, obj: str) -> Subject | None:
        return next((s for s in self._subjects if s.name == obj), None)

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
