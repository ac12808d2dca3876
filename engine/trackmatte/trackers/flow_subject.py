"""One tracked object: its prompts, its classifier, and its state in the pass."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte.numerics.maxflow import grid_cut
from trackmatte.trackers import flow_contour as contour
from trackmatte.trackers.flow_appearance import Appearance, pixel_vectors, training_pixels
from trackmatte.trackers.flow_cues import PAD, Scene, evidence, spread_out
from trackmatte.trackers.flow_memory import Remembered, centre, dilate
from trackmatte.trackers.flow_motion import Motion, positions, sample
from trackmatte.trackers.flow_scale import resize_map, sigmoid

F32 = NDArray[np.float32]

SMOOTHNESS = 0.35
"""Price of a contour between two pixels without contrast, in log-odds."""
VANISHED = 0.03
"""Share of its usual area below which an object counts as not visible."""


class Subject:
    """State of one object; see `FlowTracker`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.keys: dict[int, F32] = {}
        """Frame index -> (h, w) logits of its prompts."""
        self.look: Appearance | None = None
        self.logits: F32 = np.zeros((0, 0), np.float32)
        self.rewind()

    def rewind(self) -> None:
        """Forget the pass."""
        self.belief: F32 | None = None
        """(h, w) in [0, 1] on the last frame; None before the object's first prompt."""
        self.score = 0.0
        self.area = 0.0
        """Usual area in working pixels."""
        self.lost = False
        if self.look is not None:
            self.look.forget()

    @property
    def started(self) -> bool:
        """Whether the pass has met a prompt of this object."""
        return self.belief is not None

    def key_plane(self, index: int, size: tuple[int, int]) -> F32 | None:
        """Return the prompt of frame ``index`` as (rows, cols) labels in [0, 1], or None."""
        logits = self.keys.get(index)
        return None if logits is None else resize_map(sigmoid(4 * logits), size)

    def learn_keys(self, keys: list[Remembered], o: int) -> None:
        """Train the classifier afresh on the permanent memory, of which this is object ``o``."""
        known = [k for k in keys if k.known[o]]
        flat = np.concatenate([k.features.reshape(-1, k.features.shape[-1]) for k in keys])
        self.look = Appearance(flat.std(0) + np.float32(1e-6))
        for k in known:
            plane = np.ascontiguousarray(k.labels[..., o])
            ys, xs = training_pixels(plane)
            self.look.learn_key(pixel_vectors(k.features, plane, ys, xs), plane[ys, xs])

    def anchor(self, index: int) -> None:
        """Take the prompt of frame ``index`` as the truth."""
        self.logits = self.keys[index]
        self.belief = sigmoid(4 * self.logits)
        self.score = 1.0
        self.area = float((self.logits > 0).sum())
        self.lost = False

    def predict(self, flow: Motion, features: F32, keys: list[Remembered]) -> F32:
        """Carry the belief to the present frame (h, w), or search the frame when the object is lost."""
        assert self.belief is not None
        if self.lost:
            return self._search(features, keys)
        h, w = self.belief.shape
        return sample(self.belief, positions(h, w) + flow.back)

    def propagate(self, scene: Scene, o: int) -> None:
        """Decide the object's mask on the present frame."""
        assert self.look is not None
        h, w = scene.rgb.shape[:2]
        half, active = scene.halves[o], scene.active
        if not (half > 0.3).any():
            return self._vanish(h, w)
        vectors = pixel_vectors(scene.features, half, scene.ys, scene.xs)
        odds, fresh = evidence(scene, o, self.look.logits(vectors))
        unary = spread_out(scene, odds, outside=-6)
        mask = _cut(unary, scene, active)
        mask = contour.drop_specks(mask, scene.planes[o], share=0.05)
        mask = contour.drop_strangers(mask, spread_out(scene, fresh, outside=-1))
        area = float(mask.sum())
        if area < VANISHED * self.area or (self.lost and not _credible(mask, unary, area, self.area)):
            return self._vanish(h, w)
        self.lost = False
        certain = cv2.GaussianBlur(np.minimum(np.abs(unary) / 3, 1), (0, 0), 3.0)
        self.logits = contour.distance_logits(mask, 0.3 + 0.7 * certain)
        self.belief = 0.5 * cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.0) + 0.5 * sigmoid(unary)
        final = resize_map(mask.astype(np.float32), half.shape)
        self._learn(scene, final, odds)
        inside = mask & (unary > -6)
        sure = float(np.maximum(2 * sigmoid(unary[inside]) - 1, 0).mean()) if inside.any() else 0.0
        self.score = float(np.clip(sure * min(1.0, area / (0.25 * self.area + 1)), 0, 1))
        self.area = max(0.97 * self.area, area)
        return None

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the state of the pass as plain arrays."""
        state: dict[str, NDArray[Any]] = {
            "numbers": np.array([self.score, self.area, float(self.lost)], np.float64)
        }
        if self.belief is not None:
            state["belief"] = self.belief.copy()
        if self.look is not None:
            state["recent"] = self.look.recent.copy()
        return state

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Put back what `snapshot` returned."""
        self.score, self.area = float(state["numbers"][0]), float(state["numbers"][1])
        self.lost = bool(state["numbers"][2])
        self.belief = state["belief"].copy() if "belief" in state else None
        if self.look is not None and "recent" in state:
            self.look.recent = state["recent"].copy()
            self.look.solve()

    def _learn(self, scene: Scene, final: F32, odds: F32) -> None:
        """Update the appearance where the evidence was clear and the cut agreed."""
        assert self.look is not None
        agreed = (np.abs(odds) > 1) & ((odds > 0) == (final[scene.ys, scene.xs] > 0.5))
        if agreed.sum() <= 50 or not (final > 0.5).any():
            return
        allowed = np.ones(final.shape, np.float32)
        allowed[scene.ys, scene.xs] = agreed
        ys, xs = training_pixels(final)
        keep = allowed[ys, xs] > 0
        ys, xs = ys[keep], xs[keep]
        self.look.learn(pixel_vectors(scene.features, final, ys, xs), final[ys, xs], rate=0.1)

    def _vanish(self, h: int, w: int) -> None:
        self.logits = np.full((h, w), -contour.FAR, np.float32)
        self.belief = np.zeros((h, w), np.float32)
        self.score = 0.0
        self.lost = True

    def _search(self, features: F32, keys: list[Remembered]) -> F32:
        """Look for the lost object by appearance over the whole frame; (h, w), all 0 when not found."""
        assert self.look is not None
        assert self.belief is not None
        h, w = self.belief.shape
        rows, cols = features.shape[:2]
        ys, xs = (a.ravel() for a in np.mgrid[0:rows:2, 0:cols:2])
        found = self.look.logits(pixel_vectors(features, None, ys, xs))
        odds = cv2.GaussianBlur(found.reshape(len(range(0, rows, 2)), -1), (0, 0), 2.0)
        n, pieces, stats, _ = cv2.connectedComponentsWithStats((odds > 0.7).astype(np.uint8), connectivity=8)
        if n < 2:
            return np.zeros((h, w), np.float32)
        mass = np.bincount(pieces.ravel(), weights=odds.ravel(), minlength=n)
        mass[0] = -np.inf
        best = int(np.argmax(mass))
        if stats[best, cv2.CC_STAT_AREA] * (h * w / odds.size) < 0.1 * self.area:
            return np.zeros((h, w), np.float32)
        blob = (pieces == best).astype(np.float32)
        grid = resize_map(blob, (rows, cols))
        near = dilate(grid > 0.5, 2 * PAD)
        for key in keys:  # begin to look for matches where the prompt's object would coincide
            plane = self.key_plane(key.index, (rows, cols))
            if plane is not None:
                key.where[near] = (positions(rows, cols) + centre(plane) - centre(grid))[near]
        return resize_map(blob, (h, w))


