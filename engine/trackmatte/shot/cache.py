"""One file per frame, object and pass, each carrying the hash of all that made it."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from trackmatte.files import atomic, read_array, read_info, remove_leftovers, write_array, write_bytes

Stage = Literal["track", "forward", "matte"]
"""``track``: final masks; ``forward``: one-sided masks waiting for the backward pass; ``matte``: alpha."""


def digest(*parts: Any) -> str:
    """Return a short stable hash of JSON-able parts."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def file_name(obj: str) -> str:
    """Return an object's name as a file name that every file system takes, one to one."""
    name = quote(obj, safe=" ")
    return name.replace(".", "%2E", 1) if name.startswith(".") else name


class FrameCache:
    """The folder beside a shot file.

    ``<stage>/<object>/<number>.tif`` holds one float32 plane that any image viewer opens; the object's
    name is percent-encoded where a file system might refuse it. ``state/`` holds tracker checkpoints.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, stage: Stage, obj: str, number: int) -> Path:
        """Return the file of one frame."""
        return self.root / stage / file_name(obj) / f"{number:06d}.tif"

    def info(self, stage: Stage, obj: str, number: int) -> dict[str, Any] | None:
        """Return what the cached frame says of itself, or None when missing or damaged."""
        return read_info(self.path(stage, obj, number))

    def key(self, stage: Stage, obj: str, number: int) -> str | None:
        """Return the hash that the cached frame carries, or None when there is none."""
        info = self.info(stage, obj, number)
        return None if info is None else info.get("key")

    def read(self, stage: Stage, obj: str, number: int) -> tuple[NDArray[np.float32], dict[str, Any]] | None:
        """Return (plane, info), or None when missing or damaged."""
        return read_array(self.path(stage, obj, number))

    def write(
        self, stage: Stage, obj: str, number: int, plane: NDArray[np.float32], info: dict[str, Any]
    ) -> None:
        """Write one frame atomically; ``info["key"]`` is its hash."""
        write_array(self.path(stage, obj, number), plane, info)

    def drop(self, stage: Stage, obj: str, number: int) -> None:
        """Forget one frame that is of no more use."""
        self.path(stage, obj, number).unlink(missing_ok=True)

    def save_state(self, name: str, key: str, index: int, arrays: dict[str, NDArray[Any]]) -> None:
        """Keep a tracker's state after frame ``index`` of the pass ``key``."""
        with atomic(self.root / "state" / f"{name}.npz") as temporary, temporary.open("wb") as f:
            np.savez(f, allow_pickle=False, __key=np.array(key), __index=np.array(index), **arrays)

    def load_state(self, name: str, key: str) -> tuple[int, dict[str, NDArray[Any]]] | None:
        """Return (index, arrays) of the pass ``key``, or None when there is none or it is another's."""
        try:
            with np.load(self.root / "state" / f"{name}.npz", allow_pickle=False) as f:
                if str(f["__key"]) != key:
                    return None
                return int(f["__index"]), {k: f[k] for k in f.files if not k.startswith("__")}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def save_skipped(self, numbers: set[int]) -> None:
        """Remember the frames that cannot be decoded, so that no later run waits for them."""
        if numbers:
            write_bytes(self.root / "skipped.json", json.dumps(sorted(numbers)).encode())

    def load_skipped(self) -> set[int]:
        """Return what `save_skipped` kept."""
        try:
            return set(json.loads((self.root / "skipped.json").read_bytes()))
        except (OSError, ValueError, TypeError):
            return set()

    def clean(self) -> None:
        """Delete what a killed run left half-written."""
        for folder in [self.root, *self.root.glob("*/"), *self.root.glob("*/*/")]:
            remove_leftovers(folder)
