"""The error of a decoder on fixed composites, measured as the refiner would matte them."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from trackmatte.refiners.hiera_model import decode, merged
from trackmatte.refiners.mam_decoder import M2M
from trackmatte.trackers.sam2_model import Model
from trackmatte.training.dataset import Dataset, Sample

F32 = NDArray[np.float32]


class Validation:
    """Fixed composites.

    Parameters
    ----------
    dataset : where they come from.
    count : how many; every foreground comes as often as every other, but for one.
    seed : of the composites.
    """

    def __init__(self, dataset: Dataset, count: int, seed: int = 1 << 20) -> None:
        self.samples: list[Sample] = [dataset.sample(seed, i) for i in range(count)]
        self.guide_mad = mean([mad(start_of(s).astype(np.float32), s.alpha) for s in self.samples])
        """Mean absolute difference x 1000 of the guides themselves."""

    def errors(self, net: M2M, sam2: Model) -> dict[str, float]:
        """Return ``mad`` of the decoder's mattes and ``guide_mad`` of the guides, x 1000."""
        training = net.training
        net.eval()
        found = [mad(matte(net, sam2, s), s.alpha) for s in self.samples]
        net.train(training)
        return {"mad": mean(found), "guide_mad": self.guide_mad}


def matte(net: M2M, sam2: Model, sample: Sample) -> F32:
    """Return the merged matte (s, s) of a composite."""
    image = sam2.prepare(sample.rgb)
    with torch.inference_mode():
        guide = torch.from_numpy(sample.guide)[None, None].to(sam2.device)
        scales = decode(net, sam2.encode(image), image, guide)
    return merged(scales, start_of(sample))


def start_of(sample: Sample) -> NDArray[np.bool_]:
    """Return the guide at full size, its edge not stepped."""
    whole = cv2.resize(sample.guide, sample.alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(whole > 0.5)


def mad(given: F32, truth: F32) -> float:
    """Return the mean absolute difference x 1000."""
    return float(np.abs(given - truth).mean() * 1000)


def mean(values: list[float]) -> float:
    """Return the mean, or not a number of none."""
    return float(np.mean(values)) if values else float("nan")
