"""Matting Anything's networks on a device: one picture and a guide in, alpha out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from trackmatte.prompt import Prompt
from trackmatte.refiners.mam_decoder import load_m2m
from trackmatte.refiners.mam_merge import merge
from trackmatte.refiners.sam1 import SIZES, load_sam
from trackmatte.torch_device import pick_device

MEAN = np.array((123.675, 116.28, 103.53), np.float32)
STD = np.array((58.395, 57.12, 57.375), np.float32)

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]


class MamModel:
    """SAM 1, decoder and merge.

    Parameters
    ----------
    size : of SAM 1, a name in `SIZES`.
    decoder, sam : checkpoints of Matting Anything and of SAM 1.
    device : ``auto`` or a torch device.

    Raises
    ------
    MissingPartError : a file is missing, damaged, or of another architecture.
    """

    def __init__(self, size: str, decoder: Path, sam: Path, *, device: str = "auto") -> None:
        self.device = pick_device(device)
        self.size = SIZES[size].image
        self.sam = load_sam(SIZES[size], sam).to(self.device)
        self.decoder = load_m2m(decoder).fold().to(self.device)

    def matte(self, rgb: U8, logits: F32) -> F32:
        """Return alpha (h, w) in [0, 1] of the subject whose mask has the given log-odds.

        Parameters
        ----------
        rgb : (h, w, 3) sRGB, both sides at most ``size``.
        logits : (h, w), > 0 = subject.
        """
        h, w = logits.shape
        guide = torch.full((1, 1, self.size, self.size), -1.0)
        guide[0, 0, :h, :w] = torch.from_numpy(logits)
        quarter = (self.size // 4, self.size // 4)
        with torch.inference_mode():
            image = self._image(rgb)
            low = F.interpolate(guide, size=quarter, mode="bilinear", align_corners=False)
            scales = self._decode(self.sam["image_encoder"](image), image, low.to(self.device), (h, w))
        return merge(*scales, (logits > 0).astype(np.uint8))

    def still(self, rgb: U8, prompt: Prompt) -> F32:
        """Return alpha (h, w) in [0, 1] of what clicks or a box on one picture mean to SAM 1.

        As in the paper: the likeliest of SAM's three masks guides the decoder; within a box the coarse matte
        is the start, otherwise the mask is.

        Parameters
        ----------
        rgb : (h, w, 3) sRGB of any size; worked on at a long side of ``size``.
        prompt : points, or a box, or both.
        """
        h, w = rgb.shape[:2]
        scale = self.size / max(h, w)
        sh, sw = max(1, round(h * scale)), max(1, round(w * scale))
        mode = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = cv2.resize(rgb, (sw, sh), interpolation=mode)
        extent = torch.tensor([sw, sh], dtype=torch.float32, device=self.device)
        box = prompt.box
        with torch.inference_mode():
            image = self._image(small)
            features = self.sam["image_encoder"](image)
            points = None
            if prompt.points:
                xy = torch.tensor([[[p.x, p.y] for p in prompt.points]], device=self.device) * extent
                labels = torch.tensor([[p.label for p in prompt.points]], device=self.device)
                points = (xy, labels)
            corners = None
            if box is not None:
                corners = torch.tensor([[box.x0, box.y0, box.x1, box.y1]], device=self.device)
                corners = corners * extent.repeat(2)
            sparse, dense = self.sam["prompt_encoder"](points=points, boxes=corners, masks=None)
            low, iou = self.sam["mask_decoder"](
                image_embeddings=features,
                image_pe=self.sam["prompt_encoder"].get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=True,
            )
            best = low[:, int(iou[0].argmax())][:, None]
            scales = self._decode(features, image, best, (sh, sw))
            whole = F.interpolate(best, size=(self.size, self.size), mode="bilinear", align_corners=False)
            mask = (whole[0, 0, :sh, :sw] > 0).cpu().numpy().astype(np.uint8)
        inner = None
        if box is not None and corners is not None:
            x0, y0, x1, y1 = corners[0].tolist()
            inner = (int(x0), int(y0), int(np.ceil(x1)), int(np.ceil(y1)))
        alpha = merge(*scales, mask, box=inner)
        mode = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
        return np.asarray(np.clip(cv2.resize(alpha, (w, h), interpolation=mode), 0, 1), np.float32)

    def _image(self, rgb: U8) -> torch.Tensor:
        """Normalise a picture and pad it to the model's square."""
        h, w = rgb.shape[:2]
        plane = (rgb.astype(np.float32) - MEAN) / STD
        image = torch.zeros(1, 3, self.size, self.size)
        image[0, :, :h, :w] = torch.from_numpy(plane).permute(2, 0, 1)
        return image.to(self.device)

    def _decode(
        self, features: torch.Tensor, image: torch.Tensor, low: torch.Tensor, size: tuple[int, int]
    ) -> tuple[F32, F32, F32]:
        """Return the three mattes (h, w) for a guide of low-resolution log-odds."""
        h, w = size
        scales: Any = self.decoder(features, image, (low > 0).float())
        os8, os4, os1 = (np.ascontiguousarray(s[0, 0, :h, :w].float().cpu().numpy()) for s in scales)
        return os8, os4, os1
