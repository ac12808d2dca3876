"""From a host's clip and prompts to the engine's shot, and a job to its end; for a thread that may wait."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from . import paths, sync
from .client import Client
from .errors import EngineDied, EngineError, Stale
from .job import Job
from .protocol import messages as m
from .protocol.events import Event

TRIES = 3
"""Times that prompts are sent when the shot is edited elsewhere meanwhile."""
SHOTS = 50
"""Shot files of one name that are tried before giving up."""
TICK = 0.05
"""Seconds between two looks at a job."""


class Cancelled(Exception):  # noqa: N818
    """The artist pressed Stop."""


def opened(
    client: Client,
    shot: str,
    like: m.CreateShot,
    base: str,
    notes: list[str],
    *,
    taken: Collection[str] = (),
) -> m.ShotState:
    """Open the shot that a clip has, or make one, with the tracker and refiner asked for.

    Parameters
    ----------
    shot : the shot file that the host remembers; empty = none.
    like : what a new shot is made with; its path is chosen here, beside those that exist.
    base : folder for new shots, see `paths.shot_file`.
    notes : gets a sentence for the artist when the remembered shot cannot be used.
    taken : shot files that belong to others.
    """
    found = _known(client, shot, like, notes, taken)
    if found is None:
        return _created(client, like, base, taken)
    return _settled(client, found, like)


def _known(
    client: Client, shot: str, like: m.CreateShot, notes: list[str], taken: Collection[str]
) -> m.ShotState | None:
    """Open the remembered shot, unless that one is of another clip now."""
    if not shot or not Path(shot).exists():
        return None
    if shot in taken:
        notes.append(f"a new shot was begun, since another one works on {shot}")
        return None
    try:
        found = client.open_shot(shot, like.grid)
    except EngineDied:
        raise
    except EngineError as e:
        notes.append(f"a new shot was begun, since the old one cannot be used: {e.message}")
        return None
    if paths.same_clip(found.clip.path, like.clip):
        return found
    client.close_shot(found.shot)
    notes.append(f"a new shot was begun: {shot} is of {found.clip.path}")
    return None


def _created(client: Client, like: m.CreateShot, base: str, taken: Collection[str]) -> m.ShotState:
    for number in range(1, SHOTS + 1):
        path = paths.shot_file(base, like.clip, number)
        if path in taken or Path(path).exists():
            continue
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        try:
            return client.create_shot(replace(like, path=path))
        except EngineError as e:
            if e.code != "output" or not Path(path).exists():  # else: someone else was quicker
                raise
    raise EngineError("shot", f"{paths.shot_file(base, like.clip)} and {SHOTS - 1} more exist already")


def _settled(client: Client, shot: m.ShotState, like: m.CreateShot) -> m.ShotState:
    """Write another tracker or refiner into the shot file; what they made before becomes stale."""
    wanted = {"tracker": like.tracker, "refiner": like.refiner}
    present = {"tracker": shot.tracker, "refiner": shot.refiner}
    change = {k: v for k, v in wanted.items() if v not in ("auto", present[k])}
    if not change:
        return shot
    path = Path(shot.path)
    before = path.read_bytes()
    document = json.loads(before.decode("utf-8"))
    document.update({k: {"name": v, "settings": {}} for k, v in change.items()})
    replaced(path, json.dumps(document, indent=2, ensure_ascii=False).encode("utf-8"))
    try:
        return client.open_shot(shot.path, like.grid)
    except EngineDied:
        raise
    except EngineError:  # a name that the engine does not know must not cost the shot
        replaced(path, before)
        raise


def replaced(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content)
    beside.replace(path)


def told(
    client: Client, shot: m.ShotState, wanted: dict[sync.Key, m.Prompt], masks: dict[sync.Key, str]
) -> tuple[m.ShotState, list[m.Selected]]:
    """Bring the shot's prompts to what is wanted; return it and what each changed prompt selects.

    Parameters
    ----------
    masks : digests of the masks that were sent before, see `sync.digest`.

    Raises
    ------
    Stale : someone else keeps editing it.
    """
    for attempt in range(1, TRIES + 1):
        try:
            return sync.apply(client, shot, sync.plan(wanted, shot.prompts, masks))
        except Stale as e:  # someone else edited the shot: see what is left to say
            if attempt == TRIES:
                raise
            shot = e.shot
    raise AssertionError


def follow(
    client: Client, state: m.JobState, event: Callable[[Event], None], stopped: Callable[[], bool]
) -> None:
    """Follow a job until it ends; once `stopped` says so, cancel it.

    Raises
    ------
    Cancelled : it was stopped.
    EngineError : it failed, or its engine died.
    """
    job = Job(client, state.job)
    asked = False
    try:
        while True:
            ended = job.finished
            for news in job.poll():
                event(news)
            if ended:
                break
            if stopped() and not asked:
                asked = True
                job.cancel()
            time.sleep(TICK)
        if job.error is not None:
            raise job.error
    except EngineDied as e:
        if asked:
            raise Cancelled from e
        raise
    finally:
        job.close()
    if job.state is not None and job.state.status == "cancelled":
        raise Cancelled
