"""One file per frame, object and pass, each carrying the hash of all that made it."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from trackmatte.files import (
    atomic,
    file_bytes,
    read_array,
    read_info,
    remove_leftovers,
    write_array,
    write_bytes,
)
from trackmatte.trackers import Arrays
from trackmatte.writers.space import Room

Stage = Literal["track", "forward", "matte", "steady", "select", "layers"]
"""``track``: final masks; ``forward``: one-sided masks waiting for the backward pass; ``matte``: alpha;
``steady``: alpha with its flicker taken off, where that was asked for; ``select``: what a named selector made
of a prompt; ``layers``: soft layers of a frame, under the names of `layering`."""


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
    name is percent-encoded where a file system might refuse it. ``state/`` holds states of the tracker from
    which a pass goes on, ``memory/`` what corrections became in it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.space_check = True
        """Whether a pass stops early when the disk will not hold the rest."""

    def room(self, files: int) -> Room:
        """Return what watches the folder while a pass writes ``files`` frames into it.

        Raises
        ------
        OutputError : the folder cannot be made, or there is no room at all.
        """
        return Room(self.root, files, estimate=self.space_check)

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
    ) -> int:
        """Write one frame atomically, and return the bytes it adds; ``info["key"]`` is its hash."""
        return write_array(self.path(stage, obj, number), plane, info)

    def drop(self, stage: Stage, obj: str, number: int) -> int:
        """Forget one frame that is of no more use, and return the bytes that this frees."""
        path = self.path(stage, obj, number)
        freed = file_bytes(path)
        path.unlink(missing_ok=True)
        return freed

    def states(self, obj: str, direction: str) -> list[int]:
        """Return the frame indices after which the state of an object's pass was kept."""
        folder = self.root / "state" / file_name(obj) / direction
        return sorted(int(p.stem) for p in folder.glob("*.npz") if p.stem.isdecimal())

    def save_state(
        self,
        obj: str,
        direction: str,
        index: int,
        tag: str,
        arrays: Arrays,
        keep: int,
        needed: Collection[int | None] = (),
    ) -> None:
        """Keep the state of an object's pass after frame ``index``.

        Parameters
        ----------
        tag : what makes the state valid; see `state_tag`.
        keep : other states stay at indices that this divides; 0 = none.
        needed : other states that stay in any case.
        """
        folder = self.root / "state" / file_name(obj) / direction
        _save_arrays(folder / f"{index:06d}.npz", {**arrays, "__tag": np.array(tag)})
        for old in self.states(obj, direction):
            if old != index and old not in needed and not (keep and old % keep == 0):
                (folder / f"{old:06d}.npz").unlink(missing_ok=True)

    def state_tag(self, obj: str, direction: str, index: int) -> str | None:
        """Return the tag of a kept state, or None when it is damaged."""
        found = _load_arrays(self.root / "state" / file_name(obj) / direction / f"{index:06d}.npz", "__tag")
        return None if found is None else str(found["__tag"])

    def load_state(self, obj: str, direction: str, index: int) -> Arrays | None:
        """Return a kept state, or None when it is damaged."""
        return _load_arrays(self.root / "state" / file_name(obj) / direction / f"{index:06d}.npz")

    def drop_states(self, obj: str) -> None:
        """Forget the kept states of an object's passes."""
        shutil.rmtree(self.root / "state" / file_name(obj), ignore_errors=True)

    def save_memory(self, obj: str, number: int, mark: str, arrays: Arrays) -> None:
        """Keep what a correction, of hash ``mark``, became in the tracker."""
        _save_arrays(self.root / "memory" / file_name(obj) / f"{number:06d}.{mark}.npz", arrays)

    def load_memory(self, obj: str, number: int, mark: str) -> Arrays | None:
        """Return what `save_memory` kept, or None."""
        return _load_arrays(self.root / "memory" / file_name(obj) / f"{number:06d}.{mark}.npz")

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
        for folder in [self.root, *self.root.rglob("*/")]:
            remove_leftovers(folder)


def _save_arrays(path: Path, arrays: Arrays) -> None:
    with atomic(path) as temporary, temporary.open("wb") as f:
        np.savez(f, allow_pickle=False, **arrays)


def _load_arrays(path: Path, *only: str) -> Arrays | None:
    try:
        with np.load(path, allow_pickle=False) as f:
            return {k: f[k] for k in only or f.files if only or not k.startswith("__")}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
