"""What several commands do with a shot."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trackmatte.cli.options import parse_range, parse_rate, parse_settings
from trackmatte.cli.report import Report
from trackmatte.errors import ShotError
from trackmatte.preview import cutout, overlay, row, write_movie, write_sheet
from trackmatte.progress import Progress
from trackmatte.refiners.choose import choose_refiner
from trackmatte.shot import Shot
from trackmatte.shot.selecting import AUTO
from trackmatte.shot.tracking import Direction
from trackmatte.trackers.choose import choose_tracker


def tell_tracker(name: str, report: Report) -> str:
    """Return the tracker to take for ``auto``, and say which it is and why."""
    return _told("tracker", "tracking", name, choose_tracker, report)


def tell_refiner(name: str, report: Report) -> str:
    """Return the refiner to take for ``auto``, and say which it is and why."""
    return _told("refiner", "refining", name, choose_refiner, report)


def _told(part: str, doing: str, name: str, choose: Callable[[], tuple[str, str]], report: Report) -> str:
    if name != "auto":
        return name
    name, why = choose()
    report.event(part, name=name, why=why)
    report.say(f"{doing} with {name}: {why}")
    return name


def new_shot(
    path: Path,
    clip: str,
    report: Report,
    *,
    tracker: str,
    refiner: str,
    settings: list[str],
    select: str | None,
    frames: str | None,
    input_colorspace: str | None,
    handles: int,
    grid: str | None,
    on_error: Literal["stop", "skip"],
) -> Shot:
    """Make a shot as the options say, telling what ``auto`` took and what is odd about the clip."""
    for_tracker, for_refiner = parse_settings(settings)
    shot = Shot.new(
        path,
        clip,
        tracker=tell_tracker(tracker, report),
        refiner=tell_refiner(refiner, report),
        tracker_settings=for_tracker,
        refiner_settings=for_refiner,
        select=select or AUTO,
        frames=parse_range(frames) if frames else None,
        input_colorspace=input_colorspace,
        handles=handles,
        grid=parse_rate(grid) if grid else None,
        on_error=on_error,
    )
    for note in shot.clip.notes:
        report.note(note)
    if len(shot.clip) > 1 and not shot.clip.rate_known:
        report.note("The images do not say their frame rate: 24 is taken; --grid RATE says another.")
    tell_handles(shot, report)
    return shot


def tell_handles(shot: Shot, report: Report) -> None:
    """Say where the clip is too short for the handles."""
    before, after = shot.short_handles()
    if before or after:
        first, last = shot.clip.numbers[0], shot.clip.numbers[-1]
        report.note(
            f"the handles are {before} frames short before the in point and {after} after the out point, "
            f"since the clip runs from {first} to {last}"
        )


def run_track(
    shot: Shot,
    report: Report,
    frames: tuple[int, int] | None = None,
    direction: Direction = "both",
    *,
    fresh: bool = False,
) -> None:
    """Track what is missing; say which masks changed and on which frames the subject was not found."""
    lost = [p.frame for p in report.follow(shot.track(frames, direction=direction, fresh=fresh))]
    for obj, changed in shot.changed.items():
        if changed:
            report.event("changed", object=obj, frames=sorted(changed))
            report.say(f"{obj}: {len(changed)} masks are new or changed ({spans(sorted(changed))})")
    if lost:
        report.note(
            f"the subject was not found on {len(lost)} frames ({spans(sorted(lost))}); "
            "if it is there, add a prompt on one of them: trackmatte shot add"
        )
    tell_skipped(shot, report)


def tell_skipped(shot: Shot, report: Report) -> None:
    """Name the frames that could not be decoded and were left out."""
    if numbers := sorted(shot.skipped()):
        report.note(f"frames that cannot be decoded were left out: {spans(numbers)}")


def tell_outdated(shot: Shot, objects: Sequence[str], report: Report) -> None:
    """Say which mattes are older than the prompts, masks or settings that should have made them."""
    for obj in objects:
        if obj in shot.objects and (old := shot.outdated(obj)):
            report.note(
                f"{obj}: the mattes of {len(old)} frames ({spans(old)}) are older than its prompts, masks or "
                "settings; trackmatte track and trackmatte refine renew them"
            )


def views(shot: Shot, numbers: list[int]) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.float32]]]:
    """Yield (number, display plate, alpha) with every object's matte joined, in order."""
    order = {n: i for i, n in enumerate(shot.clip.numbers)}
    wanted = sorted(order[n] for n in numbers)
    close = wanted[-1] - wanted[0] < 2 * len(wanted)
    frames = shot.clip.frames(wanted[0], wanted[-1] + 1) if close else (shot.clip[i] for i in wanted)
    for frame in frames:
        if frame.index in wanted:
            alphas = [shot.read_matte(o, frame.number).alpha for o in shot.objects]
            yield frame.number, frame.display(), np.maximum.reduce(alphas)


def run_sheet(shot: Shot, path: Path, count: int) -> None:
    """Write a contact sheet of ``count`` frames spread over the range.

    Raises
    ------
    ShotError : no frame has a matte.
    """
    numbers = matted(shot)
    picked = sorted({numbers[round(i)] for i in np.linspace(0, len(numbers) - 1, count)})
    write_sheet(path, [row(rgb, alpha, str(n)) for n, rgb, alpha in views(shot, picked)])


def run_movie(shot: Shot, path: Path, report: Report) -> None:
    """Write a preview movie: overlay beside cut-out."""
    numbers = matted(shot)
    pictures = (
        np.hstack([overlay(rgb, alpha), cutout(rgb, alpha)]) for _, rgb, alpha in views(shot, numbers)
    )
    begin = time.monotonic()
    report.follow(
        Progress("movie", done, len(numbers), numbers[done - 1], time.monotonic() - begin, done)
        for done in write_movie(path, pictures, shot.clip.rate)
    )


def matted(shot: Shot) -> list[int]:
    """Return the frames in the range that have every object's matte.

    Raises
    ------
    ShotError : there is none.
    """
    keep = [n for n in shot.numbers() if all(shot.cache.key("matte", o, n) for o in shot.objects)]
    if not keep or not shot.objects:
        raise ShotError(
            f"{shot.path} has no mattes to look at yet; run: trackmatte track and trackmatte refine on it"
        )
    return keep


def spans(numbers: list[int]) -> str:
    """Return ``"1001-1004, 1009"`` for sorted numbers."""
    parts: list[list[int]] = []
    for n in numbers:
        if parts and n == parts[-1][1] + 1:
            parts[-1][1] = n
        else:
            parts.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)
