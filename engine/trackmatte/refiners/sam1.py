"""SAM 1 (Kirillov et al., "Segment Anything", 2023), whose image features Matting Anything reads.

From the ``segment-anything`` package, by SAM's authors: Apache-2.0, frozen, and the code that the checkpoints
were made with.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from trackmatte.errors import MissingPartError
from trackmatte.torch_load import check_fit, read_checkpoint


@dataclass(frozen=True, slots=True)
class Size:
    """One size of the vision transformer."""

    width: int
    depth: int
    heads: int
    whole: tuple[int, ...]
    """Blocks that attend over the whole image; the others over 14 x 14 windows."""
    image: int = 1024
    """Side of the square input in pixels; features have a sixteenth of it."""


SIZES = {
    "b": Size(768, 12, 12, (2, 5, 8, 11)),
    "l": Size(1024, 24, 16, (5, 11, 17, 23)),
    "h": Size(1280, 32, 16, (7, 15, 23, 31)),
}
PARTS = ("image_encoder", "prompt_encoder", "mask_decoder")


def build_sam(size: Size) -> Any:
    """Return SAM 1 with random weights: a module with `PARTS`.

    Raises
    ------
    MissingPartError : the package is not installed.
    """
    modeling, side = load_modeling(), size.image // 16
    encoder = modeling.ImageEncoderViT(
        depth=size.depth,
        embed_dim=size.width,
        img_size=size.image,
        mlp_ratio=4,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        num_heads=size.heads,
        patch_size=16,
        qkv_bias=True,
        use_rel_pos=True,
        global_attn_indexes=size.whole,
        window_size=14,
        out_chans=256,
    )
    prompts = modeling.PromptEncoder(
        embed_dim=256,
        image_embedding_size=(side, side),
        input_image_size=(size.image, size.image),
        mask_in_chans=16,
    )
    decoder = modeling.MaskDecoder(
        num_multimask_outputs=3,
        transformer=modeling.TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8),
        transformer_dim=256,
        iou_head_depth=3,
        iou_head_hidden_dim=256,
    )
    return torch.nn.ModuleDict(dict(zip(PARTS, (encoder, prompts, decoder), strict=True)))


def load_sam(size: Size, checkpoint: Path) -> Any:
    """Return SAM 1 with the weights of a checkpoint, ready to run.

    Raises
    ------
    MissingPartError : the package or the file is missing, damaged, or of another architecture.
    """
    sam, stored = build_sam(size), read_checkpoint(checkpoint)
    way_out = "take the SAM checkpoint of the decoder's size"
    check_fit(stored, sam.state_dict(), checkpoint, "SAM 1", way_out=way_out)
    sam.load_state_dict(stored)
    return sam.eval()


def load_modeling() -> ModuleType:
    """Import the package's models without its predictor, which needs torchvision."""
    if importlib.util.find_spec("torchvision") is not None:
        return importlib.import_module("segment_anything.modeling")
    spec = importlib.util.find_spec("segment_anything")
    if spec is None:
        raise MissingPartError(
            "the mam refiner needs the package segment-anything; install it with: pip install "
            "'trackmatte[mam]', or refine without it: --refiner closed_form"
        )
    bare = ModuleType("segment_anything")
    bare.__path__ = list(spec.submodule_search_locations or [])
    sys.modules["segment_anything"] = bare
    try:
        return importlib.import_module("segment_anything.modeling")
    finally:
        del sys.modules["segment_anything"]
