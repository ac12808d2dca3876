"""The one place that calls into the ``sam2`` package: what a streaming tracker needs of it.

The package's video predictor keeps every frame of the clip and all it made of them. Here its model runs
alone: one frame's features in, one object's output out, and what it may look at is handed in.
Everything private that is called is pinned with ``sam2==1.1.0``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from trackmatte.torch_device import pick_device
from trackmatte.trackers.sam2_build import build, load
from trackmatte.trackers.sam2_memory import Output

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ENDLESS = 1 << 30
"""Length of a clip that does not say; SAM 2 only asks whether it is below 16."""

U8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Features:
    """What the image encoder made of a frame, flattened to (h * w, 1, c) per level, finest first."""

    maps: list[torch.Tensor]
    positions: list[torch.Tensor]
    sizes: list[tuple[int, int]]
    ready: torch.cuda.Event | None = None
    """On a GPU: when the maps may be read by another stream."""


@dataclass(frozen=True, slots=True, eq=False)
class Clicks:
    """Points for the prompt encoder."""

    xy: torch.Tensor
    """(1, n, 2) in pixels of the model's square input."""
    labels: torch.Tensor
    """(1, n) int32: 1 subject, 0 background, 2 and 3 a box's corners."""

    def inputs(self) -> dict[str, torch.Tensor]:
        """Return them as the model takes them."""
        return {"point_coords": self.xy, "point_labels": self.labels}


