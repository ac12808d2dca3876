"""The weight-free tracker: optical flow, votes of remembered frames, online appearance, and a graph cut.

Every cue is a log-odds map on an analysis grid at half the working scale; their weighted sum goes into one
exact contrast-sensitive cut at working scale. Flow, descriptor and matches are shared by all objects.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import PromptError, UsageError
from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.prompt import Prompt
from trackmatte.trackers import flow_contour as contour
from trackmatte.trackers.flow_cues import Scene, observe
from trackmatte.trackers.flow_features import Descriptor, JetDescriptor, Metric, fit_metric
from trackmatte.trackers.flow_memory import Remembered, centre, nearest, spread
from trackmatte.trackers.flow_motion import estimate, luma, positions, resize_flow
from trackmatte.trackers.flow_scale import resize_map, to_working
from trackmatte.trackers.flow_subject import Subject

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

MOST_KEYS = 8
"""Prompted frames kept in the permanent memory; of more, these are spread evenly over their order."""
ASKED_KEYS = 2
"""Prompted frames asked per step: the nearest before and the nearest after."""


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
        self._key_images: dict[int, U8] = {}
        self._keys: list[Remembered] = []
        self._metric: Metric | None = None
        self._stale = True
        self.rewind()

    def rewind(self) -> None:
        """Forget where the pass is, keep prompts and permanent memory."""
        self._last: Remembered | None = None
        self._visited: set[int] = set()
        for key in self._keys:
            key.anchor()
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
        subject.keys[frame.index] = logits
        self._key_images[frame.index] = rgb
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
        features = self._features(rgb)
        scene = self._observe(frame.index, rgb, features)
        for subject in self._subjects:
            if frame.index in subject.keys:
                subject.anchor(frame.index)
            elif scene is not None and subject.started:
                subject.propagate(scene, self._subjects.index(subject))
            else:
                subject.logits = np.full(rgb.shape[:2], -contour.FAR, np.float32)
        self._remember(frame.index, rgb, features)
        return [Mask(frame.index, s.name, s.logits, s.score) for s in self._subjects]

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the state of the pass (not the prompts) as named plain arrays."""
        if self._stale and self._subjects:
            self._prepare()
        state: dict[str, NDArray[Any]] = {"visited": np.array(sorted(self._visited), np.int64)}
        for i, key in enumerate(self._keys):
            state[f"key{i}.where"] = key.where.copy()
        if self._last is not None:
            for name in ("rgb", "labels", "known", "where"):
                state[f"last.{name}"] = getattr(self._last, name).copy()
            state["last.index"] = np.array(self._last.index, np.int64)
        for i, subject in enumerate(self._subjects):
            state |= {f"subject{i}.{k}": v for k, v in subject.snapshot().items()}
        return state

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Put back what ``snapshot`` returned, given the same prompts."""
        if self._subjects:
            self._prepare()
        self.rewind()
        self._visited = {int(i) for i in state["visited"]}
        for i, key in enumerate(self._keys):
            key.where = state[f"key{i}.where"].copy()
        if "last.rgb" in state:
            rgb = state["last.rgb"].copy()
            self._last = Remembered(
                int(state["last.index"]), rgb, self._features(rgb), state["last.labels"].copy(),
                state["last.known"].copy(), state["last.where"].copy(),
            )  # fmt: skip
        for i, subject in enumerate(self._subjects):
            prefix = f"subject{i}."
            subject.restore({k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)})

    def _features(self, rgb: U8) -> F32:
        assert self._metric is not None
        h, w = rgb.shape[:2]
        return self._metric(self._describe(rgb), ((h + 1) // 2, (w + 1) // 2))

    def _prepare(self) -> None:
        """Fit metric, permanent memory and classifiers to the prompts there are."""
        chosen = spread(sorted(self._key_images), MOST_KEYS)
        self._metric = fit_metric(self._describe, [self._key_images[i] for i in spread(chosen, 3)])
        chained = {k.index: k.where for k in self._keys}
        self._keys = []
        for i in chosen:
            features = self._features(self._key_images[i])
            size = features.shape[:2]
            planes = [s.key_plane(i, size) for s in self._subjects]
            labels = np.stack([np.zeros(size, np.float32) if p is None else p for p in planes], -1)
            known = np.array([p is not None for p in planes])
            where = chained.get(i, positions(*size))
            self._keys.append(Remembered(i, self._key_images[i], features, labels, known, where))
        if self._last is not None:
            self._remember(self._last.index, self._last.rgb, self._features(self._last.rgb))
        for o, subject in enumerate(self._subjects):
            subject.learn_keys(self._keys, o)
        self._stale = False

    def _observe(self, index: int, rgb: U8, features: F32) -> Scene | None:
        """Estimate what all objects share; None on the first frame of a pass."""
        if self._last is None:
            return None
        flow = estimate(luma(self._last.rgb), luma(rgb))
        size = features.shape[:2]
        back = resize_flow(flow.back, size)
        at = positions(*size) + back
        for r in [self._last, *self._keys]:
            r.advance(at)
        moving = [(o, s) for o, s in enumerate(self._subjects) if s.started and index not in s.keys]
        if not moving:
            return None
        asked = nearest([k.index for k in self._keys], index, ASKED_KEYS)
        keys = [k for k in self._keys if k.index in asked]
        planes = {o: s.predict(flow, features, self._keys) for o, s in moving}
        return observe(rgb, features, flow, back, planes, self._last, keys)

    def _remember(self, index: int, rgb: U8, features: F32) -> None:
        """Make the present frame the last one, and re-anchor the permanent memory on prompted frames."""
        size = features.shape[:2]
        planes = [s.belief for s in self._subjects]
        labels = np.stack(
            [np.zeros(size, np.float32) if p is None else resize_map(p, size) for p in planes], -1
        )
        known = np.array([p is not None for p in planes])
        self._last = Remembered(index, rgb, features, labels, known, positions(*size))
        here = next((k for k in self._keys if k.index == index), None)
        if here is None:
            return
        here.anchor()
        self._visited.add(index)
        for key in self._keys:
            if key.index not in self._visited and (both := here.known & key.known).any():
                o = int(np.argmax(both))
                key.anchor()
                key.where += centre(key.labels[..., o]) - centre(here.labels[..., o])
