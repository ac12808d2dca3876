"""What every operation does, free of HTTP: words from the route, a query and a message in, a message out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from trackmatte import __version__
from trackmatte.errors import PromptError, ShotError
from trackmatte.prompt import Prompt
from trackmatte.refiners import REFINERS
from trackmatte.refiners.choose import choose_refiner
from trackmatte.server import work
from trackmatte.server.engine import Engine
from trackmatte.server.images import Image
from trackmatte.server.refusal import Refusal
from trackmatte.server.shots import OpenShot
from trackmatte.server.state import doubtful, doubts, selected, to_prompt
from trackmatte.shot import Shot
from trackmatte.shot.layering import name_of, sum_of
from trackmatte.shot.selecting import SELECTORS
from trackmatte.trackers import TRACKERS
from trackmatte.trackers.choose import choose_tracker
from trackmatte.writers import WRITERS
from trackmatte.writers.presets import PRESETS
from trackmatte_client.protocol import messages as m
from trackmatte_client.protocol.operations import PROTOCOL

WIDTH = "960"
"""Of pictures, unless asked otherwise; pixels."""


@dataclass(frozen=True)
class Call:
    """One request."""

    engine: Engine
    message: Any = None
    place: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def shot(self) -> OpenShot:
        """The shot that the route names."""
        return self.engine.shots.get(self.place["shot"])

    def number(self, text: str | None, what: str) -> int:
        """Return a whole number from the route or query."""
        try:
            # int() would also take 1_0, other scripts' digits and numbers of any length.
            if text is None or not text.isascii() or "_" in text or len(text) > 12:
                raise ValueError
            return int(text)
        except ValueError:
            raise Refusal("malformed", f"{what} must be a whole number, not {text!r}") from None


def hello(call: Call) -> m.Hello:  # noqa: ARG001
    return m.Hello(PROTOCOL, __version__, os.getpid())


def capabilities(call: Call) -> m.Capabilities:  # noqa: ARG001
    tracker, tracker_why = choose_tracker()
    refiner, refiner_why = choose_refiner()
    return m.Capabilities(
        trackers=tuple(_part(n, "sam2", tracker, tracker_why) for n in TRACKERS),
        refiners=tuple(_part(n, "mam", refiner, refiner_why) for n in REFINERS),
        tracker=tracker,
        tracker_why=tracker_why,
        refiner=refiner,
        refiner_why=refiner_why,
        presets=tuple(m.Choice(p.name, p.what) for p in PRESETS.values()),
        formats=tuple(WRITERS),
        selectors=tuple(
            m.Selector(s.name, s.title, s.what, s.needs, s.mask, s.outline) for s in SELECTORS.values()
        ),
    )


def _part(name: str, learnt: str, chosen: str, why: str) -> m.Part:
    """Say whether a part can run; the learnt one is what ``auto`` takes wherever it can."""
    missing = name == learnt != chosen
    return m.Part(name, not missing, why if missing else "")


def shut_down(call: Call) -> m.Done:
    call.engine.stopping.set()
    return m.Done()


def create_shot(call: Call) -> m.ShotState:
    return call.engine.shots.create(call.message).state()


def open_shot(call: Call) -> m.ShotState:
    return call.engine.shots.open(call.message).state()


def list_shots(call: Call) -> m.ShotList:
    return call.engine.shots.list()


def shot_state(call: Call) -> m.ShotState:
    return call.shot.state()


def close_shot(call: Call) -> m.Done:
    call.engine.shots.close(call.place["shot"])
    return m.Done()


def put_prompt(call: Call) -> m.Prompted:
    asked: m.PutPrompt = call.message

    def change(shot: Shot) -> m.Selected:
        prompt = to_prompt(asked.prompt, shot.clip.size)
        if asked.keep_mask and prompt.mask is None:
            old = shot.prompts.find(prompt.frame, prompt.object)
            kept = shot.prompts.load(old).mask if old is not None else None
            prompt = replace(prompt, mask=kept)
        return _add(shot, _said(prompt), replace=True)

    return m.Prompted(*call.shot.edit(asked.revision, change))


def add_prompt(call: Call) -> m.Prompted:
    asked: m.AddPrompt = call.message
    return m.Prompted(
        *call.shot.edit(
            asked.revision, lambda shot: _add(shot, _said(to_prompt(asked.prompt, shot.clip.size)))
        )
    )


def _add(shot: Shot, prompt: Prompt, *, replace: bool = False) -> m.Selected:
    whole = shot.whole(prompt, replace=replace)
    return selected(shot, whole, shot.add(prompt, replace=replace))


def _said(prompt: Prompt) -> Prompt:
    if not (prompt.selects or prompt.scribbles):
        raise PromptError("nothing was said; give a point, a box, a scribble or a mask")
    return prompt


def remove_prompt(call: Call) -> m.ShotState:
    asked: m.RemovePrompt = call.message
    return call.shot.edit(asked.revision, lambda shot: shot.remove(asked.frame, asked.object))[0]


def preview(call: Call) -> m.Selected:
    return call.engine.previews.show(call.shot, call.message)


def forget_object(call: Call) -> m.ShotState:
    asked: m.EditObject = call.message
    return call.shot.edit(asked.revision, lambda shot: shot.forget(asked.object))[0]


def lock(call: Call) -> m.ShotState:
    return _locking(call, Shot.lock)


def unlock(call: Call) -> m.ShotState:
    return _locking(call, Shot.unlock)


def _locking(call: Call, what: Callable[[Shot, str, int, int], None]) -> m.ShotState:
    asked: m.LockFrames = call.message

    def change(shot: Shot) -> None:
        opened.settle()
        if asked.object not in shot.objects:
            raise ShotError(f"{shot.path} has no object {asked.object!r}")
        what(shot, asked.object, *asked.frames)

    opened = call.shot
    return opened.edit(asked.revision, change)[0]


def set_range(call: Call) -> m.ShotState:
    asked: m.SetRange = call.message

    def change(shot: Shot) -> None:
        if asked.range is None:
            shot.doc.range = None
        else:
            shot.set_range(*asked.range)

    return call.shot.edit(asked.revision, change)[0]


def set_methods(call: Call) -> m.ShotState:
    asked: m.SetMethods = call.message

    def change(shot: Shot) -> None:
        shot.set_methods(asked.select, asked.refiner, asked.refiner_settings)

    return call.shot.edit(asked.revision, change)[0]


def undo(call: Call) -> m.ShotState:
    return call.shot.undo(call.message.revision)


def redo(call: Call) -> m.ShotState:
    return call.shot.redo(call.message.revision)


def track(call: Call) -> m.JobState:
    opened = call.shot
    return call.engine.jobs.start(opened.name, "track", work.track(opened, call.message))


def matte(call: Call) -> m.JobState:
    opened = call.shot
    return call.engine.jobs.start(opened.name, "matte", work.matte(opened))


def export(call: Call) -> m.JobState:
    opened = call.shot
    return call.engine.jobs.start(opened.name, "export", work.export(opened, call.message))


def layers(call: Call) -> m.JobState:
    opened = call.shot
    return call.engine.jobs.start(opened.name, "layers", work.layers(opened, call.message))


def pick_layers(call: Call) -> m.Prompted:
    asked: m.PickLayers = call.message

    def change(shot: Shot) -> m.Selected:
        mask = sum_of(shot, asked.frame, asked.layers)
        return _add(shot, Prompt(asked.frame, asked.object, mask=mask), replace=True)

    return m.Prompted(*call.shot.edit(asked.revision, change))


def layer_image(call: Call) -> Image:
    layer = name_of(call.number(call.query["layer"], "the layer"))
    number = call.number(call.place["number"], "the frame")
    return call.shot.images.coverage("layers", layer, number, _width(call))


def export_plan(call: Call) -> m.ExportPlan:
    return work.plan(call.shot, call.message)


def places(call: Call) -> m.Places:
    opened = call.shot
    with opened.lock:
        return m.Places(doubtful(doubts(opened.shot, opened.listed)))


def next_place(call: Call) -> m.NextPlace:
    after, obj = call.number(call.query["frame"], "frame"), call.query.get("object")
    found = [p for p in places(call).places if p.frame > after and obj in (None, p.object)]
    return m.NextPlace(min(found, key=lambda p: p.frame, default=None))


def frame(call: Call) -> Image:
    return call.shot.images.plate(call.number(call.place["number"], "the frame"), _width(call))


def mask(call: Call) -> Image:
    return _coverage(call, "track")


def matte_image(call: Call) -> Image:
    return _coverage(call, "steady" if call.shot.shot.doc.steady else "matte")


def _coverage(call: Call, stage: Literal["track", "matte", "steady"]) -> Image:
    number = call.number(call.place["number"], "the frame")
    return call.shot.images.coverage(stage, call.query["object"], number, _width(call))


def _width(call: Call) -> int:
    return call.number(call.query.get("width", WIDTH), "width")


def list_jobs(call: Call) -> m.JobList:
    return m.JobList(tuple(j.state for j in call.engine.jobs.all()))


def job_state(call: Call) -> m.JobState:
    return call.engine.jobs.get(call.place["job"]).state


def cancel_job(call: Call) -> m.JobState:
    job = call.engine.jobs.get(call.place["job"])
    job.cancel()
    return job.state


HANDLERS: dict[str, Callable[[Call], Any]] = {
    f.__name__: f
    for f in (
        hello, capabilities, shut_down, create_shot, open_shot, list_shots, shot_state, close_shot,
        put_prompt, add_prompt, remove_prompt, preview, forget_object, lock, unlock, set_range, set_methods,
        undo, redo, layers, pick_layers, layer_image,
        track, matte, export, export_plan, places, next_place, frame, mask, matte_image,
        list_jobs, job_state, cancel_job,
    )
}  # fmt: skip
"""By operation; ``events`` is a stream and not among them."""
