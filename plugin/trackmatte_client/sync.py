"""Prompts of the host's document into the engine's shot.

The document is where prompts live, so that the host's undo, save and reopen hold for them, with or without an
engine. Before anything is computed the shot is brought to what the document says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Tuple

from .client import Client
from .protocol import messages as m
from .protocol.compat import Literal

Kind = Literal["put", "add", "remove"]
Key = Tuple[str, int]


@dataclass(frozen=True)
class Item:
    """One thing said: a point, a box or a mask."""

    object: str
    frame: int
    kind: Literal["POINT", "BOX", "MASK"]
    point: tuple[float, float, int] = (0.0, 0.0, 1)
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    mask: str = ""
    """Grey PNG in base64."""


@dataclass(frozen=True)
class Step:
    """One edit of the shot."""

    kind: Kind
    prompt: m.Prompt
    keep_mask: bool = False


def gather(items: Iterable[Item]) -> dict[Key, m.Prompt]:
    """Return what is said about each object on each frame; the last box and mask count."""
    found: dict[Key, m.Prompt] = {}
    for item in items:
        key = (item.object, item.frame)
        prompt = found.get(key, m.Prompt(item.frame, item.object))
        if item.kind == "POINT":
            x, y, label = item.point
            prompt = replace(prompt, points=(*prompt.points, (_round(x), _round(y), 1 if label else 0)))
        elif item.kind == "BOX":
            left, top, right, bottom = (_round(v) for v in item.box)
            prompt = replace(prompt, box=(left, top, right, bottom))
        else:
            prompt = replace(prompt, mask=item.mask)
        found[key] = prompt
    return found


def digest(prompt: m.Prompt) -> str:
    """Return what identifies a prompt's mask; empty when it has none."""
    return hashlib.sha256(prompt.mask.encode()).hexdigest()[:16] if prompt.mask else ""


def plan(wanted: dict[Key, m.Prompt], said: Iterable[m.Said], masks: dict[Key, str]) -> list[Step]:
    """Return the edits that bring a shot from what was said to what is wanted.

    Clicks that only add to a frame go one at a time (`add`): on a tracked frame they correct the mask seen
    there.

    Parameters
    ----------
    masks : digest of the mask that was last sent, per object and frame.
    """
    steps: list[Step] = []
    present = {(s.object, s.frame): s for s in said}
    for key, old in present.items():
        if key not in wanted:
            steps.append(Step("remove", m.Prompt(old.frame, old.object)))
    for key, prompt in wanted.items():
        was = present.get(key)
        steps += [Step("put", prompt)] if was is None else _change(prompt, was, masks.get(key, ""))
    return steps


def _change(prompt: m.Prompt, was: m.Said, sent: str) -> list[Step]:
    points = tuple((_round(x), _round(y), label) for x, y, label in was.points)
    box = None if was.box is None else tuple(_round(v) for v in was.box)
    if was.scribbles:
        return []  # drawn elsewhere, and more than the host can say: it stays as it is
    same_mask = digest(prompt) == sent
    if not same_mask:
        return [Step("put", prompt)]
    if prompt.box == box and prompt.points == points:
        return []
    if prompt.box == box and prompt.points[: len(points)] == points:
        new = prompt.points[len(points) :]
        return [Step("add", m.Prompt(prompt.frame, prompt.object, points=(p,))) for p in new]
    if prompt.mask:
        return [Step("put", prompt)]
    return [Step("put", prompt, keep_mask=was.mask)]


def apply(client: Client, shot: m.ShotState, steps: Iterable[Step]) -> tuple[m.ShotState, list[m.Selected]]:
    """Make the edits; return the shot after them and what each selects."""
    selected: list[m.Selected] = []
    for step in steps:
        prompt: Any = step.prompt
        if step.kind == "remove":
            shot = client.remove_prompt(shot.shot, shot.revision, prompt.frame, prompt.object)
            continue
        if step.kind == "add":
            reply = client.add_prompt(shot.shot, shot.revision, prompt)
        else:
            reply = client.put_prompt(shot.shot, shot.revision, prompt, keep_mask=step.keep_mask)
        shot = reply.shot
        selected.append(reply.selected)
    return shot, selected


def _round(value: float) -> float:
    """Hosts keep 32 bits of a number: compare what both sides can hold."""
    return round(min(max(float(value), 0.0), 1.0), 6)
