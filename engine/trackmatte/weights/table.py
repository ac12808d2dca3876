"""The model weights Trackmatte knows: where each file comes from, what it is, and under which licence.

Sizes and SHA-256 sums are of the files as their publishers serve them. ``None`` stands where no sum is
published; such a file can be fetched or added, but only compared with what it was then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Family = Literal["sam2", "mam", "sam", "own"]
"""``sam2``: trackers; ``mam``: Matting Anything; ``sam``: SAM 1 encoders for it; ``own``: anything else."""

NOT_PUBLISHED = "not published"
"""What is said instead of a size or a sum that is not known."""

SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")
"""Endings of files of weights."""

_META = "https://dl.fbaipublicfiles.com/"
_MAM = "https://drive.google.com/drive/folders/1Bor2jRE0U-U6PIYaCm6SZY7qu_c1GYfq"


@dataclass(frozen=True, slots=True)
class Weights:
    """One file of model weights."""

    name: str
    """What commands and settings call it, e.g. ``sam2.1_hiera_tiny``."""
    file: str
    """File name in the weights folder."""
    size: int | None
    """Bytes, or None when not published."""
    sha256: str | None
    """Lower-case hexadecimal, or None when not published; of a user's own file, the sum when it was added."""
    licence: str
    commercial: bool | None
    """Whether licence and training data allow commercial work; None for a user's own: see its licence."""
    url: str
    """Where the file, or the page or folder it is on, can be had; empty for a user's own."""
    family: Family
    config: str | None = None
    """Path inside the sam2 package, e.g. ``configs/sam2.1/sam2.1_hiera_t.yaml``, or an absolute path."""
    note: str = ""
    """What else a user must know."""
    direct: bool = True
    """Whether ``url`` is the file itself, so that a program can fetch it."""


def _sam2(version: str, day: str, size: str, letter: str, length: int, sha256: str) -> Weights:
    stem = f"{version}_hiera_{size}"
    return Weights(
        name=stem,
        file=f"{stem}.pt",
        size=length,
        sha256=sha256,
        licence="Apache-2.0",
        commercial=True,
        url=f"{_META}segment_anything_2/{day}/{stem}.pt",
        family="sam2",
        config=f"configs/{version}/{version}_hiera_{letter}.yaml",
    )


def _mam(letter: str) -> Weights:
    return Weights(
        name=f"mam_vit{letter}",
        file=f"mam_vit{letter}.pth",
        size=None,
        sha256=None,
        licence="MIT",
        commercial=False,
        url=_MAM,
        family="mam",
        note=f"trained on data for research only; needs sam_vit_{letter}",
        direct=False,
    )


def _sam(letter: str, suffix: str, length: int, sha256: str) -> Weights:
    file = f"sam_vit_{letter}_{suffix}.pth"
    return Weights(
        name=f"sam_vit_{letter}",
        file=file,
        size=length,
        sha256=sha256,
        licence="Apache-2.0",
        commercial=True,
        url=f"{_META}segment_anything/{file}",
        family="sam",
        note=f"the encoder of mam_vit{letter}",
    )


_21, _20 = ("sam2.1", "092824"), ("sam2", "072824")
KNOWN = (
    _sam2(*_21, "large", "l", 898083611, "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318"),
    _sam2(
        *_21, "base_plus", "b+", 323606802, "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5"
    ),
    _sam2(*_21, "small", "s", 184416285, "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38"),
    _sam2(*_21, "tiny", "t", 156008466, "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69"),
    _sam2(*_20, "large", "l", 897952466, "7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b"),
    _sam2(
        *_20, "base_plus", "b+", 323493298, "d0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071"
    ),
    _sam2(*_20, "small", "s", 184309650, "95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3"),
    _sam2(*_20, "tiny", "t", 155906050, "65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125"),
    _mam("h"),
    _mam("l"),
    _mam("b"),
    _sam("h", "4b8939", 2564550879, "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e"),
    _sam("l", "0b3195", 1249524607, "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622"),
    _sam("b", "01ec64", 375042383, "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912"),
)
"""In order of preference within a family: newer before older, larger before smaller."""


def matching(name: str = "", sha256: str = "") -> Iterator[Weights]:
    """Yield the known weights called ``name`` (or so called as a file), and those with this sum."""
    for w in KNOWN:
        if name in (w.name, w.file) or (sha256 and sha256 == w.sha256):
            yield w
