# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request asks of the engine, step by step; runs in a process of its own, see `work`."""

from __future__ import annotations

import base64
import json
import os
import pickle
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from . import work
from .trackmatte_client import Client, EngineError, connect, paths, shots, sync
from .trackmatte_client.protocol import messages as m
from .trackmatte_client.protocol.events import ErrorEvent, NoteEvent, ProgressEvent, WrittenEvent
from .work import Outcome, Request, Result

OVERLAY_WIDTH = 960
SKEW = 0.02
"""Part by which the shapes of Blender's picture and the engine's may differ: proxies are rounded."""
BETWEEN = 0.05
"""Seconds between two news at least; Blender looks half as often."""


def main(folder: str) -> None:
    """Do what the folder's request says; its result comes last, whole or not at all."""
    room, blender, last = Path(folder), os.getppid(), 0.0

    def tell(text: str, part: float) -> None:
        nonlocal last
        if time.monotonic() - last < BETWEEN:
            return
        last = time.monotonic()
        with suppress(OSError):  # Windows: Blender is reading it
            shots.replaced(room / work.NEWS, json.dumps([text, part]).encode())

    request = pickle.loads((room / work.REQUEST).read_bytes())
    result = Steps(request, tell, (room / work.STOP).exists).run()
    shots.replaced(room / work.RESULT, pickle.dumps(result))
    if (room / work.LEFT).exists() or os.getppid() != blender:
        shutil.rmtree(room, ignore_errors=True)


class Steps:
    """Runs a request.

    Parameters
    ----------
    tell : gets (text, part done in [0, 1]).
    stopped : whether to stop after the frame in hand.
    """

    def __init__(
        self, request: Request, tell: Callable[[str, float], None], stopped: Callable[[], bool]
    ) -> None:
        self.request, self._tell, self._stopped = request, tell, stopped
        self.outcome = Outcome(frame=request.frame, object=request.object)

    def run(self) -> Result:
        """Do it; what goes wrong is in the result."""
        result = Result(self.outcome)
        try:
            self._say("looking for the engine", 0.0)
            client = connect.connect(self.request.python)
            shot = self._open(client)
            shot = self._sync(client, shot)
            getattr(self, f"_{self.request.doing}")(client, shot)
            self.outcome.state = client.shot_state(shot.shot)
        except shots.Cancelled:
            result.cancelled = True
        except EngineError as e:
            result.error = e.message
        except OSError as e:
            result.error = f"{e.filename or 'a file'}: {e.strerror or e}"
        except Exception as e:  # the artist must hear of it
            result.error = f"this should not happen ({e!r}): please report it"
        return result

    def _say(self, text: str, part: float) -> None:
        if self._stopped():
            raise shots.Cancelled
        self._tell(text, part)

    # the shot

    def _open(self, client: Client) -> m.ShotState:
        ask = self.request
        like = m.CreateShot(
            "",
            ask.clip,
            tracker=ask.tracker,
            refiner=ask.refiner,
            range=ask.range,
            grid=ask.grid,
            input_colorspace=ask.colour,
        )
        shot = shots.opened(client, ask.shot, like, ask.base, self.outcome.notes)
        if ask.length and abs(shot.clip.length - ask.length) > 1:
            raise EngineError(
                "clip",
                f"Blender counts {ask.length} frames in {shot.clip.path} and the engine {shot.clip.length}: "
                "press Reload in the clip's sidebar; if that does not help, convert it to an image sequence",
            )
        width, height = ask.size
        if abs(width * shot.clip.height - height * shot.clip.width) > SKEW * width * shot.clip.height:
            raise EngineError(
                "clip",
                f"Blender shows {shot.clip.path} as {width}x{height} and the engine as {shot.clip.width}x"
                f"{shot.clip.height}, as its rotation tag may ask: convert it, with the rotation applied",
            )
        self.outcome.notes += shot.clip.notes
        whole = (shot.clip.first, shot.clip.last)
        wanted = whole if ask.range is None else ask.range
        if tuple(shot.range) != wanted:
            shot = client.set_range(shot.shot, shot.revision, ask.range)
        self.outcome.state = shot
        return shot

    def _sync(self, client: Client, shot: m.ShotState) -> m.ShotState:
        ask = self.request
        masks = ask.masks if shot.path == ask.shot else {}
        self._say("sending prompts", 0.0)
        shot, self.outcome.selected = shots.told(client, shot, ask.prompts, masks)
        self.outcome.masks = {k: sync.digest(p) for k, p in ask.prompts.items()}
        self.outcome.state = shot
        return shot

    # what is asked for

    def _show(self, client: Client, shot: m.ShotState) -> None:
        """Fetch the picture of one frame; a prompt on a frame not tracked yet shows what it selects."""
        ask = self.request
        for fetch in (client.matte_image, client.mask) if ask.matte else (client.mask,):
            try:
                self.outcome.overlay = fetch(shot.shot, ask.frame, ask.object, OVERLAY_WIDTH)
                break
            except EngineError as e:
                if e.code != "not_found":
                    raise
                if fetch == client.matte_image:
                    self.outcome.notes.append("there is no matte of this frame yet: the mask is shown")
        prompt = ask.prompts.get((ask.object, ask.frame))
        if not self.outcome.overlay and prompt is not None:
            found = client.preview(
                shot.shot, m.Preview(prompt, OVERLAY_WIDTH, replace=True, viewer="blender")
            )
            self.outcome.overlay = base64.b64decode(found.mask)

    def _outline(self, client: Client, shot: m.ShotState) -> None:
        """Fetch the masks of some frames."""
        ask = self.request
        for done, number in enumerate(ask.frames):
            self._say(f"fetching mask {done + 1}/{len(ask.frames)}", done / len(ask.frames))
            self.outcome.images[number] = client.mask(shot.shot, number, ask.object, OVERLAY_WIDTH)

    def _places(self, client: Client, shot: m.ShotState) -> None:
        self.outcome.places = client.places(shot.shot).places

    def _track(self, client: Client, shot: m.ShotState) -> None:
        asked = m.TrackFrames(direction=self.request.direction)
        self._follow(client, client.track(shot.shot, asked), 0.0, 1.0)
        self._places(client, shot)

    def _matte(self, client: Client, shot: m.ShotState) -> None:
        """Track what is missing, refine, deliver."""
        self._follow(client, client.track(shot.shot), 0.0, 0.4)
        self._follow(client, client.matte(shot.shot), 0.4, 0.9)
        preset = self.request.preset
        folder = paths.delivery_folder(shot.path, preset)
        export = m.ExportFrames(folder, preset=preset, overwrite=True)
        self._follow(client, client.export(shot.shot, export), 0.9, 1.0)
        self.outcome.preset = preset
        self._places(client, shot)

    def _follow(self, client: Client, state: m.JobState, begin: float, end: float) -> None:
        shots.follow(client, state, lambda event: self._event(event, begin, end), self._stopped)

    def _event(self, event: object, begin: float, end: float) -> None:
        if isinstance(event, ProgressEvent):
            part = begin + (end - begin) * event.done / max(event.of, 1)
            left = f", {event.eta:.0f} s left" if event.eta else ""
            self._tell(f"{event.stage} {event.done}/{event.of} at {event.fps:.1f} fps{left}", part)
            if event.note:
                self.outcome.notes.append(f"frame {event.frame}: {event.note}")
        elif isinstance(event, NoteEvent):
            self.outcome.notes.append(event.message)
        elif isinstance(event, WrittenEvent):
            self.outcome.written.append(event)
        elif isinstance(event, ErrorEvent):
            self.outcome.notes.append(event.error.message)
