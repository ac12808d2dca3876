"""The mask-to-matte decoder of Matting Anything, as published and folded for inference.

Li, Jain and Shi, "Matting Anything", 2023. A small network of convolutions that lifts the features of a
frozen SAM encoder to an alpha matte, guided by the picture and SAM's mask at every scale.

Shapes carry suffixes: b batch, c channels, h and w rows and columns of SAM's features (64 x 64 for an input
of 1024 x 1024); 4h and 16h are that many times as many rows. Any h and w do.

The variant for SAM 2 (`HIERA`) also takes the finer levels of its feature pyramid, which join at 2h and 4h.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from trackmatte.errors import UsageError
from trackmatte.torch_load import check_fit, read_checkpoint

FEATURES = 256
"""Channels of SAM's features."""
GUIDE = 4
"""Channels that join them at every scale: red, green, blue, and the mask."""
LAYERS = {"layer2": (FEATURES, 128, 3), "layer3": (128, 64, 3), "layer4": (64, 32, 2)}
"""Channels in (without the guide), channels out, and blocks; each layer doubles the resolution."""
HIERA = (64, 32)
"""Channels of SAM 2's finer features, which join where 2h and 4h rows are reached."""
SLOPE = 0.2
"""Of every leaky rectifier."""
PREFIXES = ("module.m2m.", "m2m.", "module.", "")
"""What a checkpoint may put before every name, longest first."""


class Scales(NamedTuple):
    """Alpha mattes decoded at three scales, each (b, 1, 16h, 16w) in [0, 1]."""

    os8: Tensor
    """From 2h x 2w: coarse, safe far from the edge."""
    os4: Tensor
    """From 4h x 4w."""
    os1: Tensor
    """From 16h x 16w: fine, meant for pixels at the edge."""


class _Decoder(nn.Module):
    """What both forms share: the way the data take. Subclasses fill in the parts."""

    layer2: nn.Module
    layer3: nn.Module
    layer4: nn.Module
    conv1: nn.Module
    bn1: nn.Module
    finer: tuple[int, ...]

    def forward(
        self, feature_bchw: Tensor, image_b3hw: Tensor, mask_b1hw: Tensor, *finer_bchw: Tensor
    ) -> Scales:
        """Decode three mattes.

        Parameters
        ----------
        feature_bchw : (b, 256, h, w) float features of the SAM encoder's neck.
        image_b3hw : (b, 3, 16h, 16w) float, the picture as the encoder took it: RGB, SAM's mean subtracted,
            divided by its standard deviation.
        mask_b1hw : (b, 1, 4h, 4w) float 0 or 1, SAM's low-resolution mask.
        finer_bchw : one map for each of the channels in ``finer``: (b, c, 2h, 2w), then (b, c, 4h, 4w).

        Returns
        -------
        Scales : three mattes (b, 1, 16h, 16w) float in [0, 1].

        Raises
        ------
        UsageError : the shapes do not belong together.
        """
        _check_shapes(feature_bchw, image_b3hw, mask_b1hw)
        _check_finer(feature_bchw, finer_bchw, self.finer)

        def guided(*x_bchw: Tensor) -> Tensor:
            size = x_bchw[0].shape[2:]
            return torch.cat([*x_bchw, _resize(image_b3hw, size), _resize(mask_b1hw, size)], dim=1)

        x2_bchw = self.layer2(guided(feature_bchw))
        x3_bchw = self.layer3(guided(x2_bchw, *finer_bchw[:1]))
        x4_bchw = self.layer4(guided(x3_bchw, *finer_bchw[1:]))
        x5_bchw = _leaky(self.bn1(self.conv1(x4_bchw)))
        full = image_b3hw.shape[2:]
        heads = (("refine_OS8", x2_bchw), ("refine_OS4", x3_bchw), ("refine_OS1", x5_bchw))
        logits = (_resize(self.get_submodule(name)(x_bchw), full) for name, x_bchw in heads)
        return Scales(*((torch.tanh(x_b1hw) + 1) / 2 for x_b1hw in logits))


