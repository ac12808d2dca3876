"""Matting Anything on video: a tracked mask and SAM 1's image features in, alpha in three scales out.

Li, Jain and Shi, "Matting Anything", 2023. Importing this module needs no torch; making a refiner does.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from trackmatte import weights
from trackmatte.errors import MissingPartError, UsageError
from trackmatte.frame import Frame
from trackmatte.mask import Mask
from trackmatte.matte import Matte
from trackmatte.refiners.pipeline import Found, View, refine_in
from trackmatte.refiners.region import Region, bounds_of, region_of

if TYPE_CHECKING:
    from trackmatte.refiners.mam_model import MamModel

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

DEFAULTS: dict[str, Any] = {
    "model": None,
    "checkpoint": None,
    "encoder": None,
    "size": None,
    "sha256": None,
    "quality": "fast",
}
OVERLAP = 128
"""Pixels that neighbouring tiles share and cross-fade over."""


class MamRefiner:
    """The refiner ``mam``.

    Works on a region around the subject that stays the same over the shot: scaled to the model's 1024 px,
    or with ``quality="tiles"`` in overlapping tiles at the plate's own resolution. Away from the mask's
    contour alpha is the mask; see `guard`.

    Parameters
    ----------
    model : name of installed weights (``trackmatte weights list``); None = the best installed.
    checkpoint, encoder, size : instead of ``model``: files of decoder and SAM 1, and ``b``, ``l`` or ``h``.
    sha256 : what decoder and encoder must be; filled in by `settle`.
    quality : ``fast`` or ``tiles``.

    Raises
    ------
    MissingPartError : a package or the weights are missing, damaged, or others than before.
    UsageError : a setting that cannot be.
    """

    version = "2"
    regional = True

    def __init__(self, *, device: str = "auto", **settings: Any) -> None:
        have = check(settings)
        size, decoder, encoder = locate(have)
        from trackmatte.refiners.mam_model import MamModel

        self.model: MamModel = MamModel(size, decoder, encoder, device=device)
        self.quality: Literal["fast", "tiles"] = have["quality"]

    @classmethod
    def settle(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Return the settings with the model's name and the files' hashes filled in."""
        have = check(settings)
        _, decoder, encoder = locate(have)
        have["sha256"] = have["sha256"] or files_sha256(decoder, encoder)
        return {k: v for k, v in have.items() if v != DEFAULTS[k]}

    def refine(
        self,
        frame: Frame,
        mask: Mask,
        hair: NDArray[np.bool_] | None = None,
        region: Region | None = None,
    ) -> Matte:
        """Return the matte of ``mask`` on ``frame``; in ``hair`` (H, W) alpha may go far from the mask."""
        bounds = bounds_of(mask)
        region = region or (region_of([bounds], frame.size) if bounds else None)
        return refine_in(region, self.found, frame, mask, hair)

    def found(self, view: View) -> Found:
        """Return alpha of a view, decoded and merged."""
        tiled = self.quality == "tiles" and max(view.region.size) > self.model.size
        return Found((self._tiles if tiled else self._once)(view.shown(), view.logits))

    def reset(self) -> None:
        """Nothing is kept between frames."""

    def _once(self, rgb: U8, logits: F32) -> F32:
        """Matte a region scaled into the model's square."""
        h, w = logits.shape
        scale = min(1.0, self.model.size / max(h, w))
        small = max(1, round(w * scale)), max(1, round(h * scale))
        if scale == 1:
            return self.model.matte(rgb, logits)
        reduced = cv2.resize(rgb, small, interpolation=cv2.INTER_AREA)
        alpha = self.model.matte(reduced, cv2.resize(logits, small, interpolation=cv2.INTER_AREA))
        grown = cv2.resize(alpha, (w, h), interpolation=cv2.INTER_CUBIC)
        return np.asarray(np.clip(grown, 0, 1), np.float32)

    def _tiles(self, rgb: U8, logits: F32) -> F32:
        """Matte a region tile by tile at full resolution; only tiles that hold a contour are worked on."""
        h, w = logits.shape
        total, weight = np.zeros((h, w), np.float32), np.zeros((h, w), np.float32)
        for y in starts(h, self.model.size):
            for x in starts(w, self.model.size):
                cut = np.s_[y : y + self.model.size, x : x + self.model.size]
                part = np.ascontiguousarray(logits[cut])
                if (part > 0).all() or not (part > 0).any():
                    alpha = (part > 0).astype(np.float32)
                else:
                    alpha = self.model.matte(np.ascontiguousarray(rgb[cut]), part)
                fade = ramp(part.shape[0], y > 0, y + part.shape[0] < h)[:, None]
                fade = fade * ramp(part.shape[1], x > 0, x + part.shape[1] < w)[None]
                total[cut] += alpha * fade
                weight[cut] += fade
        return total / weight


