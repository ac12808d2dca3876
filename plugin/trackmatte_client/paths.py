"""Names of clips, shots and deliveries, Windows' names on every system."""

from __future__ import annotations

import ntpath
import os
import posixpath
import re
from types import ModuleType

_NUMBER = re.compile(r"(\d+)(\.[^.]*)$")
_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f]')


def flavour(path: str) -> ModuleType:
    """Return the path module that understands a path: Windows' drives and shares, or this system's."""
    if re.match(r"^([A-Za-z]:[\\/]|\\\\)", path):
        return ntpath
    return os.path if os.name == "nt" else posixpath


def pattern(file: str) -> tuple[str, int]:
    """Return an image sequence's pattern and the number in the name of its first file.

    Raises
    ------
    ValueError : the name has no number.

    Examples
    --------
    ``/p/hero.1001.exr`` gives ``("/p/hero.####.exr", 1001)``.
    """
    folder, name = flavour(file).split(file)
    found = _NUMBER.search(name)
    if found is None:
        raise ValueError(f"{name} has no frame number before its ending, so it is no image sequence")
    digits = found[1]
    return flavour(file).join(folder, name[: found.start(1)] + "#" * len(digits) + found[2]), int(digits)


def stem(clip: str) -> str:
    """Return a clip's name without folder, number and ending, safe in file names."""
    name = flavour(clip).basename(clip)
    name = re.sub(r"[#\d]*#[#\d]*", "", name) if "#" in name else name
    return _UNSAFE.sub("_", name.rsplit(".", 1)[0].rstrip("._- ")) or "clip"


def shot_file(base: str, clip: str, number: int = 1) -> str:
    """Return where a clip's shot goes: ``BASE/trackmatte/CLIP.shot.json``; later ones get a number."""
    tail = "" if number == 1 else f"-{number}"
    return str(flavour(base).join(base, "trackmatte", f"{stem(clip)}{tail}.shot.json"))


def delivery_folder(shot: str, preset: str) -> str:
    """Return where a shot's deliveries of one preset go: beside the shot file."""
    ending = ".shot.json"
    return f"{shot[: -len(ending)] if shot.endswith(ending) else shot}.{preset}"


def same_clip(a: str, b: str) -> bool:
    """Whether two ways to write a clip's path mean the same one."""

    def plain(path: str) -> str:
        kind = flavour(path)
        folder, name = kind.split(kind.normcase(kind.normpath(path)))
        if kind is not ntpath:
            folder = os.path.realpath(folder)
        return f"{folder}|{re.split('[#%@]', name)[0]}"

    return plain(a) == plain(b)


def numbered(target: str, padding: int, number: int) -> str:
    """Return one file of a delivered pattern with ``#`` for digits."""
    folder, name = flavour(target).split(target)
    return str(flavour(target).join(folder, re.sub("#+", str(number).zfill(padding), name, count=1)))
