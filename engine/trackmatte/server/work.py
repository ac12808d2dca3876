"""What the jobs do."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from trackmatte.errors import UsageError
from trackmatte.server.jobs import Job, Work
from trackmatte.server.listing import spans
from trackmatte.server.shots import OpenShot
from trackmatte.shot import Look, Shot
from trackmatte.shot.exporting import (
    check_apart,
    check_writable,
    clip_stem,
    deliveries,
    delivery_of,
    exports,
)
from trackmatte.shot.layering import check_count, layer_picture, layer_writer, make_layers
from trackmatte.writers import WRITERS
from trackmatte.writers.presets import preset_named
from trackmatte_client.protocol.events import ChangedEvent, NoteEvent, WrittenEvent
from trackmatte_client.protocol.messages import ExportFrames, ExportPlan, MakeLayers, PlannedPart, TrackFrames


def track(opened: OpenShot, request: TrackFrames) -> Work:
    """Return the work of tracking."""

    def work(job: Job) -> None:
        shot = opened.snapshot()
        try:
            job.follow(shot.track(request.range, direction=request.direction, fresh=request.fresh))
        finally:
            for obj, numbers in shot.changed.items():
                if numbers:
                    found = spans(numbers, set(shot.clip.missing))
                    job.tell(lambda seq, o=obj, f=found: ChangedEvent(seq, o, f))  # type: ignore[misc]
        _tell_skipped(job, shot)

    return work


def matte(opened: OpenShot, frames: tuple[int, int] | None = None) -> Work:
    """Return the work of refining; ``frames``: first and last source number, None = between in and out."""

    def work(job: Job) -> None:
        shot = opened.snapshot()
        job.follow(shot.matte(frames))
        _tell_skipped(job, shot)

    return work


def export(opened: OpenShot, request: ExportFrames) -> Work:
    """Return the work of delivering.

    Raises
    ------
    UsageError : the folder is not absolute, or there is no such preset or format.
    """
    folder = _folder(request)
    look = Look(request.space, request.foreground)

    def work(job: Job) -> None:
        shot = opened.snapshot()
        check_apart(shot, folder)
        check_writable(folder)
        make = partial(delivery_of, request, folder)
        for part in exports(
            shot, request.preset, request.format, make, look, overwrite=request.overwrite, audio=request.audio
        ):
            job.follow(part.steps)
            numbers = spans((n for n in shot.numbers() if n not in shot.skipped()), set(shot.clip.missing))
            padding = max(4, shot.clip.padding)
            job.tell(
                lambda seq, p=part, n=numbers, d=padding: WrittenEvent(  # type: ignore[misc]
                    seq, p.objects, p.writer.target, n, d
                )
            )

    return work


def layers(opened: OpenShot, request: MakeLayers) -> Work:
    """Return the work of splitting a frame into layers.

    Raises
    ------
    PromptError : the clip has no such frame.
    UsageError : the folder is not absolute, or so many layers cannot be.
    """
    number = request.frame
    opened.shot.index_of(number)
    check_count(request.count)
    folder = None if request.folder is None else _absolute(request.folder)

    def work(job: Job) -> None:
        shot = opened.snapshot()
        if folder is None:
            make_layers(shot, number, request.count, job.at, request.method)
            return
        check_apart(shot, folder)
        check_writable(folder)
        stem = clip_stem(shot.doc.source.path)
        with layer_writer(folder, stem, shot.clip, number, overwrite=request.overwrite) as writer:
            found = make_layers(shot, number, request.count, job.at, request.method)
            writer.write(layer_picture(number, found))
        at = spans([number])
        job.tell(lambda seq: WrittenEvent(seq, (), writer.target, at, max(4, shot.clip.padding)))

    return work


def plan(opened: OpenShot, request: ExportFrames) -> ExportPlan:
    """Return what an export would write, by the very rule that writes it.

    Raises
    ------
    UsageError : the folder is not absolute, there is no such preset or format, or it cannot hold that.
    OutputError : the folder holds the plate.
    """
    folder = _folder(request)
    shot = opened.snapshot()
    check_apart(shot, folder)
    left_out = shot.skipped()
    numbers = [n for n in shot.numbers() if n not in left_out]
    parts = []
    make = partial(delivery_of, request, folder)
    for objects, delivery in deliveries(shot, request.preset, make, overwrite=True, audio=request.audio):
        writer = WRITERS.get(request.format)(delivery)
        name = Path(writer.target).name
        names = [delivery.path(n, Path(name).suffix).name for n in numbers] if writer.sequence else [name]
        try:
            there = {f.name for f in folder.iterdir()}
        except OSError:  # not there yet
            there = set()
        found = spans(numbers, set(shot.clip.missing))
        exist = sum(n in there for n in names)
        parts.append(PlannedPart(tuple(objects), writer.target, str(folder / names[0]), found, exist))
    return ExportPlan(tuple(parts))


def _folder(request: ExportFrames) -> Path:
    folder = _absolute(request.folder)
    preset_named(request.preset), WRITERS.get(request.format)
    return folder


def _absolute(text: str) -> Path:
    folder = Path(text)
    if "\0" in text or not folder.is_absolute():
        raise UsageError(f"{text!r} is not the absolute path of a folder to deliver into")
    return folder


def _tell_skipped(job: Job, shot: Shot) -> None:
    if numbers := shot.skipped():
        listed = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans(numbers))
        job.tell(lambda seq: NoteEvent(seq, f"frames that cannot be decoded were left out: {listed}"))
