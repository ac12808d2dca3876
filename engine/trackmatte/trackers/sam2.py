"""SAM 2 as a streaming tracker: bounded memory, the official predictor's masks bit for bit.

Ravi et al., "SAM 2: Segment Anything in Images and Videos", 2024. Importing this module needs no torch;
making a tracker does.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from trackmatte import weights
from trackmatte.errors import DeviceError, MissingPartError, PromptError, UsageError
from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.prompt import Prompt
from trackmatte.trackers import Arrays
from trackmatte.trackers import sam2_prompts as prompts
from trackmatte.trackers.flow_contour import soft_logits
from trackmatte.trackers.flow_scale import resize_map, working_size

if TYPE_CHECKING:
    from trackmatte.trackers.sam2_model import Features, Model
    from trackmatte.trackers.sam2_subject import Subject

DEFAULTS: dict[str, Any] = {
    "model": None,
    "checkpoint": None,
    "config": None,
    "sha256": None,
    "image_size": None,
    "recall": "sam2",
    "backward": "reset",
    "batched": False,
    "precision": "auto",
    "compiled": False,
}


class SAM2Tracker:
    """Tracks any number of objects with SAM 2 or 2.1, one image encoding per frame for all of them.

    Parameters
    ----------
    length : frames of the clip; SAM 2's time encoding needs it below 16, so a short clip must say it.
    model : name of installed weights (``trackmatte weights list``); None = the best installed.
    checkpoint, config : instead of ``model``: a ``.pt`` file and its configuration.
    sha256 : what the checkpoint must be; filled in by `settle`.
    image_size : side of the square input, a multiple of 32; None = 1024. Smaller is faster.
    recall : ``sam2`` remembers the frames just before, exactly as published; ``confident`` only those
        that are visible, sure and where the motion led, against drift and after occlusions.
    backward : ``reset`` begins a backward pass from the prompts alone; ``reuse`` from what the forward pass
        saw just after the prompt as well, as the official predictor does.
    batched : run the objects of a frame together: faster, differs from the exact per-object run by
        about 1e-3 in the logits.
    precision : ``auto``, ``float32``, ``bfloat16``.
    compiled : compile the encoders with torch.compile; pays on long clips only.

    Raises
    ------
    MissingPartError : torch or sam2 is not installed, or the weights are missing, damaged or others.
    UsageError : a setting that cannot be.
    """

    version = "1"
    carries = True
    between: Literal["blend", "forward"] = "forward"

    def __init__(self, *, length: int | None = None, device: str = "auto", **settings: Any) -> None:
        have = check(settings)
        config, checkpoint = locate(have)
        from trackmatte.trackers.sam2_model import Model

        self.model: Model = Model(
            config,
            checkpoint,
            image_size=have["image_size"],
            device=device,
            precision=have["precision"],
            compiled=have["compiled"],
        )
        self._length, self._have = length, have
        self._encoded: tuple[int, Features] | None = None
        self.reset()

    @classmethod
    def settle(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Return the settings with the model's name and hash filled in."""
        have = check(settings)
        _, checkpoint = locate(have)
        have["sha256"] = have["sha256"] or sha256_of(have, checkpoint)
        return {k: v for k, v in have.items() if v != DEFAULTS[k]}

    def reset(self) -> None:
        """Forget everything."""
        self.subjects: dict[str, Subject] = {}

    def rewind(self, obj: str | None = None) -> None:
        """Forget where the pass of one or all objects is; prompts stay."""
        for subject in self.subjects.values():
            if obj in (None, subject.name):
                subject.rewind()

    def prompt(self, frame: Frame, prompt: Prompt, memory: Arrays | None = None) -> Mask:
        """Take a prompt and return the object's mask on that frame.

        Clicks, box and the middle of strokes go to SAM 2 as points; an explicit mask is taken as it is;
        paint is applied last, exactly where it was drawn. On the frame the object's pass has just stepped
        on, it corrects what was seen there with the memories of the pass, as the official predictor does.

        Raises
        ------
        PromptError : it contradicts itself, lies outside, or selects nothing.
        """
        from trackmatte.trackers.sam2_subject import Prompted, Subject

        given = prompts.read(prompt, frame.size)
        subject = self.subjects.get(prompt.object) or Subject(
            prompt.object, self.model, self._have["recall"], reuse=self._have["backward"] == "reuse"
        )
        if memory is not None:
            made = Prompted.unpack(memory, self.model.device)
        else:
            features = self._features(frame)
            made = self._guard(lambda: subject.take(frame.index, features, given, self._length))
        if given.paint.any() or (given.mask is not None and given.only_mask):
            made = replace(made, shown=self._shown(frame, made.output.masks, given))
        mask = self._mask(frame.index, subject.name, made)
        if not mask.binary.any():
            raise PromptError(f"the prompt for {prompt.object!r} on frame {prompt.frame} selects nothing")
        subject.enter(frame.index, made)
        self.subjects[subject.name] = subject
        return mask

    def memory(self, obj: str, index: int) -> Arrays:
        """Return what a correction became, since it cannot be had from the prompt alone; else nothing."""
        made = self.subjects[obj].prompted.get(index) if obj in self.subjects else None
        return made.pack() if made is not None and made.corrected else {}

    def look(self, frame: Frame) -> object:
        """Scale the frame and, on a GPU, encode it on a second stream; may run in another thread."""
        return self.model.look(frame.display())

    def step(self, frame: Frame, look: object = None) -> list[Mask]:
        """Advance to ``frame`` and return one mask per object under way, in order of first prompt.

        Raises
        ------
        DeviceError : the device's memory does not suffice, even for one object alone.
        """
        under_way = [s for s in self.subjects.values() if s.started or frame.index in s.prompted]
        open_ = [s for s in under_way if frame.index not in s.prompted]
        if open_:
            features = self._features(frame, look)
            self._guard(
                lambda: self._advance(open_, frame.index, features, batched=self._have["batched"]),
                lambda: self._advance(open_, frame.index, features, batched=False),
            )
        masks = []
        for subject in under_way:
            subject.arrive(frame.index)
            made = subject.prompted.get(frame.index)
            output = subject.latest if made is None else made.output
            assert output is not None
            masks.append(
                self._mask(frame.index, subject.name, made)
                if made is not None
                else Mask(
                    frame.index,
                    subject.name,
                    _numpy(output.masks),
                    _score(output),
                    {"iou": output.iou, "object": float(output.score.flatten()[0])},
                )
            )
        return masks

    def snapshot(self, obj: str) -> Arrays:
        """Return the state of an object's pass (not the prompts); empty when it is not under way."""
        subject = self.subjects.get(obj)
        return {} if subject is None or not subject.started else subject.snapshot()

    def restore(self, obj: str, state: Arrays) -> None:
        """Put back what ``snapshot`` returned, given the same prompts."""
        if obj in self.subjects and state:
            self.subjects[obj].restore(state)

    def _advance(self, subjects: list[Subject], index: int, features: Features, *, batched: bool) -> None:
        groups: dict[tuple[int, ...], list[Subject]] = {}
        for n, subject in enumerate(subjects):
            groups.setdefault(subject.shape(index) if batched else (n,), []).append(subject)
        for group in groups.values():
            views = [s.view(index) for s in group]
            outputs = self.model.track(
                features,
                index,
                prompted=[v[0] for v in views],
                recent=[v[1] for v in views],
                sign=group[0].sign_to(index),
                length=self._length,
            )
            for subject, output in zip(group, outputs, strict=True):
                subject.add(index, output)

    def _features(self, frame: Frame, look: object = None) -> Features:
        if self._encoded is None or self._encoded[0] != frame.index:
            looked = self.model.prepare(frame.display()) if look is None else cast("Features", look)
            self._encoded = (frame.index, self._guard(lambda: self.model.features(looked)))
        return self._encoded[1]

    def _guard(self, run: Any, again: Any = None) -> Any:
        """Run on the device; when its memory does not suffice, free what can be freed and retry once."""
        import torch

        try:
            return run()
        except torch.OutOfMemoryError:
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        try:
            return (again or run)()
        except torch.OutOfMemoryError as e:
            raise DeviceError(
                "the memory of the device does not suffice for a frame; everything up to it is saved: close "
                "other programs, or track with a smaller image_size or on the CPU (TRACKMATTE_DEVICE=cpu)"
            ) from e

    def _shown(self, frame: Frame, masks: Any, given: prompts.Given) -> NDArray[np.float32]:
        """Return the logits the artist sees where the mask is the artist's own, at working resolution."""
        w, h = frame.size
        size = working_size(h, w)
        if given.mask is not None and given.only_mask:
            logits = soft_logits(resize_map(given.mask, size))
        else:
            logits = resize_map(_numpy(masks), size)
        paint = prompts.scale_paint(given.paint, size)
        limit = np.maximum(np.abs(logits), 1)
        return np.where(paint > 0, limit, np.where(paint < 0, -limit, logits)).astype(np.float32)

    def _mask(self, index: int, obj: str, made: Any) -> Mask:
        logits = made.shown if made.shown is not None else _numpy(made.output.masks)
        return Mask(index, obj, logits, 1.0)


