"""The training itself: the schedule, the steps, the log, and going on after an interruption.

The schedule is Matting Anything's published one (Li, Jain and Shi, 2023): Adam with betas .5 and .999, a
linear warm-up over the first fifth to a rate of 1e-3, a cosine down to 0, gradients clipped at twice their
moving norm. Published were 20,000 steps of 80 pictures of 1024 px.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from trackmatte.errors import DeviceError, MissingPartError, OutputError, UsageError
from trackmatte.files import atomic, remove_leftovers
from trackmatte.media import decode_ahead
from trackmatte.progress import Progress
from trackmatte.refiners.hiera_model import Encoder, decode, write_decoder
from trackmatte.refiners.mam_decoder import HIERA, M2M
from trackmatte.torch_load import check_fit, read_checkpoint
from trackmatte.trackers.sam2_model import Model
from trackmatte.training.dataset import Dataset, Sample
from trackmatte.training.log import Log
from trackmatte.training.losses import SMALLEST, loss_weights, matting_losses
from trackmatte.training.validate import Validation

Amp = Literal["auto", "off", "bfloat16", "float16"]

BETAS = (0.5, 0.999)
WARMUP = 5
"""The warm-up is one part of so many."""
MOMENT = 0.999
"""Of the moving norm of the gradients."""
DECODER, RESUME, LOG = "hiera.pt", "resume.pt", "log.csv"
"""Files of a training: the decoder to use, what going on needs, and the log."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What decides the weights, besides the pictures and SAM 2."""

    steps: int = 20000
    batch: int = 8
    size: int = 1024
    """Side of the pictures and of SAM 2's input, px, a multiple of 32."""
    rate: float = 1e-3
    """Highest learning rate."""
    seed: int = 0
    amp: Amp = "auto"
    """Precision on the device: bfloat16 where CUDA is fast at it, float16 on other CUDA devices, else off."""

    def check(self) -> None:
        """Make sure that it can be meant.

        Raises
        ------
        UsageError : it cannot.
        """
        if self.steps < 1 or self.batch < 1 or not self.rate > 0:
            raise UsageError("steps and batch must be at least 1, and the rate above 0")
        if self.size < SMALLEST or self.size % 32:
            raise UsageError(f"size {self.size} must be a multiple of 32 and at least {SMALLEST}, e.g. 1024")

    def warmup(self) -> int:
        """Return the steps of the warm-up."""
        return self.steps // WARMUP

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        warmup = self.warmup()
        if step < warmup:
            return self.rate * (step + 1) / warmup
        return self.rate * (1 + math.cos(math.pi * (step - warmup) / (self.steps - warmup))) / 2


@dataclass(frozen=True, slots=True)
class Source:
    """The SAM 2 to train on."""

    name: str
    sha256: str
    config: str
    checkpoint: Path


