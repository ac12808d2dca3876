"""Matting on SAM 2's own image features: the tracker's encoder serves the matte as well.

Importing this module needs no torch; making a refiner does. A decoder must be trained first:
``trackmatte train-refiner``.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte import weights
from trackmatte.errors import MissingPartError, UsageError
from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.matte import Matte
from trackmatte.refiners.pipeline import Found, View, refine_in
from trackmatte.refiners.region import Region
from trackmatte.trackers import sam2

if TYPE_CHECKING:
    from torch import Tensor

    from trackmatte.refiners.hiera_model import HieraModel
    from trackmatte.trackers.sam2_model import Features, Model

DEFAULTS: dict[str, Any] = {
    "decoder": None,
    "model": None,
    "checkpoint": None,
    "config": None,
    "image_size": None,
    "precision": "auto",
    "sha256": None,
}
ELSE = "or refine without it: --refiner closed_form"


class HieraRefiner:
    """The refiner ``hiera``.

    Sees the whole frame as SAM 2 does, squashed into the model's square, so that all objects of a frame, and
    a tracker on the same SAM 2, share one run of the image encoder. A region is therefore of no use to it.
    Away from the mask's contour alpha is the mask; see `guard`.

    Parameters
    ----------
    decoder : file that ``trackmatte train-refiner`` wrote, or the name of one added to the weights.
    model : name of SAM 2's installed weights; None = those that the decoder was trained on.
    checkpoint, config : instead of ``model``: SAM 2's ``.pt`` file and its configuration.
    image_size : side of the square input, a multiple of 32; None = as in training.
    precision : of SAM 2: ``auto``, ``float32``, ``bfloat16``.
    sha256 : what the decoder's file must be; filled in by `settle`. The decoder names SAM 2's own hash.
    encoder : the SAM 2 of a tracker in this process, so that it is in memory once; its input size counts.

    Raises
    ------
    MissingPartError : a package or the weights are missing, damaged, or others than before, or the decoder
        was trained on another SAM 2.
    UsageError : a setting that cannot be.
    """

    version = "1"
    regional = False

    def __init__(self, *, device: str = "auto", encoder: Model | None = None, **settings: Any) -> None:
        have = check(settings)
        decoder, config, checkpoint = locate(have)
        from trackmatte.refiners.hiera_model import HieraModel
        from trackmatte.trackers.sam2_model import Model

        encoder = encoder or Model(
            config, checkpoint, image_size=have["image_size"], device=device, precision=have["precision"]
        )
        self.model: HieraModel = HieraModel(encoder, decoder)
        self.reset()

    @classmethod
    def settle(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Return the settings with names, input size and the decoder's hash filled in."""
        have = check(settings)
        decoder, _, _ = locate(have)
        from trackmatte.refiners.hiera_model import file_sha256

        have["sha256"] = have["sha256"] or file_sha256(decoder)
        return {k: v for k, v in have.items() if v != DEFAULTS[k]}

    def refine(
        self,
        frame: Frame,
        mask: Mask,
        hair: NDArray[np.bool_] | None = None,
        region: Region | None = None,  # noqa: ARG002 (the whole frame is seen)
        *,
        features: Features | None = None,
    ) -> Matte:
        """Return the matte of ``mask`` on ``frame``; in ``hair`` (H, W) alpha may go far from the mask.

        Parameters
        ----------
        features : what this very SAM 2 made of the frame already (``Model.encode``, or what ``look`` of a
            tracker gives on a GPU); None = it is encoded here, once for all objects.
        """
        width, height = frame.size

        def found(view: View) -> Found:
            alpha = self.model.matte(*self._seen(frame, features), view.mask)
            shrinks = width < alpha.shape[1] and height < alpha.shape[0]
            mode = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
            sized = cv2.resize(alpha, frame.size, interpolation=mode)
            return Found(np.clip(sized, 0, 1).astype(np.float32))

        return refine_in(Region(0, 0, width, height), found, frame, mask, hair)

    def reset(self) -> None:
        """Forget the frame seen last."""
        self._frame: Frame | None = None
        self._view: tuple[Tensor, Features] | None = None

    def _seen(self, frame: Frame, features: Features | None) -> tuple[Tensor, Features]:
        if self._view is None or self._frame is not frame:
            encoder = self.model.encoder
            self._frame, self._view = frame, None
            image = encoder.prepare(frame.display())
            self._view = image, encoder.encode(image) if features is None else encoder.features(features)
        return self._view