def check(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with defaults filled in.

    Raises
    ------
    UsageError : an unknown setting, or a value that cannot be.
    MissingPartError : torch or sam2 is not installed.
    """
    for name in settings:
        if name not in DEFAULTS:
            known = ", ".join(k for k in DEFAULTS if k != "sha256")
            raise UsageError(f"the sam2 tracker has no setting {name!r}; there are: {known}")
    have = {**DEFAULTS, **settings}
    choices = {
        "recall": ("sam2", "confident"),
        "backward": ("reset", "reuse"),
        "precision": ("auto", "float32", "bfloat16"),
        "batched": (False, True),
        "compiled": (False, True),
    }
    for name, values in choices.items():
        if have[name] not in values:
            raise UsageError(f"{name} {have[name]!r} must be one of: {', '.join(map(str, values))}")
    size = have["image_size"]
    if size is not None and (not isinstance(size, int) or size <= 0 or size % 32):
        raise UsageError(f"image_size {size!r} must be a positive multiple of 32, e.g. 1024 or 512")
    for package in ("torch", "sam2"):
        if find_spec(package) is None:
            raise MissingPartError(
                f"the sam2 tracker needs the package {package}; install it with: pip install "
                "'trackmatte[sam]', or track without it: --tracker flow"
            )
    return have


def locate(have: dict[str, Any]) -> tuple[str, Path]:
    """Return (configuration, checkpoint) of the chosen model, whose hash must be as it was.

    The name of the model that was taken goes into ``have``.

    Raises
    ------
    MissingPartError : there is no such checkpoint, or it is another one by now.
    UsageError : a checkpoint file without its configuration.
    """
    if have["checkpoint"] is not None:
        if have["config"] is None:
            raise UsageError("a checkpoint file needs its configuration; add config=configs/sam2.1/...yaml")
        config, path = str(have["config"]), Path(have["checkpoint"])
        if not path.is_file():
            raise MissingPartError(f"there is no checkpoint {path}; see: trackmatte weights list")
    else:
        name = have["model"]
        if name is None:
            found = weights.installed("sam2")
            name = have["model"] = found[0].name if found else "sam2.1_hiera_large"
        path = weights.require(name)
        config = str(have["config"] or weights.get(name).config)
    if have["sha256"] is not None and have["sha256"] != sha256_of(have, path):
        raise MissingPartError(
            f"{path} is not the checkpoint that the shot was tracked with; put that one back, "
            "or make a new shot"
        )
    return config, path


def sha256_of(have: dict[str, Any], path: Path) -> str:
    """Return the SHA-256 of the checkpoint that was chosen."""
    if have["checkpoint"] is None:
        return weights.sha256(have["model"])  # remembered while the file does not change
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def _numpy(masks: Any) -> NDArray[np.float32]:
    return np.ascontiguousarray(masks[0, 0].float().cpu().numpy())


def _score(output: Any) -> float:
    """Predicted IoU times the probability that the object is visible."""
    logit = float(output.score.flatten()[0])
    return float(np.clip(output.iou, 0, 1) / (1 + np.exp(-np.clip(logit, -30, 30))))
