"""Where no Read can be followed: the node's input, rendered once to EXRs that the engine works on."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nuke

from . import reads, undo
from .making import scope
from .model import Clip, NodeError
from .trackmatte_client import paths

if TYPE_CHECKING:
    from typing import Iterable

PADDING = 4


def planned(node: Any, folder: str, why: str) -> Clip:
    """Return the clip that rendering a node's input makes; nothing is rendered, nor compared.

    Parameters
    ----------
    why : what stands in the way of a Read.

    Raises
    ------
    NodeError : the input has no frames, or proxy mode is on.
    """
    if nuke.root()["proxy"].value():
        raise NodeError("proxy mode is on: switch it off, so that the input is rendered at its full size")
    first, last = span(node)
    kept = _kept(node)
    # Asked several times a second while a panel is open: the ends stand for the rest.
    if (
        kept is not None
        and kept[0].first <= first
        and last <= kept[0].last
        and _there(kept[0], (first, last))
    ):
        return replace(kept[0], notes=(why, "the rendered input is used"))
    return Clip(_path(node, folder, ""), first, last, 0, (why, "the input will be rendered first"))


def render(node: Any, folder: str, why: str) -> Clip:
    """Render a node's input where that is needed, and return it as a clip.

    The nodes that do it are gone afterwards, and undo knows nothing of them.

    Raises
    ------
    NodeError : it cannot be rendered, or the artist stopped it.
    """
    clip, told = planned(node, folder, why), digest(node)
    kept = _kept(node)
    same = kept is not None and kept[1] == told and kept[0].path == clip.path
    if same and _there(clip, range(clip.first, clip.last + 1)):
        return clip
    # Another content has another name: a shot is about the very pixels it was begun on.
    clip = Clip(_path(node, folder, told), *span(node), 0, (why, "the input was rendered for the engine"))
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
        said = {"path": clip.path, "first": clip.first, "last": clip.last, "hash": told}
        node["rendered"].setValue(json.dumps(said, sort_keys=True))
    return clip


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
    write["file"].setValue(reads.literal(clip.path))
    write["file_type"].setValue("exr")  # half floats, ZIP: as it comes
    return write


def _path(node: Any, folder: str, told: str) -> str:
    name = re.sub(r"\W+", "_", node.fullName())
    place = "_".join(filter(None, (f"{folder.rstrip('/')}/trackmatte/{name}_input", told)))
    return f"{place}/{name}_input.{'#' * PADDING}.exr"


def digest(node: Any) -> str:
    """Return what changes whenever anything upstream is set otherwise, whatever the present frame is.

    Nuke's own hashes are those of one frame: a Read's are others on the next.
    """
    found: dict[str, tuple[Any, list[list[str]]]] = {}
    waiting = [node.input(0)]
    while waiting:
        at = waiting.pop()
        if at == node or at.fullName() in found:
            continue
        inputs = [at.input(i) for i in range(at.inputs())]
        inside = at.nodes() if hasattr(at, "nodes") else []
        linked = at.dependencies(nuke.EXPRESSIONS)
        below = [[n for n in group if n is not None] for group in (inputs, inside, linked)]
        found[at.fullName()] = at, [[str(n.fullName()) for n in group] for group in below]
        waiting += [n for group in below for n in group]
    order = {name: i for i, name in enumerate(found)}  # another name is no other picture
    said = [
        f"{at.Class()} {[[order.get(name) for name in group] for group in below]} "
        + at.writeKnobs(nuke.TO_SCRIPT | nuke.WRITE_NON_DEFAULT_ONLY)
        for at, below in found.values()
    ]
    return hashlib.sha256("\n".join(said).encode("utf-8", "replace")).hexdigest()[:8]


def _kept(node: Any) -> tuple[Clip, str] | None:
    """Return what was rendered last and from what; None = nothing."""
    try:
        found = json.loads(str(node["rendered"].value()) or "{}")
        clip = Clip(str(found["path"]), int(found["first"]), int(found["last"]))
        return clip, str(found["hash"])
    except (ValueError, KeyError, TypeError):
        return None


def _there(clip: Clip, numbers: Iterable[int]) -> bool:
    files = (paths.numbered(clip.path, PADDING, n) for n in numbers)
    return all(Path(f).is_file() for f in files)
