"""A SAM 2.1 small enough for tests: micro trunk, 128 px, seeded random weights scaled so that bugs show.

Plain random weights give either no object on any frame or logits so flat that a wrong engine looks right.
"""

from __future__ import annotations

import importlib.resources
from functools import cache
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

SIZE = 128


def config(folder: Path, size: int = SIZE, *, tiny: bool = False, version: str = "2.1") -> Path:
    """Write the configuration of the micro model, or with ``tiny`` of SAM 2.1 tiny, and return its path."""
    path = folder / f"{'tiny' if tiny else 'micro'}.{size}.{version}.yaml"
    source = f"configs/sam{version}/sam{version}_hiera_t.yaml"
    with (importlib.resources.files("sam2") / source).open() as f:
        cfg = OmegaConf.load(f)
    if not tiny:
        trunk, neck = cfg.model.image_encoder.trunk, cfg.model.image_encoder.neck
        trunk.embed_dim, trunk.stages, trunk.global_att_blocks = 16, [1, 1, 2, 1], [3]
        neck.backbone_channel_list = [128, 64, 32, 16]
    cfg.model.image_size = size
    path.write_text(OmegaConf.to_yaml(cfg))
    return path


@cache
def _weights(seed: int, bias: float, config_file: str) -> dict[str, torch.Tensor]:
    from trackmatte.trackers.sam2_build import build

    torch.manual_seed(seed)
    net: Any = build(config_file, None)
    with torch.no_grad():
        for name, p in net.named_parameters():
            if "maskmem_tpos_enc" in name or "no_obj_" in name:
                p.mul_(50)
            elif "memory_encoder.fuser" in name and name.endswith("gamma"):
                p.fill_(1)
            elif "cross_attn_image" in name and any(f".{k}_proj.weight" in name for k in ("q", "k", "out")):
                p.mul_(4)
            elif "output_hypernetworks_mlps" in name and name.endswith("weight"):
                p.mul_(2)
            elif "trunk.pos_embed" in name:
                p.normal_(0, 0.2)
        net.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.add_(bias)
    return {k: v.clone() for k, v in net.state_dict().items()}


def checkpoint(folder: Path, seed: int = 0, bias: float = 5.0, config_file: Path | None = None) -> Path:
    """Write a checkpoint; ``bias`` 5 keeps the object visible, another one makes it come and go."""
    config_file = config_file or config(folder)
    path = folder / f"{config_file.stem}.{seed}.{bias:g}.pt"
    if not path.exists():
        torch.save({"model": _weights(seed, bias, str(config_file))}, path)
    return path


def settings(folder: Path, seed: int = 0, bias: float = 5.0) -> dict[str, Any]:
    """Return the settings of a sam2 tracker with the micro model."""
    return {"checkpoint": str(checkpoint(folder, seed, bias)), "config": str(config(folder))}


def files(folder: Path, config_file: Path) -> dict[str, str]:
    """Return the settings of a sam2 tracker with random weights for a configuration."""
    return {"checkpoint": str(checkpoint(folder, config_file=config_file)), "config": str(config_file)}


def official(
    folder: Path, seed: int = 0, bias: float = 5.0, config_file: Path | None = None, **changes: Any
) -> Any:
    """Return the package's own video predictor with the same weights."""
    import hydra.utils

    config_file = config_file or config(folder)
    cfg = OmegaConf.load(config_file).model
    cfg._target_ = "sam2.sam2_video_predictor.SAM2VideoPredictor"
    cfg.binarize_mask_from_pts_for_mem_enc = True
    cfg.add_all_frames_to_correct_as_cond = True
    cfg.sam_mask_decoder_extra_args = {
        "dynamic_multimask_via_stability": True,
        "dynamic_multimask_stability_delta": 0.05,
        "dynamic_multimask_stability_thresh": 0.98,
    }
    for name, value in changes.items():
        cfg[name] = value
    predictor = hydra.utils.instantiate(cfg, _recursive_=True)
    predictor.load_state_dict(
        torch.load(checkpoint(folder, seed, bias, config_file), weights_only=True)["model"]
    )
    predictor.fill_hole_area = 0
    return predictor.eval()


def mam(folder: Path, seed: int = 0) -> dict[str, Any]:
    """Return the settings of a mam refiner of random weights with a micro SAM 1 of 256 px."""
    from trackmatte.refiners.mam_decoder import M2M
    from trackmatte.refiners.sam1 import SIZES, Size, build_sam

    SIZES["micro"] = Size(32, 2, 2, (1,), 256)
    files = {"checkpoint": folder / f"m2m.{seed}.pt", "encoder": folder / f"sam.{seed}.pt"}
    if not files["encoder"].exists():
        torch.manual_seed(seed)
        torch.save(build_sam(SIZES["micro"]).state_dict(), files["encoder"])
        net = m2m_weights(M2M())
        torch.save({"state_dict": {f"module.{k}": v for k, v in net.items()}}, files["checkpoint"])
    return {**{k: str(v) for k, v in files.items()}, "size": "micro"}


def hiera(folder: Path, seed: int = 0) -> dict[str, Any]:
    """Return the settings of a hiera refiner of random weights on the micro SAM 2."""
    from trackmatte.refiners.hiera_model import Encoder, file_sha256, write_decoder
    from trackmatte.refiners.mam_decoder import HIERA, M2M

    sam2 = settings(folder)
    path = folder / f"hiera.{seed}.pt"
    if not path.exists():
        torch.manual_seed(seed)
        net = M2M(HIERA)
        net.load_state_dict(m2m_weights(net))
        checkpoint = Path(sam2["checkpoint"])
        write_decoder(path, net, Encoder(checkpoint.name, file_sha256(checkpoint), SIZE), 0)
    return {**sam2, "decoder": str(path)}


def m2m_weights(m2m: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return random weights for a decoder."""
    net = {k: _m2m_values(k, v) for k, v in m2m.state_dict().items()}
    for k in list(net):
        if k.endswith("weight_bar"):
            row = net[k].flatten(1)[0]
            net[k.removesuffix("bar") + "u"] = torch.eye(len(net[k]))[0]
            net[k.removesuffix("bar") + "v"] = row / row.norm()
    return net


def _m2m_values(name: str, v: torch.Tensor) -> torch.Tensor:
    """Return random values that keep the mattes away from 0 and 1."""
    if not v.is_floating_point():
        return v
    n = torch.randn_like(v)
    if name.endswith("weight_bar"):
        return n
    if name.endswith("running_var"):
        return 1 + 0.5 * n.abs()
    if name.endswith(("running_mean", "bias")):
        return 0.1 * n
    return 1 + 0.1 * n if v.ndim == 1 else n * (2 / v[0].numel()) ** 0.5
