"""A plugin's prompts made those of a shot."""

from __future__ import annotations

from dataclasses import replace

from trackmatte.errors import PromptError
from trackmatte.prompt import Box, Point, Prompt
from trackmatte.server.ofx.messages import Said
from trackmatte.shot import Shot
from trackmatte.shot.document import PromptDoc
from trackmatte.shot.prompts import to_doc

Entry = tuple[int, str]
"""A frame and an object."""


def gathered(said: Said) -> dict[Entry, Prompt]:
    """Return what a plugin says, by frame and object.

    Raises
    ------
    PromptError : a position lies outside the frame, or an object has two boxes on one frame.
    """
    found: dict[Entry, Prompt] = {}
    for point in said.points:
        at = point.frame, point.object
        prompt = found.get(at) or Prompt(*at)
        found[at] = replace(prompt, points=(*prompt.points, Point(point.x, point.y, point.label)))
    for box in said.boxes:
        at = box.frame, box.object
        prompt = found.get(at) or Prompt(*at)
        if prompt.box is not None:
            raise PromptError(f"{box.object!r} has two boxes on frame {box.frame}; leave one of them out")
        found[at] = replace(prompt, box=Box(box.x0, box.y0, box.x1, box.y1))
    return found


def bring(shot: Shot, wanted: dict[Entry, Prompt]) -> None:
    """Make the prompts of a shot those of a plugin, as far as the clip has their frames.

    Clicks on a frame whose mask is up to date, where nothing was said before, correct the mask that is seen
    there: it is kept with them, as `Shot.add` does, and stays when clicks are added or moved.
    """
    numbers = set(shot.clip.numbers)
    wanted = {at: prompt for at, prompt in wanted.items() if at[0] in numbers}
    have = {(p.frame, p.object): p for p in shot.doc.prompts}
    corrected = {at: _seen(shot, prompt) for at, prompt in wanted.items() if at not in have}
    for at, doc in have.items():
        if at not in wanted:
            shot.doc.prompts.remove(doc)
    for at, prompt in wanted.items():
        old = have.get(at)
        if old is None:
            shot.prompts.put(corrected[at])
        elif not _same(old, prompt):
            shot.doc.prompts[shot.doc.prompts.index(old)] = to_doc(prompt, old.mask)
    order = {at: i for i, at in enumerate(wanted)}
    shot.doc.prompts.sort(key=lambda p: order[p.frame, p.object])
    shot.prompts.trim()


def _seen(shot: Shot, prompt: Prompt) -> Prompt:
    """Return a new prompt with the mask that it corrects, if there is one."""
    obj, number = prompt.object, prompt.frame
    if obj not in shot.objects:
        return prompt
    every = sorted({number, *(p.frame for p in shot.doc.prompts)})
    key = shot.keys.masks(obj, every, set())[number]
    return shot.whole(prompt) if key.met_by(shot.cache.key("track", obj, number)) else prompt


def _same(old: PromptDoc, new: Prompt) -> bool:
    box = None if new.box is None else (new.box.x0, new.box.y0, new.box.x1, new.box.y1)
    return old.points == [(p.x, p.y, p.label) for p in new.points] and old.box == box
