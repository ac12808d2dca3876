"""The decoder that reads SAM 2's own features, and the networks around it: one frame in, its mattes out.

Li, Jain and Shi, "Matting Anything", 2023, whose decoder is kept and given the two finer levels of SAM 2's
feature pyramid (Ravi et al., "SAM 2", 2024), taken before anything is remembered into them.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from trackmatte.errors import MissingPartError
from trackmatte.files import atomic
from trackmatte.refiners.mam_decoder import HIERA, M2M, Scales
from trackmatte.refiners.mam_merge import merge
from trackmatte.torch_load import check_fit, read_checkpoint
from trackmatte.trackers.sam2_model import Features, Model

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

FORMAT, VERSION = "trackmatte-hiera", 1
"""What a file of the decoder calls itself."""
WAY_OUT = "take one that trackmatte train-refiner wrote"


@dataclass(frozen=True, slots=True)
class Encoder:
    """The SAM 2 that a decoder was trained on, and cannot do without."""

    name: str
    """Name of the weights, or of the checkpoint's file."""
    sha256: str
    """Of the checkpoint."""
    image_size: int
    """Side of the square input in training, px."""


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A decoder's file, read."""

    encoder: Encoder
    step: int
    """Steps that it was trained for."""
    weights: dict[str, Any]


def write_decoder(path: Path, net: M2M, encoder: Encoder, step: int) -> None:
    """Write a decoder and what it was trained on, atomically.

    Raises
    ------
    OutputError : it cannot be written.
    """
    head = {"format": FORMAT, "version": VERSION, "encoder": asdict(encoder), "step": step}
    weights = {k: v.detach().cpu() for k, v in net.state_dict().items()}
    with atomic(path) as temporary:
        torch.save({**head, "state_dict": weights}, temporary)


def read_decoder(path: Path) -> Trained:
    """Read what `write_decoder` wrote; no code in the file runs.

    Raises
    ------
    MissingPartError : it is missing, damaged, of a newer version, or not such a file.
    """
    stored = read_checkpoint(path)
    if stored.get("format") != FORMAT:
        raise MissingPartError(f"{path} is no decoder for SAM 2's features; {WAY_OUT}")
    if stored.get("version") != VERSION:
        raise MissingPartError(
            f"{path} is of version {stored.get('version')}, but only {VERSION} is known here; "
            "update trackmatte"
        )
    try:
        encoder = Encoder(**stored["encoder"])
        return Trained(encoder, int(stored["step"]), dict(stored["state_dict"]))
    except (KeyError, TypeError, ValueError) as e:
        raise MissingPartError(f"{path} does not say what it was trained on; {WAY_OUT}") from e


def load_decoder(path: Path) -> M2M:
    """Return the decoder of a file, in evaluation mode on the CPU.

    Raises
    ------
    MissingPartError : the file is missing, damaged, or of another network.
    """
    net = M2M(HIERA)
    weights = read_decoder(path).weights
    check_fit(weights, net.state_dict(), path, "the decoder for SAM 2", way_out=WAY_OUT)
    net.load_state_dict(weights)
    return net.eval()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def pyramid(features: Features) -> tuple[Tensor, Tensor, Tensor]:
    """Return a frame's features as the decoder takes them, float32 and fit for training.

    Parameters
    ----------
    features : of b frames, as SAM 2's image encoder gave them.

    Returns
    -------
    (b, 256, h, w), (b, 64, 2h, 2w), (b, 32, 4h, 4w).
    """
    fine, middle, coarse = (
        m.permute(1, 2, 0).reshape(m.shape[1], m.shape[2], *size).float().clone()
        for m, size in zip(features.maps, features.sizes, strict=True)
    )
    return coarse, middle, fine


def decode(net: torch.nn.Module, features: Features, image_b3ss: Tensor, guide_b1qq: Tensor) -> Scales:
    """Decode the mattes of b frames.

    Parameters
    ----------
    image_b3ss : (b, 3, s, s), as the encoder took it.
    guide_b1qq : (b, 1, s/4, s/4) float 0 or 1.
    """
    coarse, middle, fine = pyramid(features)
    scales: Scales = net(coarse, image_b3ss, guide_b1qq, middle, fine)
    return scales


def merged(scales: Scales, start: NDArray[np.bool_]) -> F32:
    """Return the one matte (s, s) that the mattes of one frame and its mask (s, s) make.

    The rims reach into the subject as well, unlike Matting Anything's: SAM 2's masks err on both sides,
    training has both, and the refiner's guard keeps the core.
    """
    os8, os4, os1 = (np.ascontiguousarray(s[0, 0].float().cpu().numpy()) for s in scales)
    return merge(os8, os4, os1, start, twoside=True)


class HieraModel:
    """SAM 2, decoder and merge on a device.

    Parameters
    ----------
    encoder : SAM 2; a tracker's own will do.
    decoder : a file of `write_decoder`, trained on that very SAM 2.

    Raises
    ------
    MissingPartError : the file is missing, damaged, or of another network.
    """

    def __init__(self, encoder: Model, decoder: Path) -> None:
        self.encoder = encoder
        self.decoder = load_decoder(decoder).fold().to(encoder.device)

    def encode(self, rgb: U8) -> tuple[Tensor, Features]:
        """Return an (H, W, 3) sRGB frame as SAM 2 takes it, (1, 3, s, s), and SAM 2's features of it."""
        image = self.encoder.prepare(rgb)
        return image, self.encoder.encode(image)

    def matte(self, image: Tensor, features: Features, logits: F32) -> F32:
        """Return alpha (s, s) in [0, 1] of the subject, in the model's square.

        Parameters
        ----------
        image, features : as `encode` gives them.
        logits : (h, w) of the mask at any scale of the whole frame, > 0 = subject.
        """
        side = self.encoder.size
        mask = torch.from_numpy(np.ascontiguousarray(logits, np.float32))[None, None]
        low = F.interpolate(mask, (side // 4, side // 4), mode="bilinear", align_corners=False)
        with torch.inference_mode():
            guide = (low > 0).float().to(self.encoder.device)
            scales = decode(self.decoder, features, image, guide)
        start = cv2.resize(logits, (side, side), interpolation=cv2.INTER_LINEAR) > 0
        return merged(scales, np.asarray(start))
