"""One thing the engine does for a node, on a thread of its own; Nuke is never touched here."""

from __future__ import annotations

import dataclasses
import ntpath
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .model import Clip, NodeState, Result
from .trackmatte_client import Client, EngineDied, EngineError, connect, paths, shots, sync, watch
from .trackmatte_client.protocol import messages as m
from .trackmatte_client.protocol.events import NoteEvent, ProgressEvent, WrittenEvent

if TYPE_CHECKING:
    from collections.abc import Callable

RESTARTS = 2
"""Times that an engine which died under a job is started again."""
STAGES = {"track": "tracking", "refine": "matting", "steady": "steadying", "export": "writing"}


@dataclass(frozen=True)
class Request:
    """What to do, as plain values."""

    doing: str
    """``track``, ``matte`` or ``places``; each does first what it needs."""
    node: NodeState
    direction: str = "both"
    taken: tuple[str, ...] = ()
    """Shot files that other nodes work on."""


@dataclass(frozen=True)
class Progress:
    """How far it is."""

    text: str = ""
    part: float = 0.0
    """Done, in [0, 1] of the whole."""
    frame: int | None = None
    """The frame just finished."""
    fps: float = 0.0
    eta: float = 0.0
    """Seconds to go in this stage; 0 = not known."""
    silent: bool = False
    """Whether the engine is there and does not answer."""


@dataclass
class Outcome:
    """What came of it."""

    shot: m.ShotState | None = None
    places: tuple[m.Place, ...] | None = None
    results: list[Result] = field(default_factory=list)
    selected: list[m.Selected] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: str = ""
    """One sentence when it failed."""
    cancelled: bool = False


class Work:
    """Runs a request.

    Parameters
    ----------
    news : called on the thread when there is progress, and once at the end.
    wanted : says, on the thread, whether anyone still wants it; a deleted node does not.
    """

    def __init__(self, request: Request, news: Callable[[], None], wanted: Callable[[], bool]) -> None:
        self.request, self.outcome, self.progress = request, Outcome(), Progress()
        self.finished = False
        """Whether nothing more will come."""
        self.process = 0
        """The engine's process; 0 = none is found yet."""
        self._news, self._wanted = news, wanted
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"trackmatte {request.doing}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the frame in hand; what is finished stays."""
        self._stop.set()

    def wait(self, seconds: float) -> bool:
        """Wait until its thread ended, never on the main thread; return whether it did."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        outcome = self.outcome
        try:
            self._with_an_engine()
        except shots.Cancelled:
            outcome.cancelled = True
        except EngineError as e:
            outcome.error = e.message
        except OSError as e:
            outcome.error = f"{e.filename or 'a file'}: {e.strerror or e}"
        except Exception as e:  # the artist must hear of it, and Nuke must not
            outcome.error = f"this should not happen ({e!r}): please report it"
        if self._stopped():  # whatever the engine said as it was stopped
            outcome.cancelled, outcome.error = True, ""
        self.finished = True
        self._news()

    def _with_an_engine(self) -> None:
        """Do it; an engine that dies meanwhile is started again, and goes on where it was."""
        for restarts in range(RESTARTS + 1):
            notes = len(self.outcome.notes)
            self._say("looking for the engine" if not restarts else "the engine died: starting it again", 0.0)
            client = connect.connect(self.request.node.settings.engine)
            self.process = client.address.pid
            try:
                with watch.Watch(client, self._quiet):
                    return self._do(client)
            except EngineDied:
                if self._stopped() or restarts == RESTARTS:
                    raise
                del self.outcome.notes[notes:]
        return None

    def _do(self, client: Client) -> None:
        outcome = self.outcome
        clip = self.request.node.clip
        if clip is None:
            raise EngineError("clip", self.request.node.problem or "connect a Read node to this node first")
        shot = outcome.shot = self._open(client, clip)
        doing = self.request.doing
        if doing != "places":
            self._say("sending points", 0.0)
            prompts, left_out = on_the_clip(gathered(self.request.node), clip, shot.clip)
            outcome.notes += left_out
            if not prompts:
                raise EngineError("prompt", "click on the subject first: no object has a point or a box yet")
            shot, outcome.selected = shots.told(client, shot, prompts, {})
            outcome.shot = shot
        if doing == "track":
            asked = m.TrackFrames(direction=self.request.direction)  # type: ignore[arg-type]
            self._follow(client, client.track(shot.shot, asked), 0.0, 1.0)
        elif doing == "matte":
            self._matte(client, shot)
        outcome.places = client.places(shot.shot).places
        outcome.shot = client.shot_state(shot.shot)

    def _open(self, client: Client, clip: Clip) -> m.ShotState:
        """Open or make the shot and set its in and out."""
        node, outcome = self.request.node, self.outcome
        settings = node.settings
        self._say("opening the clip", 0.0)
        like = m.CreateShot(
            "", clip.path, tracker=settings.tracker, refiner=settings.refiner, grid=clip.rate or None
        )
        shot = shots.opened(
            client, settings.shot, like, settings.folder, outcome.notes, taken=self.request.taken
        )
        outcome.notes += [*clip.notes, *shot.clip.notes, *counted(clip, shot.clip)]
        span = in_and_out(node, clip, shot.clip)
        if tuple(shot.range) != span:
            whole = span == (shot.clip.first, shot.clip.last)
            shot = client.set_range(shot.shot, shot.revision, None if whole else span)
        return shot

    def _matte(self, client: Client, shot: m.ShotState) -> None:
        """Track what is missing, refine, deliver."""
        self._follow(client, client.track(shot.shot), 0.0, 0.4)
        self._follow(client, client.matte(shot.shot), 0.4, 0.9)
        preset = self.request.node.settings.preset
        self.outcome.results.clear()
        folder = paths.delivery_folder(shot.path, preset)
        export = m.ExportFrames(folder, preset=preset, overwrite=True)
        if preset == "cutout":  # straight code values: read and premultiplied in Nuke just as the plate is
            export = dataclasses.replace(export, alpha="straight", space="source")
        self._follow(client, client.export(shot.shot, export), 0.9, 1.0)

    def _follow(self, client: Client, state: m.JobState, begin: float, end: float) -> None:
        shots.follow(client, state, lambda event: self._event(event, begin, end), self._stopped)

    def _event(self, event: object, begin: float, end: float) -> None:
        outcome = self.outcome
        if isinstance(event, ProgressEvent):
            part = begin + (end - begin) * event.done / max(event.of, 1)
            text = f"{STAGES.get(event.stage, event.stage)} {event.done}/{event.of}"
            self._tell(Progress(text, part, event.frame, event.fps, event.eta))
            if event.note:
                outcome.notes.append(f"frame {event.frame}: {event.note}")
        elif isinstance(event, NoteEvent):
            outcome.notes.append(event.message)
        elif isinstance(event, WrittenEvent) and event.frames:
            outcome.results.append(self._result(event))

    def _result(self, event: WrittenEvent) -> Result:
        shot = self.outcome.shot
        target = forward(event.target)
        preset = self.request.node.settings.preset
        path = forward(shot.path) if shot is not None else ""
        return Result(preset, event.objects, target, event.padding, event.frames, path)

    def _quiet(self, silent: bool) -> None:
        """Take the watch's word, on its thread."""
        self._tell(dataclasses.replace(self.progress, silent=silent))

    def _stopped(self) -> bool:
        return self._stop.is_set() or not self._wanted()

    def _say(self, text: str, part: float) -> None:
        if self._stopped():
            raise shots.Cancelled
        self._tell(Progress(text, part))

    def _tell(self, progress: Progress) -> None:
        self.progress = progress
        self._news()