class M2M(_Decoder):
    """The decoder with its parameters named and kept as published, 184 entries; for loading and training.

    ======== ================ ============= ========================================
    stage    rows x columns   channels      made of
    ======== ================ ============= ========================================
    input    h x w            256 + 4       features, picture, mask
    layer2   2h x 2w          128           doubling block, 2 blocks
    OS8 head 2h x 2w          32, 1         logits, then bilinear x 8, (tanh + 1) / 2
    layer3   4h x 4w          128 + 4 -> 64 doubling block, 2 blocks
    OS4 head 4h x 4w          32, 1         logits, then bilinear x 4, (tanh + 1) / 2
    layer4   8h x 8w          64 + 4 -> 32  doubling block, 1 block
    tail     16h x 16w        32            transposed convolution
    OS1 head 16h x 16w        32, 1         logits, (tanh + 1) / 2
    ======== ================ ============= ========================================

    Every convolution of layers and tail is bias-free, with spectral normalisation (Miyato et al., 2018), one
    power iteration for each call in training and none otherwise, followed by batch normalisation; the heads
    are plain. Made with random weights; see `load_m2m`.

    Parameters
    ----------
    finer : channels of the finer features that join the inputs of layer3 and layer4; none as published, or
        `HIERA`.
    """

    def __init__(self, finer: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.finer = finer
        joining = dict(zip(("layer3", "layer4"), finer, strict=False))
        tail = LAYERS["layer4"][1]
        self.conv1 = _SpectralConv(tail, tail, 4, doubling=True)
        self.bn1 = nn.BatchNorm2d(tail)
        for name, (before, after, count) in LAYERS.items():
            first = _doubling_block(before + GUIDE + joining.get(name, 0), after)
            self.add_module(name, nn.Sequential(first, *(_block(after) for _ in range(count - 1))))
        self.refine_OS1 = _head(tail)
        self.refine_OS4 = _head(LAYERS["layer3"][1])
        self.refine_OS8 = _head(LAYERS["layer2"][1])

    def fold(self) -> FoldedM2M:
        """Return the same function, faster, for inference only; later changes here do not reach it."""
        return FoldedM2M(self)


class FoldedM2M(_Decoder):
    """The decoder for inference: half the time, the same to about 1e-6.

    Both normalisations are folded into plain convolutions with a bias, the 1 x 1 convolution of a skip comes
    before its nearest-neighbour doubling instead of after, at a quarter of the work, and everything is kept
    in channels-last order.
    """

    def __init__(self, net: M2M) -> None:
        super().__init__()
        self.finer = net.finer
        net = copy.deepcopy(net).eval()
        with torch.no_grad():
            self.conv1, self.bn1 = _fused(net.conv1, net.bn1), nn.Identity()
            for name in LAYERS:
                blocks = net.get_submodule(name).children()
                self.add_module(name, nn.Sequential(*(_folded(b) for b in blocks)))
            for name in ("refine_OS1", "refine_OS4", "refine_OS8"):
                conv, norm, act, last = net.get_submodule(name).children()
                self.add_module(name, nn.Sequential(_fused(conv, norm), act, last))
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(
        self, feature_bchw: Tensor, image_b3hw: Tensor, mask_b1hw: Tensor, *finer_bchw: Tensor
    ) -> Scales:
        """Decode three mattes, as `M2M` does, without gradients."""
        _check_shapes(feature_bchw, image_b3hw, mask_b1hw)
        with torch.inference_mode():
            feature_bchw = feature_bchw.contiguous(memory_format=torch.channels_last)
            return super().forward(feature_bchw, image_b3hw, mask_b1hw, *finer_bchw)


class _Block(nn.Module):
    """Two convolutions, added to what came in; the first may double the resolution, and `upsample` too."""

    def __init__(
        self, conv1: nn.Module, bn1: nn.Module, conv2: nn.Module, bn2: nn.Module, upsample: nn.Module | None
    ) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv1, bn1
        self.conv2, self.bn2, self.upsample = conv2, bn2, upsample

    def forward(self, x_bchw: Tensor) -> Tensor:
        y_bchw = _leaky(self.bn1(self.conv1(x_bchw)))
        y_bchw = self.bn2(self.conv2(y_bchw))
        y_bchw += x_bchw if self.upsample is None else self.upsample(x_bchw)
        return _leaky(y_bchw)


class _SpectralConv(nn.Module):
    """A convolution without bias; its weight W, one row per item of its first axis, is over u . W . v."""

    def __init__(self, before: int, after: int, side: int, *, doubling: bool = False) -> None:
        super().__init__()
        self.doubling = doubling
        shape = (before, after, side, side) if doubling else (after, before, side, side)
        bar = nn.init.kaiming_normal_(torch.empty(shape), a=SLOPE)
        u, v = torch.eye(1, shape[0])[0], F.normalize(bar[0].flatten(), dim=0)
        self.module = nn.ParameterDict()
        self.module["weight_u"] = nn.Parameter(u, requires_grad=False)
        self.module["weight_v"] = nn.Parameter(v, requires_grad=False)
        self.module["weight_bar"] = nn.Parameter(bar)

    def weight(self) -> Tensor:
        u, v, bar = (self.module[f"weight_{name}"] for name in ("u", "v", "bar"))
        with torch.autocast(bar.device.type, enabled=False):
            weight: Tensor = bar / (u @ (bar.flatten(1) @ v))
        return weight

    @torch.no_grad()
    def _iterate(self) -> None:
        """Bring u and v a step nearer to the first singular vectors of W."""
        u, v, bar = (self.module[f"weight_{name}"] for name in ("u", "v", "bar"))
        with torch.autocast(bar.device.type, enabled=False):
            v.copy_(F.normalize(bar.flatten(1).T @ u, dim=0))
            u.copy_(F.normalize(bar.flatten(1) @ v, dim=0))

    def forward(self, x_bchw: Tensor) -> Tensor:
        if self.training:
            self._iterate()
        weight = self.weight()
        if self.doubling:
            return F.conv_transpose2d(x_bchw, weight, stride=2, padding=1)
        return F.conv2d(x_bchw, weight, padding=weight.shape[-1] // 2)

    def plain(self) -> nn.Conv2d | nn.ConvTranspose2d:
        """Return an ordinary convolution that does the same."""
        weight = self.weight().detach()
        first, second, side, _ = weight.shape
        conv: nn.Conv2d | nn.ConvTranspose2d = nn.Conv2d(second, first, side, padding=side // 2, bias=False)
        if self.doubling:
            conv = nn.ConvTranspose2d(first, second, side, stride=2, padding=1, bias=False)
        conv.weight = nn.Parameter(weight)
        return conv


def _doubling_block(before: int, after: int) -> _Block:
    double = nn.Upsample(scale_factor=2, mode="nearest")
    skip = nn.Sequential(double, _SpectralConv(before, after, 1), nn.BatchNorm2d(after))
    first, second = _SpectralConv(before, before, 4, doubling=True), _SpectralConv(before, after, 3)
    return _Block(first, nn.BatchNorm2d(before), second, nn.BatchNorm2d(after), skip)


def _block(width: int) -> _Block:
    first, second = (_SpectralConv(width, width, 3) for _ in range(2))
    return _Block(first, nn.BatchNorm2d(width), second, nn.BatchNorm2d(width), None)


def _head(before: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.LeakyReLU(SLOPE, inplace=True),
        nn.Conv2d(32, 1, 3, padding=1),
    )


def _folded(block: nn.Module) -> _Block:
    assert isinstance(block, _Block)
    skip = None
    if block.upsample is not None:
        double, conv, norm = block.upsample.children()
        skip = nn.Sequential(_fused(conv, norm), double)
    first, second = _fused(block.conv1, block.bn1), _fused(block.conv2, block.bn2)
    return _Block(first, nn.Identity(), second, nn.Identity(), skip)


def _fused(conv: nn.Module, norm: nn.Module) -> nn.Module:
    """Return one convolution with a bias for a convolution and the batch normalisation after it."""
    plain = conv.plain() if isinstance(conv, _SpectralConv) else conv
    assert isinstance(plain, nn.Conv2d | nn.ConvTranspose2d)
    assert isinstance(norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(plain.eval(), norm, isinstance(plain, nn.ConvTranspose2d))


def _leaky(x_bchw: Tensor) -> Tensor:
    return F.leaky_relu(x_bchw, SLOPE, inplace=True)


def _resize(x_bchw: Tensor, size: torch.Size) -> Tensor:
    same = x_bchw.shape[2:] == size
    return x_bchw if same else F.interpolate(x_bchw, size=size, mode="bilinear", align_corners=False)


def _check_shapes(feature_bchw: Tensor, image_b3hw: Tensor, mask_b1hw: Tensor) -> None:
    shapes = tuple(feature_bchw.shape), tuple(image_b3hw.shape), tuple(mask_b1hw.shape)
    b, _, h, w = shapes[0] if len(shapes[0]) == 4 else (0, 0, 0, 0)
    if shapes != ((b, FEATURES, h, w), (b, 3, 16 * h, 16 * w), (b, 1, 4 * h, 4 * w)) or not b * h * w:
        raise UsageError(
            "features, picture and mask of shapes {}, {}, {} do not belong together; "
            "they must be (b, 256, h, w), (b, 3, 16h, 16w), (b, 1, 4h, 4w)".format(*shapes)
        )


def _check_finer(feature_bchw: Tensor, finer_bchw: tuple[Tensor, ...], channels: tuple[int, ...]) -> None:
    b, _, h, w = feature_bchw.shape
    wanted = [(b, c, h * n, w * n) for c, n in zip(channels, (2, 4), strict=False)]
    if wanted != [tuple(x.shape) for x in finer_bchw]:
        shapes = [tuple(x.shape) for x in finer_bchw]
        raise UsageError(f"the decoder takes finer features of shapes {wanted}, not {shapes}")


def load_m2m(path: Path) -> M2M:
    """Read a Matting Anything checkpoint: the published file, one of the whole model, or bare weights.

    Parameters
    ----------
    path : file whose weights are named as in `M2M`, under ``"state_dict"`` or by themselves; every name may
        begin with ``module.``, ``m2m.`` or ``module.m2m.``, and a SAM encoder beside them is ignored.

    Returns
    -------
    M2M : in evaluation mode, on the CPU.

    Raises
    ------
    MissingPartError : the file is missing, damaged, or not of this decoder; the first mismatch is named.
    """
    stored = read_checkpoint(path, way_out="get it again, from its publishers: trackmatte weights add FILE")
    weights = stored.get("state_dict")
    found = _unprefixed(weights if isinstance(weights, dict) else stored)
    net = M2M()
    way_out = "take one of Matting Anything, such as mam_vitb.pth: trackmatte weights list"
    check_fit(found, net.state_dict(), path, "the Matting Anything decoder", way_out=way_out)
    net.load_state_dict(found)
    return net.eval()


def _unprefixed(weights: dict[Any, Any]) -> dict[str, Any]:
    """Take the prefix that the names share off them, and leave the encoder's out."""
    named = {str(k): v for k, v in weights.items()}
    own = {k: v for k, v in named.items() if not k.removeprefix("module.").startswith("seg_model.")}
    prefix = next(p for p in PREFIXES if not own or any(k.startswith(p) for k in own))
    return {k.removeprefix(prefix): v for k, v in own.items()}
