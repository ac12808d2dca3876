"""SAM 2's network from a configuration, and its weights from a checkpoint."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

import hydra.utils
import torch
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trackmatte.errors import MissingPartError, UsageError
from trackmatte.torch_load import check_fit, first_line, read_checkpoint


def build(config: str, image_size: int | None) -> torch.nn.Module:
    """Build the network of a configuration with random weights.

    Dynamic multi-mask selection and binarised memory of prompted frames are on, as in the official
    video predictor; filling holes is left to later stages.

    Raises
    ------
    UsageError : no such configuration, or a size that is not a positive multiple of 32.
    """
    if image_size is not None and (image_size <= 0 or image_size % 32):
        raise UsageError(f"image_size {image_size} must be a positive multiple of 32, e.g. 1024 or 512")
    packaged = importlib.resources.files("sam2") / config
    source = Path(config) if Path(config).is_file() else packaged
    if not source.is_file():
        raise UsageError(f"there is no SAM 2 configuration {config}; give a YAML file or a packaged name")
    try:
        with source.open(encoding="utf-8") as f:
            cfg = OmegaConf.load(f).model
        cfg.binarize_mask_from_pts_for_mem_enc = True
        cfg.sam_mask_decoder_extra_args = {
            "dynamic_multimask_via_stability": True,
            "dynamic_multimask_stability_delta": 0.05,
            "dynamic_multimask_stability_thresh": 0.98,
        }
        if image_size is not None:
            cfg.image_size = image_size
        OmegaConf.resolve(cfg)
        net: torch.nn.Module = hydra.utils.instantiate(cfg, _recursive_=True)
    except (OmegaConfBaseException, AttributeError, TypeError, ValueError) as e:
        raise UsageError(f"{config} does not describe a SAM 2 model: {first_line(e)}") from e
    return net


def load(net: torch.nn.Module, checkpoint: Path, config: str) -> None:
    """Load a checkpoint strictly.

    Raises
    ------
    MissingPartError : it is missing, damaged, or does not fit the network; the first mismatch is named.
    """
    weights = read_checkpoint(checkpoint).get("model")
    if not isinstance(weights, dict):
        raise MissingPartError(
            f'the checkpoint {checkpoint} has no weights under "model"; it is not of SAM 2'
        )
    check_fit(weights, net.state_dict(), checkpoint, config, way_out="take the matching configuration")
    net.load_state_dict(weights)
