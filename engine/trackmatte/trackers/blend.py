"""Join the forward and the backward pass between two prompted frames."""

from __future__ import annotations

import numpy as np

from trackmatte.mask import Mask


def blend(forward: Mask, backward: Mask, w_forward: float) -> Mask:
    """Blend two passes over one frame by confidence.

    Log-odds of independent experts add up; each is weighted by its nearness to its key frame and by its
    own score, so that a pass that lost the subject has no say.

    Parameters
    ----------
    forward, backward : the same object and frame, logits (h, w) of equal shape.
    w_forward : in [0, 1], nearness to the earlier key: 1 on it, 0 on the later one.
    """
    if w_forward >= 1:
        return forward
    if w_forward <= 0:
        return backward
    a = w_forward * max(forward.score, 1e-4)
    b = (1 - w_forward) * max(backward.score, 1e-4)
    share = a / (a + b)
    limit = np.float32(6.0)
    logits = share * np.clip(forward.logits, -limit, limit) + (1 - share) * np.clip(
        backward.logits, -limit, limit
    )
    score = share * forward.score + (1 - share) * backward.score
    return Mask(forward.index, forward.object, logits.astype(np.float32), float(score))
