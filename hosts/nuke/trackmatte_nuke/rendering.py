"""Where no Read can be followed: the node's input, rendered once to EXRs that the engine works on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nuke

from . import undo
from .making import scope
from .model import Clip, NodeError
from .trackmatte_client import paths

if TYPE_CHECKING:
    from typing import Iterable

PADDING = 4


def planned(node: Any, folder: str, why: str) -> Clip:
    """Return the clip that rendering a node's input makes; nothing is rendered.

    Parameters
    ----------
    why : what stands in the way of a Read.

    Raises
    ------
    NodeError : the input has no frames.
    """
    first, last = span(node)
    kept = _kept(node)
    if kept is not None and kept["first"] <= first and last <= kept["last"]:
        return Clip(kept["path"], kept["first"], kept["last"], 0, (why, "the rendered input is used"))
    return Clip(_path(node, folder), first, last, 0, (why, "the input will be rendered first"))


def render(node: Any, folder: str, why: str) -> Clip:
    """Render a node's input where that is needed, and return it as a clip.

    The nodes that do it are gone afterwards, and undo knows nothing of them.

    Raises
    ------
    NodeError : it cannot be rendered, or the artist stopped it.
    """
    if nuke.root()["proxy"].value():
        raise NodeError("proxy mode is on: switch it off, so that the input is rendered at its full size")
    clip = planned(node, folder, why)
    if _there(clip, range(clip.first, clip.last + 1)):
        return clip
    place = Path(clip.path).parent
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise NodeError(f"{place} cannot be made ({e.strerror or e}): name another folder on the node") from e
    with undo.none():
        write = _write(node, clip)
        try:
            nuke.execute(write, clip.first, clip.last)
        except (RuntimeError, nuke.CancelledError) as e:
            raise NodeError(f"{node.input(0).name()} could not be rendered: {e}") from e
        finally:
            nuke.delete(write)
        node["rendered"].setValue(
            json.dumps(
                {"path": clip.path, "first": clip.first, "last": clip.last, "hash": _hash(node)},
                sort_keys=True,
            )
        )
    return Clip(clip.path, clip.first, clip.last, 0, (why, "the input was rendered for the engine"))


def span(node: Any) -> tuple[int, int]:
    """Return the frames of the timeline that a node's input is rendered on."""
    if node["use_range"].value():
        first, last = int(node["first"].value()), int(node["last"].value())
    else:
        root, at = nuke.root(), node.input(0)
        # A generator says that it lasts forever or one frame; the script's own range is what is meant.
        first, last = int(root.firstFrame()), int(root.lastFrame())
        if at is not None and int(at.lastFrame()) > int(at.firstFrame()):
            first, last = max(first, int(at.firstFrame())), min(last, int(at.lastFrame()))
    if first > last:
        raise NodeError(
            f"{node.name()} has no frames from {first} to {last}: set the script's frame range, or in / out"
        )
    return first, last


def _write(node: Any, clip: Clip) -> Any:
    with scope(node):
        write = nuke.nodes.Write()
    write.setInput(0, node.input(0))
    write["channels"].setValue("rgb")
    write["create_directories"].setValue(True)
    write["file"].setValue(clip.path)
    write["file_type"].setValue("exr")  # half floats, ZIP: as it comes
    return write


def _path(node: Any, folder: str) -> str:
    name = re.sub(r"\W+", "_", node.fullName())
    # Another content has another name: a shot is about the very pixels it was begun on.
    place = f"{folder.rstrip('/')}/trackmatte/{name}_input_{_hash(node)}"
    return f"{place}/{name}_input.{'#' * PADDING}.exr"


def _hash(node: Any) -> str:
    total = 0
    for value in node.input(0).opHashes():
        total = (total * 31 + int(value)) % (1 << 32)
    return f"{total:08x}"


def _kept(node: Any) -> Any:
    """Return what was rendered before, unless the input has changed or the files are gone."""
    try:
        found = json.loads(str(node["rendered"].value()) or "{}")
    except ValueError:
        return None
    if node.input(0) is None or found.get("hash") != _hash(node):
        return None
    clip = Clip(str(found.get("path", "")), int(found.get("first", 0)), int(found.get("last", -1)))
    # Asked several times a second while a panel is open: the ends stand for the rest.
    return found if clip.first <= clip.last and _there(clip, {clip.first, clip.last}) else None


def _there(clip: Clip, numbers: Iterable[int]) -> bool:
    files = (paths.numbered(clip.path, PADDING, n) for n in numbers)
    return all(Path(f).is_file() for f in files)
