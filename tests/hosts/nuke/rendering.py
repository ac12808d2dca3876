"""What ``nuke.execute`` does in the fake: the script, parsed and evaluated, written as EXR."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio

from tests.hosts.nuke import evaluator, nk


def write(script: str, name: str, frame: int) -> None:
    """Write what a Write shows on a frame."""
    graph = nk.parse(script)
    item = graph.nodes[name]
    if (item.knobs.get("file_type"), item.knobs.get("channels", "rgb")) != ("exr", "rgb"):
        raise evaluator.Unknown(f"a Write of {item.knobs}")
    text = re.sub(
        r"%0?(\d*)d", lambda m: str(frame).zfill(int(m[1] or 1)), evaluator.unmarked(item.knobs["file"])
    )
    path = Path(re.sub("#+", lambda m: str(frame).zfill(len(m[0])), text))
    if not path.parent.is_dir() and item.knobs.get("create_directories") != "true":
        raise RuntimeError(f"Write failed: {path}: no such folder")
    pixels = np.ascontiguousarray(evaluator.evaluate(graph, name, frame).rgb())
    height, width, _ = pixels.shape
    spec = oiio.ImageSpec(width, height, 3, oiio.HALF)
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), spec), out.geterror()
    assert out.write_image(pixels), out.geterror()
    out.close()


def sample(node: Any, channel: str, x: int, y: int, frame: int) -> float:
    """Return a pixel of a node of the fake, counted from the bottom left."""
    from tests.hosts.nuke.fake_nuke import script

    graph = nk.parse(script._members(node.group, 0))
    plane = evaluator.evaluate(graph, node.name(), frame)[channel]
    return float(plane[plane.shape[0] - 1 - y, x])