class Model:
    """SAM 2 or 2.1 with its weights on a device.

    Parameters
    ----------
    config : name of a packaged configuration (``configs/sam2.1/sam2.1_hiera_t.yaml``) or a YAML file.
    checkpoint : ``.pt`` file with the weights under ``"model"``.
    image_size : side of the square input in pixels, a multiple of 32; None = the configuration's (1024).
    device : ``auto`` (CUDA, else MPS, else CPU) or a torch device.
    precision : ``auto`` (bfloat16 where the hardware is fast at it), ``float32`` or ``bfloat16``.
    compiled : compile the image encoder and the memory encoder, whose shapes never change.

    Raises
    ------
    MissingPartError : the checkpoint is missing, damaged, or of another architecture.
    UsageError : no such configuration or device, or a size that cannot be.
    """

    def __init__(
        self,
        config: str,
        checkpoint: Path,
        *,
        image_size: int | None = None,
        device: str = "auto",
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
        compiled: bool = False,
    ) -> None:
        self.device = pick_device(device)
        built = build(config, image_size)
        load(built, checkpoint, config)
        net: Any = built.to(self.device).eval()
        self.net: Any = net
        self.size: int = net.image_size
        self.low_res = self.size // 4
        fast = self.device.type == "cuda" and torch.cuda.get_device_capability(self.device)[0] >= 8
        self.bf16 = precision == "bfloat16" or (precision == "auto" and fast)
        shades = torch.arange(256, dtype=torch.float64).div(255).float()[:, None]
        table = (shades - torch.tensor(MEAN)) / torch.tensor(STD)
        self._table: NDArray[np.float32] = table.T.contiguous().numpy()
        self._side: Any = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self._memory_position: list[torch.Tensor] | None = None
        self._blank = False
        """Whether the call in hand has no clicks."""
        with self.running():
            dense = net.sam_prompt_encoder.get_dense_pe()
        net.sam_prompt_encoder.get_dense_pe = lambda: dense  # it never changes
        net.sam_prompt_encoder._embed_points = self._embed_points(net.sam_prompt_encoder._embed_points)
        for part in (net.image_encoder.neck, net.memory_encoder):
            part.position_encoding.forward = _remembered(part.position_encoding.forward)
        if compiled:
            for part in (net.image_encoder, net.memory_encoder):
                part.forward = torch.compile(part.forward, dynamic=False)

    @property
    def spatial_lags(self) -> int:
        """How far back spatial memories are read."""
        return (int(self.net.num_maskmem) - 1) * int(self.net.memory_temporal_stride_for_eval)

    @property
    def pointer_lags(self) -> int:
        """How far back object pointers are read."""
        return int(self.net.max_obj_ptrs_in_encoder) - 1

    def running(self) -> ExitStack:
        """Return the context in which the network runs: no gradients, the chosen precision."""
        stack = ExitStack()
        stack.enter_context(torch.inference_mode())
        if self.bf16:
            stack.enter_context(torch.autocast(self.device.type, torch.bfloat16))
        return stack

    def prepare(self, rgb: U8) -> torch.Tensor:
        """Scale an (H, W, 3) sRGB frame to the model's input, (1, 3, s, s), exactly as SAM 2 does.

        Pillow's bicubic filter on 8 bits, then normalisation. On a GPU the copy runs beside the inference.
        """
        small = np.asarray(Image.fromarray(rgb).resize((self.size, self.size)))
        plane = np.empty((1, 3, self.size, self.size), np.float32)
        for c in range(3):
            np.take(self._table[c], small[..., c], out=plane[0, c])
        image = torch.from_numpy(plane)
        if self._side is None:
            return image.to(self.device)
        with torch.cuda.stream(self._side):
            there = image.pin_memory().to(self.device, non_blocking=True)
        here = torch.cuda.current_stream(self.device)
        here.wait_stream(self._side)
        there.record_stream(here)
        return there

    def look(self, rgb: U8) -> Features | torch.Tensor | None:
        """Do ahead of time what pays: on a GPU encode on a second stream, elsewhere scale the frame.

        Nothing when the network runs on all cores: its threads wait actively, and one more slows them.
        """
        if self._side is None:
            return self.prepare(rgb) if torch.get_num_threads() < (os.cpu_count() or 1) else None
        with torch.cuda.stream(self._side):
            features = self.encode(self.prepare(rgb))
            ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
            ready.record(self._side)
        return Features(features.maps, features.positions, features.sizes, ready)

    def features(self, looked: Features | torch.Tensor) -> Features:
        """Return the frame's features, waiting for what `look` began."""
        if isinstance(looked, torch.Tensor):
            return self.encode(looked)
        if looked.ready is not None:
            here = torch.cuda.current_stream(self.device)
            here.wait_event(looked.ready)
            for tensor in (*looked.maps, *looked.positions):
                tensor.record_stream(here)
        return looked

    def encode(self, image: torch.Tensor) -> Features:
        """Run the image encoder on a (1, 3, s, s) image."""
        with self.running():
            _, maps, positions, sizes = self.net._prepare_backbone_features(self.net.forward_image(image))
        return Features(maps, positions, sizes)

    def track(
        self,
        features: Features,
        index: int,
        *,
        prompted: Sequence[Mapping[int, Output]] = (),
        recent: Sequence[Mapping[int, Output]] = (),
        sign: int = 1,
        length: int | None = None,
        initial: bool = False,
        clicks: Clicks | None = None,
        mask: torch.Tensor | None = None,
        previous: torch.Tensor | None = None,
        remember: bool = True,
    ) -> list[Output]:
        """Decide the masks of one or several objects on a frame.

        Parameters
        ----------
        prompted, recent : per object, what it may look at; with several objects the frames must agree.
        sign : 1 in a forward pass, -1 in a backward one.
        length : frames of the clip.
        initial : a prompt on a frame not tracked before: no memory is asked.
        clicks : points of one object.
        mask : (1, 1, s, s) float 0 or 1, the object's mask, taken as it is.
        previous : (1, 1, s/4, s/4) logits to go with the clicks.
        remember : also encode the spatial memory.
        """
        net, count = self.net, max(1, len(prompted))
        self._blank = clicks is None
        maps = [x.expand(-1, count, -1) for x in features.maps]
        positions = [x.expand(-1, count, -1) for x in features.positions]
        with self.running():
            _, outputs, _, _ = net._track_step(
                frame_idx=index,
                is_init_cond_frame=initial,
                current_vision_feats=maps,
                current_vision_pos_embeds=positions,
                feat_sizes=features.sizes,
                point_inputs=None if clicks is None else clicks.inputs(),
                mask_inputs=mask,
                output_dict={
                    "cond_frame_outputs": self._together(prompted),
                    "non_cond_frame_outputs": self._together(recent),
                },
                num_frames=ENDLESS if length is None else length,
                track_in_reverse=sign < 0,
                prev_sam_mask_logits=None if previous is None else previous.clamp(-32.0, 32.0),
            )
            _, _, ious, low_res, high_res, pointers, scores = outputs
            memory = None
            if remember:
                memory = self._encode(features, maps, high_res, scores, from_clicks=clicks is not None)
        best = ious.float().max(dim=-1).values.tolist()
        return [
            Output(
                pointers[i : i + 1],
                scores[i : i + 1],
                float(best[i]),
                low_res[i : i + 1],
                None if memory is None else memory[i : i + 1],
            )
            for i in range(count)
        ]

    def _embed_points(self, embed: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        """Keep what no clicks at all give, for each number of objects."""
        known: dict[int, torch.Tensor] = {}

        def embedded(points: torch.Tensor, labels: torch.Tensor, pad: bool) -> torch.Tensor:
            if not self._blank:
                return embed(points, labels, pad)
            if len(points) not in known:
                known[len(points)] = embed(points, labels, pad)
            return known[len(points)]

        return embedded

    def remember(self, features: Features, masks: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
        """Return the spatial memory of a prompted frame from its (1, 1, s/4, s/4) logits."""
        with self.running():
            size = (self.size, self.size)
            high_res = F.interpolate(masks, size=size, mode="bilinear", align_corners=False)
            return self._encode(features, features.maps, high_res, score, from_clicks=True)

    def _encode(
        self,
        features: Features,
        maps: list[torch.Tensor],
        high_res: torch.Tensor,
        score: torch.Tensor,
        *,
        from_clicks: bool,
    ) -> torch.Tensor:
        memory, position = self.net._encode_new_memory(
            current_vision_feats=maps,
            feat_sizes=features.sizes,
            pred_masks_high_res=high_res,
            object_score_logits=score,
            is_mask_from_pts=from_clicks,
        )
        if self._memory_position is None:
            self._memory_position = [p[:1].clone() for p in position]
        kept: torch.Tensor = memory.to(torch.bfloat16)
        return kept

    def _together(self, objects: Sequence[Mapping[int, Output]]) -> dict[int, dict[str, Any]]:
        """Join the memories of several objects, frame by frame, as the model reads them."""
        if not objects:
            return {}
        joined = {}
        for i in objects[0]:
            outputs = [memories[i] for memories in objects]
            memory = [o.memory for o in outputs if o.memory is not None]
            joined[i] = {
                "maskmem_features": _cat(memory) if memory else None,
                "maskmem_pos_enc": self._position(len(outputs)),
                "obj_ptr": _cat([o.pointer for o in outputs]),
            }
        return joined

    def _position(self, count: int) -> list[torch.Tensor] | None:
        if self._memory_position is None:
            return None
        return [p.expand(count, -1, -1, -1) for p in self._memory_position]


def _remembered(position: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """Keep what a position encoding gives for each shape; the package copies it anew on every frame."""
    known: dict[tuple[torch.Size, torch.device], torch.Tensor] = {}

    def forward(x: torch.Tensor) -> torch.Tensor:
        key = x.shape, x.device
        if key not in known:
            known[key] = position(x)
        return known[key]

    return forward


def _cat(tensors: list[torch.Tensor]) -> torch.Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors)