def _cut(unary: F32, scene: Scene, active: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cut within the bounding box of the active pixels; smooth the pixel stairs."""
    h, w = unary.shape
    ys, xs = np.nonzero(active.any(1))[0], np.nonzero(active.any(0))[0]
    fy, fx = h / active.shape[0], w / active.shape[1]
    y0, y1 = int(ys[0] * fy), min(h, int(np.ceil((ys[-1] + 1) * fy)))
    x0, x1 = int(xs[0] * fx), min(w, int(np.ceil((xs[-1] + 1) * fx)))
    window = np.ascontiguousarray(scene.rgb[y0:y1, x0:x1])
    lab = cv2.cvtColor(window.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2Lab)
    lab = cv2.GaussianBlur(lab, (0, 0), 0.7)
    out = np.zeros((h, w), np.float32)
    out[y0:y1, x0:x1] = grid_cut(
        np.ascontiguousarray(np.clip(unary[y0:y1, x0:x1], -4, 4)), lab, smoothness=SMOOTHNESS
    )
    return np.asarray(cv2.GaussianBlur(out, (0, 0), 1.0) > 0.5)


def _credible(mask: NDArray[np.bool_], unary: F32, area: float, usual: float) -> bool:
    """Whether what a search found is the object again: big enough and well supported."""
    return 0.1 * usual < area < 4 * usual and float(unary[mask].mean()) > 1.0