def starts(length: int, tile: int) -> list[int]:
    """Return where tiles begin so that they cover ``length`` and share at least `OVERLAP` pixels."""
    if length <= tile:
        return [0]
    count = -(-(length - OVERLAP) // (tile - OVERLAP))
    return [round(i * (length - tile) / (count - 1)) for i in range(count)]


def ramp(length: int, before: bool, after: bool) -> F32:
    """Return a tile's weight along one side: it fades where a neighbour shares the pixels."""
    up = (np.arange(length, dtype=np.float32) + 0.5) / OVERLAP
    weight = np.ones(length, np.float32)
    if before:
        weight = np.minimum(weight, up)
    if after:
        weight = np.minimum(weight, up[::-1])
    return weight


def check(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with defaults filled in.

    Raises
    ------
    UsageError : an unknown setting, or a value that cannot be.
    MissingPartError : torch is not installed.
    """
    for name in settings:
        if name not in DEFAULTS:
            known = ", ".join(k for k in DEFAULTS if k != "sha256")
            raise UsageError(f"the mam refiner has no setting {name!r}; there are: {known}")
    have = {**DEFAULTS, **settings}
    if have["quality"] not in ("fast", "tiles"):
        raise UsageError(f"quality {have['quality']!r} must be one of: fast, tiles")
    for package, name in (("torch", "torch"), ("segment_anything", "segment-anything")):
        if find_spec(package) is None:
            raise MissingPartError(
                f"the mam refiner needs the package {name}; install it with: pip install 'trackmatte[mam]', "
                "or refine without it: --refiner closed_form"
            )
    return have


def locate(have: dict[str, Any]) -> tuple[str, Path, Path]:
    """Return (size, decoder file, encoder file), whose hashes must be as they were.

    The name of the model that was taken goes into ``have``.

    Raises
    ------
    MissingPartError : a file is not there, or is another one by now.
    UsageError : files without their size.
    """
    if have["checkpoint"] is not None:
        if have["encoder"] is None or have["size"] is None:
            raise UsageError("a decoder's checkpoint needs encoder=FILE and size=b, l or h beside it")
        size, decoder, encoder = str(have["size"]), Path(have["checkpoint"]), Path(have["encoder"])
        for path in (decoder, encoder):
            if not path.is_file():
                raise MissingPartError(f"there is no checkpoint {path}; see: trackmatte weights list")
    else:
        if have["model"] is None:
            found = weights.installed("mam")
            have["model"] = found[0].name if found else "mam_vitb"
        size = str(have["model"])[-1]
        decoder, encoder = weights.require(have["model"]), weights.require(f"sam_vit_{size}")
    from trackmatte.refiners.sam1 import SIZES

    if size not in SIZES:
        raise UsageError(f"size {size!r} must be one of: {', '.join(SIZES)}")
    if have["sha256"] is not None and have["sha256"] != files_sha256(decoder, encoder):
        raise MissingPartError(
            f"{decoder} and {encoder} are not the weights that the shot was refined with; put those back, or "
            "make a new shot"
        )
    return size, decoder, encoder


def files_sha256(*paths: Path) -> str:
    """Return one hash over several files."""
    whole = hashlib.sha256()
    for path in paths:
        with path.open("rb") as f:
            whole.update(hashlib.file_digest(f, "sha256").digest())
    return whole.hexdigest()
