"""What a prompt would select, while the pointer hovers: quick, and only for the newest position."""

from __future__ import annotations

import base64
from itertools import count
from threading import Lock

import cv2
import numpy as np

from trackmatte.server.images import WIDTHS, grey_png
from trackmatte.server.refusal import Refusal
from trackmatte.server.shots import OpenShot
from trackmatte.server.state import selected, to_prompt
from trackmatte.shot.selecting import as_mask
from trackmatte_client.protocol.messages import Preview, Selected

SIDE = 320
"""Longer side of the picture in which a preview is computed, in pixels."""
FULL = 1 << 30
"""The same, of an exact one."""


class Previews:
    """Computes previews one at a time, beside a job; of a viewer's requests only the newest counts."""

    def __init__(self) -> None:
        self._tickets = count(1)
        self._newest: dict[tuple[str, str], int] = {}
        self._turn, self._lock = Lock(), Lock()

    def show(self, opened: OpenShot, asked: Preview) -> Selected:
        """Return what a prompt selects, with a mask of the width asked for.

        A tracker with memories corrects the mask that is seen on the frame, not what its pass remembers, so
        that the answer is close to that of the prompt itself and comes at once.

        Raises
        ------
        Refusal : a newer request of the same viewer came (``superseded``).
        PromptError : the prompt contradicts itself or selects nothing.
        """
        if asked.width not in WIDTHS:
            raise Refusal(
                "malformed", f"the width {asked.width} is not from {WIDTHS[0]} to {WIDTHS[-1]} pixels"
            )
        viewer = opened.name, asked.viewer
        with self._lock:
            mine = self._newest[viewer] = next(self._tickets)
        with self._turn:
            if self._newest.get(viewer) != mine:
                raise Refusal("superseded", "a newer preview was asked for")
            try:
                return _show(opened, asked)
            finally:
                with self._lock:
                    if self._newest[viewer] == mine:
                        del self._newest[viewer]


def _show(opened: OpenShot, asked: Preview) -> Selected:
    width, height = opened.shot.clip.size
    prompt = to_prompt(asked.prompt, (width, height))
    frame = opened.images.frame(prompt.frame, FULL if asked.exact else SIDE)
    with opened.lock:
        shot, tracker = opened.shot, opened.tracker()
        whole = shot.whole(prompt, replace=asked.replace)
    given = shot.given(whole, frame) if asked.exact else as_mask(shot.selector(whole), frame, whole)
    tracker.reset()
    mask = tracker.prompt(frame, given)
    size = min(width, asked.width), max(1, round(height * min(width, asked.width) / width))
    logits = np.clip(cv2.resize(mask.logits, size, interpolation=cv2.INTER_LINEAR), -30, 30)
    png = base64.b64encode(grey_png(1 / (1 + np.exp(-logits)))).decode()
    return selected(shot, whole, mask, png)
