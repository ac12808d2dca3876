"""The frames that a plugin pushed, kept without loss as an image sequence."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackmatte.errors import UsageError
from trackmatte.files import read_info, remove_leftovers, write_image
from trackmatte.media.sequence import MOST_MISSING
from trackmatte.server.ofx.picture import look_hash

KEYS = range(10_000_000)
"""Frame numbers that a sequence can have."""
STORED = {"uint8": "uint8", "uint16": "uint16", "float16": "half", "float32": "float"}
QUICK: dict[str, dict[str, Any]] = {".png": {"png:compressionLevel": 1}, ".exr": {"compression": "zip:1"}}


@dataclass(frozen=True)
class Plate:
    """One frame on disk."""

    stamp: tuple[int, int, int]
    """Changes with the file."""
    content: str
    """Hash of its pixels."""
    look: str
    """See `look_hash`."""
    size: tuple[int, int]
    """(width, height) in pixels."""


class Plates:
    """A folder of frames ``plate.000001.png`` or ``.exr``, all of one size and kind; any thread may ask.

    Frames of another size or kind replace all: a sequence has one of each.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._plates: dict[int, Plate] = {}
        self._suffix = ".png"
        self._listed: tuple[int, int] | None = None
        remove_leftovers(folder)
        self.writing, self._lock = Lock(), Lock()
        """The first is held while frames come or go."""
        self.version = 0
        """Grows whenever a frame comes, changes or goes."""

    @property
    def pattern(self) -> Path:
        """The sequence as it is named in a shot file."""
        return self.folder / f"plate.######{self._suffix}"

    def keys(self) -> list[int]:
        """Return the numbers of the frames there are, ascending."""
        self._refresh()
        with self._lock:
            return sorted(self._plates)

    def look(self, key: int) -> str | None:
        """Return the look hash of a frame, if it is there."""
        with self._lock:
            found = self._plates.get(key)
        return None if found is None else found.look

    def put(self, key: int, rgb: NDArray[Any]) -> bool:
        """Keep a frame; return whether the same pixels were there already.

        Parameters
        ----------
        rgb : (H, W, 3) uint8, uint16, float16 or float32, contiguous.

        Raises
        ------
        UsageError : no sequence can have this frame.
        OutputError : it cannot be written.
        """
        if key not in KEYS:
            raise UsageError(
                f"frame {key} cannot be kept; let the plugin's frame offset bring it to 0 to {KEYS[-1]}"
            )
        h, w, _ = rgb.shape
        what = f"{rgb.dtype.name} {w}x{h} ".encode()
        digest = hashlib.sha256(what)
        digest.update(rgb.reshape(-1).view(np.uint8).data)
        content = digest.hexdigest()[:32]
        with self.writing:
            self._refresh()
            return self._keep(key, rgb, content)

    def _keep(self, key: int, rgb: NDArray[Any], content: str) -> bool:
        with self._lock:
            have, other = self._plates.get(key), next(iter(self._plates.values()), None)
            others = [k for k in self._plates if k != key]
        path = self._file(key, self._suffix)
        if have is not None and have.content == content and have.stamp == _stamp(path):
            return True
        size = rgb.shape[1], rgb.shape[0]
        suffix = ".exr" if rgb.dtype.kind == "f" else ".png"
        if other is not None and (suffix != self._suffix or other.size != size):
            self._empty()
        elif others and max(key, *others) - min(key, *others) >= MOST_MISSING:
            raise UsageError(
                f"frame {key} is too far from the frames {min(others)} to {max(others)} that this effect has "
                "sent; track a range nearer to them, or give the clip an effect of its own"
            )
        look = look_hash(rgb)
        path = self._file(key, suffix)
        said = json.dumps({"content": content, "look": look, "size": size})
        attributes = {"ImageDescription": said, **QUICK[suffix]}
        write_image(path, rgb, attributes, STORED[rgb.dtype.name])
        stamp = _stamp(path)
        with self._lock:
            self._suffix = suffix
            self._plates[key] = Plate(stamp, content, look, size)
            self.version += 1
            self._listed = self._folder_stamp()
        return False

    def _empty(self) -> None:
        with self._lock:
            self._plates.clear()
            self.version += 1
        for path in self.folder.glob("plate.*.*"):
            path.unlink(missing_ok=True)

    def _folder_stamp(self) -> tuple[int, int] | None:
        try:
            found = self.folder.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _refresh(self) -> None:
        """Look at the folder, if it has changed since."""
        with self._lock:
            stamp = self._folder_stamp()
            if stamp == self._listed and (stamp or not self._plates):
                return
            found = {} if stamp is None else self._read_folder()
            if found != self._plates:
                self.version += 1
            self._plates, self._listed = found, stamp

    def _read_folder(self) -> dict[int, Plate]:
        found: dict[tuple[str, tuple[int, int]], dict[int, Plate]] = {}
        for path in self.folder.glob("plate.*.*"):
            number = path.name.split(".")[1]
            if path.suffix not in QUICK or not number.isdecimal():
                continue
            stamp = _stamp(path)
            have = self._plates.get(int(number))
            plate = have if have is not None and have.stamp == stamp else _read(path, stamp)
            if plate is None:
                path.unlink(missing_ok=True)
            else:
                found.setdefault((path.suffix, plate.size), {})[int(number)] = plate
        if not found:
            return {}
        # Where a run was killed between two sizes, the newest frame says which one counts.
        kind = max(found, key=lambda kind: max(p.stamp[1] for p in found[kind].values()))
        self._suffix = kind[0]
        for other in found.keys() - {kind}:
            for key in found[other]:
                self._file(key, other[0]).unlink(missing_ok=True)
        return found[kind]

    def _file(self, key: int, suffix: str) -> Path:
        return self.folder / f"plate.{key:06d}{suffix}"


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read(path: Path, stamp: tuple[int, int, int]) -> Plate | None:
    """Return what a file says of itself, or None when it is damaged or not one of ours."""
    info = read_info(path) or {}
    try:
        w, h = info["size"]
        return Plate(stamp, str(info["content"]), str(info["look"]), (int(w), int(h)))
    except (KeyError, TypeError, ValueError):
        return None
