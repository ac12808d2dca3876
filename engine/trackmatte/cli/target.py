"""Files that a command is told to write: called what they are, and never the plate or the shot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trackmatte.errors import OutputError, UsageError
from trackmatte.media import FrameSource


def check_ending(path: Path, *endings: str) -> None:
    """Make sure that a file is called what it will be.

    Raises
    ------
    OutputError : it is a folder.
    UsageError : its name ends otherwise.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder; name a file in it")
    if path.suffix.lower() not in endings:
        named = path.with_suffix(endings[0])
        raise UsageError(f"{path} does not end in {' or '.join(endings)}; name it e.g. {named}")


def check_free(path: Path, plate: FrameSource, *, overwrite: bool, own: Sequence[Path] = ()) -> None:
    """Make sure that a file is not there, or may be replaced and is none of the plate's.

    Parameters
    ----------
    own : files and folders of the shot, which are never replaced either.

    Raises
    ------
    OutputError : it may not.
    """
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists; choose another name or add --overwrite")
    kept = {f.resolve() for f in (*own, *(plate.file(i) for i in range(plate.length)))}
    target = path.resolve()
    if not kept.isdisjoint((target, *target.parents)):
        raise OutputError(
            f"{path} belongs to the shot or its plate, and is never replaced; choose another name"
        )
