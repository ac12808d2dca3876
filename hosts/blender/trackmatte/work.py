# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing the engine does for the artist, on a thread of its own; Blender's data are never touched here."""

from __future__ import annotations

import base64
import queue
import threading
from dataclasses import dataclass, field
from typing import Literal

from .trackmatte_client import Client, EngineError, connect, paths, shots, sync
from .trackmatte_client.protocol import messages as m
from .trackmatte_client.protocol.events import ErrorEvent, NoteEvent, ProgressEvent, WrittenEvent

Doing = Literal["show", "track", "matte", "places", "outline"]
OVERLAY_WIDTH = 960
SKEW = 0.02
"""Part by which the shapes of Blender's picture and the engine's may differ: proxies are rounded."""


@dataclass(frozen=True)
class Request:
    """What to do, as plain values taken from the .blend."""

    doing: Doing
    clip: str
    """Absolute: movie, or pattern of a sequence."""
    length: int
    """Frames that Blender counts in a movie; 0 = a sequence, which may have gaps."""
    base: str
    """Absolute folder for new shots."""
    size: tuple[int, int] = (0, 0)
    """Width and height as Blender shows it, pixels; of a proxy when one is shown."""
    colour: str | None = None
    """What Blender takes the clip's code values for, by the engine's name; None = as the clip's tags say."""
    grid: str | None = None
    """Rate at which Blender shows a movie; None = a sequence, whose files are its frames."""
    shot: str = ""
    """Absolute path of the shot file, if there is one."""
    python: str = ""
    prompts: dict[sync.Key, m.Prompt] = field(default_factory=dict)
    masks: dict[sync.Key, str] = field(default_factory=dict)
    """Digests of the masks that were sent before."""
    range: tuple[int, int] | None = None
    tracker: str = "auto"
    refiner: str = "auto"
    preset: str = "matte"
    direction: Literal["both", "forward", "backward"] = "both"
    frame: int = 0
    object: str = "subject"
    matte: bool = False
    """Whether the matte is to be shown, not the mask."""
    frames: tuple[int, ...] = ()
    """Whose masks are to be fetched for an outline."""


@dataclass
class Outcome:
    """What came of it."""

    state: m.ShotState | None = None
    masks: dict[sync.Key, str] = field(default_factory=dict)
    places: tuple[m.Place, ...] | None = None
    written: list[WrittenEvent] = field(default_factory=list)
    preset: str = ""
    frame: int = 0
    """Source number that the overlay is of."""
    object: str = ""
    overlay: bytes = b""
    """Grey PNG."""
    images: dict[int, bytes] = field(default_factory=dict)
    """Grey PNGs by source number."""
    selected: list[m.Selected] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Work:
    """Runs a request; poll `progress` and `finished` from a timer.

    Attributes
    ----------
    error : one sentence when it failed, else empty.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.outcome = Outcome(frame=request.frame, object=request.object)
        self.error = ""
        self.cancelled = False
        self._news: queue.SimpleQueue[tuple[str, float]] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"trackmatte {request.doing}", daemon=True)
        self._thread.start()

    @property
    def finished(self) -> bool:
        """Whether nothing more will come."""
        return not self._thread.is_alive()

    def progress(self) -> tuple[str, float] | None:
        """Return the newest (text, part done in [0, 1]) since the last call, or None."""
        newest = None
        while True:
            try:
                newest = self._news.get_nowait()
            except queue.Empty:
                return newest

    def stop(self) -> None:
        """Stop after the frame in hand; what is finished stays."""
        self._stop.set()

    def wait(self, seconds: float) -> bool:
        """Wait until it is finished; return whether it is."""
        self._thread.join(seconds)
        return self.finished

    def _run(self) -> None:
        try:
            self._say("looking for the engine", 0.0)
            client = connect.connect(self.request.python)
            shot = self._open(client)
            shot = self._sync(client, shot)
            getattr(self, f"_{self.request.doing}")(client, shot)
            self.outcome.state = client.shot_state(shot.shot)
        except shots.Cancelled:
            self.cancelled = True
        except EngineError as e:
            self.error = e.message
        except OSError as e:
            self.error = f"{e.filename or 'a file'}: {e.strerror or e}"
        except Exception as e:  # the artist must hear of it, and Blender must not
            self.error = f"this should not happen ({e!r}): please report it"

    def _say(self, text: str, part: float) -> None:
        if self._stop.is_set():
            raise shots.Cancelled
        self._news.put((text, part))

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
        shots.follow(client, state, lambda event: self._event(event, begin, end), self._stop.is_set)

    def _event(self, event: object, begin: float, end: float) -> None:
        if isinstance(event, ProgressEvent):
            part = begin + (end - begin) * event.done / max(event.of, 1)
            left = f", {event.eta:.0f} s left" if event.eta else ""
            self._news.put((f"{event.stage} {event.done}/{event.of} at {event.fps:.1f} fps{left}", part))
            if event.note:
                self.outcome.notes.append(f"frame {event.frame}: {event.note}")
        elif isinstance(event, NoteEvent):
            self.outcome.notes.append(event.message)
        elif isinstance(event, WrittenEvent):
            self.outcome.written.append(event)
        elif isinstance(event, ErrorEvent):
            self.outcome.notes.append(event.error.message)