def check(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with defaults filled in.

    Raises
    ------
    UsageError : an unknown setting, or a value that cannot be.
    MissingPartError : torch or sam2 is not installed, or no decoder is named.
    """
    for name in settings:
        if name not in DEFAULTS:
            known = ", ".join(k for k in DEFAULTS if k != "sha256")
            raise UsageError(f"the hiera refiner has no setting {name!r}; there are: {known}")
    have = {**DEFAULTS, **settings}
    if have["precision"] not in ("auto", "float32", "bfloat16"):
        raise UsageError(f"precision {have['precision']!r} must be one of: auto, float32, bfloat16")
    check_size(have["image_size"])
    for package in ("torch", "sam2"):
        if find_spec(package) is None:
            raise MissingPartError(
                f"the hiera refiner needs the package {package}; install it with: pip install "
                f"'trackmatte[sam]', {ELSE}"
            )
    if have["decoder"] is None:
        raise MissingPartError(
            "the hiera refiner needs a decoder, and none is published: train one with trackmatte "
            f"train-refiner and name it with --set refiner.decoder=FILE, {ELSE}"
        )
    return have


def check_size(size: object) -> None:
    """Make sure that SAM 2 can take pictures of this size, or of its own if None.

    Raises
    ------
    UsageError : it cannot.
    """
    if size is not None and (not isinstance(size, int) or size <= 0 or size % 32):
        raise UsageError(f"image_size {size!r} must be a positive multiple of 32, e.g. 1024 or 512")


def locate(have: dict[str, Any]) -> tuple[Path, str, Path]:
    """Return (decoder, configuration of SAM 2, its checkpoint), which belong together and are as they were.

    The model's name and the input size go into ``have``.

    Raises
    ------
    MissingPartError : a file is not there, is another one by now, or the decoder was trained on another.
    UsageError : a checkpoint file without its configuration.
    """
    from trackmatte.refiners.hiera_model import file_sha256, read_decoder

    decoder = Path(have["decoder"])
    if not decoder.is_file() and weights.find(str(have["decoder"])):
        decoder = weights.require(str(have["decoder"]))
    trained = read_decoder(decoder).encoder
    if have["sha256"] is not None and have["sha256"] != file_sha256(decoder):
        raise MissingPartError(
            f"{decoder} is not the decoder that the shot was refined with; put that one back, or "
            "make a new shot"
        )
    if have["checkpoint"] is None and have["model"] is None:
        if trained.name not in {w.name for w in (*weights.known(), *weights.own())}:
            raise MissingPartError(
                f"{decoder} was trained on the checkpoint {trained.name}, which is not installed: name it "
                "with --set refiner.checkpoint=FILE --set refiner.config=FILE"
            )
        have["model"] = trained.name
    have["image_size"] = have["image_size"] or trained.image_size
    source = {**{k: have[k] for k in ("model", "checkpoint", "config")}, "sha256": None}
    config, checkpoint = sam2.locate(source)
    if sam2.sha256_of(source, checkpoint) != trained.sha256:
        raise MissingPartError(
            f"{decoder} was trained on another SAM 2 ({trained.name}, SHA-256 {trained.sha256[:12]}...) than "
            f"{checkpoint}; take that one, or train a decoder on this: trackmatte train-refiner"
        )
    return decoder, config, checkpoint