def gathered(node: NodeState) -> dict[sync.Key, m.Prompt]:
    """Return what the node says about each object on each frame, between in and out or not."""
    items = [sync.Item(p.object, p.frame, "POINT", point=(p.x, p.y, int(p.subject))) for p in node.points]
    items += [sync.Item(b.object, b.frame, "BOX", box=(b.left, b.top, b.right, b.bottom)) for b in node.boxes]
    return sync.gather(items)


def on_the_clip(
    prompts: dict[sync.Key, m.Prompt], clip: Clip, facts: m.ClipFacts
) -> tuple[dict[sync.Key, m.Prompt], list[str]]:
    """Return the prompts on frames that there are, and a sentence for each other one."""
    kept = {key: said for key, said in prompts.items() if facts.first <= key[1] <= facts.last}
    there = f"the clip is there from {clip.timeline(facts.first)} to {clip.timeline(facts.last)}"
    return kept, [
        f"{name}: what is said on frame {clip.timeline(frame)} is left out, {there}"
        for name, frame in prompts
        if (name, frame) not in kept
    ]


def counted(clip: Clip, facts: m.ClipFacts) -> list[str]:
    """Return a sentence where host and engine count a movie's frames differently by more than one."""
    if not clip.count or abs(clip.count - facts.length) <= 1:
        return []
    return [
        f"Nuke counts {clip.count} frames in {clip.path} and the engine {facts.length}: if the matte is not "
        "on time, set source to render"
    ]


def in_and_out(node: NodeState, clip: Clip, facts: m.ClipFacts) -> tuple[int, int]:
    """Return in and out: the node's, else what Read and files have in common.

    Raises
    ------
    EngineError : there is no such frame.
    """
    first, last = node.range or (clip.first, clip.last)
    span = max(first, facts.first), min(last, facts.last)
    if span[0] > span[1]:
        there, asked = (
            f"{clip.timeline(a)} to {clip.timeline(b)}" for a, b in ((facts.first, facts.last), (first, last))
        )
        raise EngineError(
            "clip",
            f"{clip.path} is there from {there}, and {node.name} asks for {asked}: set in and out anew",
        )
    return span


def forward(path: str) -> str:
    """Return a path as Nuke writes it on every system: with ``/``."""
    return path.replace("\\", "/") if paths.flavour(path) is ntpath else path