class Training:
    """Trains a decoder into a folder.

    Parameters
    ----------
    dataset : pictures of ``plan.size``.
    validation : what the error in the log is measured on.
    folder : takes `DECODER`, `RESUME` and `LOG`.
    resume : go on with the training in the folder, if there is one.
    log_every, save_every : steps between lines of the log and between saved states.
    workers : threads that make pictures.

    Raises
    ------
    OutputError : there is a training in the folder already and ``resume`` is not said.
    UsageError : the plan cannot be, or is not that of the training in the folder.
    MissingPartError : SAM 2 cannot be loaded, or the saved state is damaged.
    """

    def __init__(
        self,
        plan: Plan,
        source: Source,
        dataset: Dataset,
        validation: Validation,
        folder: Path,
        *,
        device: str = "auto",
        resume: bool = False,
        log_every: int = 10,
        save_every: int = 500,
        workers: int = 2,
    ) -> None:
        plan.check()
        self.plan, self.folder, self.dataset, self.validation = plan, folder, dataset, validation
        self.every = log_every, save_every
        self.workers = workers
        self.encoder = Encoder(source.name, source.sha256, plan.size)
        self._identity = {**asdict(plan), **asdict(self.encoder), "pictures": dataset.identity()}
        found = (folder / RESUME).exists()
        if found and not resume:
            raise OutputError(f"{folder} holds a training already; add --resume, or choose another folder")
        self.sam2 = Model(source.config, source.checkpoint, image_size=plan.size, device=device)
        self.device = self.sam2.device
        self._amp = _amp(plan.amp, self.device)
        torch.manual_seed(plan.seed)
        self.net = M2M(HIERA).to(self.device)
        trained = [p for p in self.net.parameters() if p.requires_grad]
        self._adam = torch.optim.Adam(trained, lr=plan.rate, betas=BETAS)
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=self._amp == torch.float16)
        self.step, self._norm = 0, 0.0
        if found:
            self._restore()
        remove_leftovers(folder)
        self.log = Log(folder / LOG, self.step)

    def run(self) -> Iterator[Progress]:
        """Train to the end, yielding after each step; closing it early saves first.

        Raises
        ------
        DeviceError : the device's memory does not suffice.
        ClipError : a picture cannot be read.
        OutputError : the folder cannot be written.
        """
        plan, begin, first = self.plan, time.monotonic(), self.step
        batches = decode_ahead(
            self.dataset.batches(plan.seed, plan.batch, first, plan.steps, workers=self.workers), depth=2
        )
        try:
            for sample in batches:
                parts = self._guarded(sample)
                self.step += 1
                if self.step % self.every[0] == 0 or self.step == plan.steps:
                    self._note(parts)
                if self.step % self.every[1] == 0 or self.step == plan.steps:
                    self.save()
                worked = self.step - first
                seconds = time.monotonic() - begin
                yield Progress("train", self.step, plan.steps, self.step, seconds, worked)
        except GeneratorExit:
            self.save()
            raise
        finally:
            batches.close()  # type: ignore[attr-defined]

    def save(self) -> None:
        """Write the decoder and what going on needs.

        Raises
        ------
        OutputError : the folder cannot be written.
        """
        state = {
            "plan": self._identity,
            "step": self.step,
            "norm": self._norm,
            "net": self.net.state_dict(),
            "adam": self._adam.state_dict(),
            "scaler": self._scaler.state_dict(),
        }
        with atomic(self.folder / RESUME) as temporary:
            torch.save(state, temporary)
        write_decoder(self.folder / DECODER, self.net, self.encoder, self.step)

    def _restore(self) -> None:
        path = self.folder / RESUME
        state = read_checkpoint(path)
        old = state.get("plan")
        if not isinstance(old, dict) or not isinstance(state.get("net"), dict):
            raise MissingPartError(f"{path} is no state of a training; choose another folder")
        for name, value in self._identity.items():
            if old.get(name) != value:
                what = "the pictures are others" if name == "pictures" else f"{name} was {old.get(name)}"
                raise UsageError(
                    f"the training in {self.folder} cannot go on like this: {what}; put it as it was, "
                    "or choose another folder"
                )
        check_fit(state["net"], self.net.state_dict(), path, "the decoder for SAM 2")
        self.net.load_state_dict(state["net"])
        self._adam.load_state_dict(state["adam"])
        self._scaler.load_state_dict(state["scaler"])
        self.step, self._norm = int(state["step"]), float(state["norm"])

    def _guarded(self, sample: Sample) -> dict[str, float]:
        try:
            return self._learn(sample)
        except torch.OutOfMemoryError as e:
            raise DeviceError(
                "the memory of the device does not suffice for a step; train with a smaller --batch or --size"
            ) from e

    def _learn(self, sample: Sample) -> dict[str, float]:
        """Take one step and return the parts of its loss."""
        plan, rate = self.plan, self.plan.rate_at(self.step)
        image, truth, guide, unknown = self._tensors(sample)
        features = self.sam2.encode(image)
        self.net.train()
        for group in self._adam.param_groups:
            group["lr"] = rate
        with self._autocast():
            scales = decode(self.net, features, image, guide)
        whole = F.interpolate(guide, truth.shape[2:], mode="nearest")
        rng = np.random.default_rng((plan.seed, 2, self.step))
        weights = loss_weights(self.step, plan.warmup(), scales, whole, unknown, rng)
        parts = matting_losses(scales, truth, weights)
        loss = torch.stack(list(parts.values())).sum()
        self._adam.zero_grad()
        if not torch.isfinite(loss):
            raise UsageError(f"the loss of step {self.step + 1} is not a number; train with a lower --rate")
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.unscale_(self._adam)
        norm = self._clip()
        self._scaler.step(self._adam)
        self._scaler.update()
        told = {"loss": loss, **parts}
        return {k: float(v.detach()) for k, v in told.items()} | {"rate": rate, "gradient": norm}

    def _clip(self) -> float:
        """Clip the gradients at twice their moving norm; return their norm before."""
        limit = 2 * self._norm if self._norm else 1e6
        norm = float(torch.nn.utils.clip_grad_norm_(self._adam.param_groups[0]["params"], limit))
        if math.isfinite(norm):  # else the scaler leaves this step out
            self._norm = MOMENT * self._norm + (1 - MOMENT) * norm if self._norm else norm
        return norm

    def _tensors(self, sample: Sample) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        image = torch.cat([self.sam2.prepare(rgb) for rgb in sample.rgb])
        planes = (sample.alpha, sample.guide, sample.unknown)
        truth, guide, unknown = (torch.from_numpy(x)[:, None].to(self.device) for x in planes)
        return image, truth, guide, unknown

    def _autocast(self) -> AbstractContextManager[Any]:
        if self._amp is None:
            return nullcontext()
        return torch.autocast(self.device.type, self._amp)

    def _note(self, parts: dict[str, float]) -> None:
        """Write a line of the log, with the error on the validation pictures."""
        errors = self.validation.errors(self.net, self.sam2)
        self.log.write(self.step, {**parts, **errors})


def _amp(wanted: Amp, device: torch.device) -> torch.dtype | None:
    """Return the precision of the decoder in training; None is float32 throughout."""
    if wanted == "auto":
        if device.type != "cuda":
            return None
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float16
    return {"off": None, "bfloat16": torch.bfloat16, "float16": torch.float16}[wanted]
