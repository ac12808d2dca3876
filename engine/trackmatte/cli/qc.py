"""``trackmatte qc``: which frames need the artist, as a list, a picture and a report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from trackmatte.cli.options import Overwrite, ShotFile, Talk
from trackmatte.cli.report import Report
from trackmatte.errors import OutputError, ShotError, UsageError
from trackmatte.files import read_info, write_bytes, write_image
from trackmatte.shot import SUFFIX, ObjectStatus, Shot
from trackmatte.shot.qc import DOUBTFUL, FORMAT, VERSION, FrameQuality, Place, quality, to_json, worst

Rgb = tuple[int, int, int]
Picture = NDArray[np.uint8]


def qc(
    shot: ShotFile,
    /,
    *,
    timeline: Annotated[
        Path | None,
        Parameter(name="--timeline", metavar="FILE", help="PNG of the shot; NAME.qc.png unless given."),
    ] = None,
    listing: Annotated[
        Path | None,
        Parameter(name="--report", metavar="FILE", help="All figures as JSON; NAME.qc.json unless given."),
    ] = None,
    count: Annotated[int, Parameter(name="--count", help="How many places to list.")] = 10,
    overwrite: Overwrite = False,
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """Say which frames to look at first: where the track is in doubt, and why."""
    report = talk.report()
    name = shot.name.removesuffix(SUFFIX)
    picture = timeline or shot.with_name(f"{name}.qc.png")
    figures = listing or shot.with_name(f"{name}.qc.json")
    if picture.suffix.lower() != ".png":
        raise UsageError(f"the timeline {picture} must end in .png")
    if len({p.absolute() for p in (shot, picture, figures)}) < 3:
        raise UsageError("shot file, --timeline and --report must be three different files")
    for path in (picture, figures):
        if path.exists() and not overwrite and not _made_here(path, shot.name):
            raise OutputError(f"{path} exists; choose another name or add --overwrite")
    with Shot.open(shot) as opened:
        status, records = judge(opened)
        numbers = opened.numbers()
    places = worst(records)
    tell(report, records, places, max(0, count), status)
    write_timeline(picture, shot.name, numbers, status, records, places[: max(0, count)])
    text = json.dumps(to_json(shot.name, records), ensure_ascii=False, indent=1)
    write_bytes(figures, text.encode() + b"\n")
    for path in (picture, figures):
        report.say(f"wrote {path}")
        report.event("written", file=str(path))


def judge(shot: Shot) -> tuple[list[ObjectStatus], list[FrameQuality]]:
    """Return where every object stands, and what is to be thought of its masks.

    Raises
    ------
    ShotError : nothing is tracked.
    """
    status = shot.status()
    if not any(s.tracked or s.stale for s in status):
        first = "" if status else f"say where the subject is (trackmatte shot add {shot.path}), then "
        raise ShotError(f"{shot.path} has no masks to judge yet; {first}run: trackmatte track {shot.path}")
    prompted = {o: [p.frame for p in shot.prompts.of(o) if p.selects] for o in shot.objects}
    locked = {s.object: s.locked for s in status}

    def info(obj: str, number: int) -> dict[str, Any] | None:
        return shot.cache.info("track", obj, number)

    return status, quality(shot.objects, shot.numbers(), info, prompted, locked)


def tell(
    report: Report,
    records: Sequence[FrameQuality],
    places: Sequence[Place],
    count: int,
    status: Sequence[ObjectStatus],
) -> None:
    """List the places, and what the list does not know."""
    for s in status:
        if s.stale:
            report.note(f"{s.object}: {len(s.stale)} masks are stale; run trackmatte track, then qc again")
    doubtful = sum(r.doubt >= DOUBTFUL for r in records)
    where = f"{len(places)} place{'s' if len(places) != 1 else ''}"
    report.say(
        f"{doubtful} of {len(records)} masks are in doubt, in {where}; look at the worst first:"
        if places
        else f"none of {len(records)} masks is in doubt"
    )
    wide = max((len(p.worst.object) for p in places[:count]), default=0)
    for rank, p in enumerate(places[:count], 1):
        w, span = p.worst, _span(p.first, p.last)
        report.event(
            "doubt",
            object=w.object,
            frame=w.number,
            first=p.first,
            last=p.last,
            doubt=w.doubt,
            reasons=list(w.reasons),
        )
        why = ", ".join(w.reasons)
        report.say(
            f"{rank:4}  {w.object:{wide}}  frame {w.number:<6} of {span:13} doubt {w.doubt:.2f}  {why}"
        )
    if len(places) > count:
        report.say(f"      and {len(places) - count} more; --count lists more of them")


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _made_here(path: Path, shot: str) -> bool:
    """Whether a file is what this command wrote for the shot of that name, and nobody's work is lost."""
    if path.suffix.lower() == ".png":
        found: Any = read_info(path)
    else:
        try:
            found = json.loads(path.read_bytes())
        except (OSError, ValueError):
            return False
    return isinstance(found, dict) and (found.get("format"), found.get("shot")) == (FORMAT, shot)


# -- the picture -----------------------------------------------------------------------------------

WIDTH, LEFT, RIGHT, TOP, ROW, BOTTOM = 1600, 170, 30, 44, 92, 34
SPAN = WIDTH - LEFT - RIGHT
"""Columns that the frames share."""
DOUBT_HEIGHT = 34
BACKGROUND, GRID, TEXT, FAINT = (24, 24, 24), (44, 44, 44), (222, 222, 222), (150, 150, 150)
STATES: tuple[tuple[str, Rgb], ...] = (
    ("not tracked", (58, 58, 58)),
    ("tracked", (66, 124, 190)),
    ("locked", (150, 112, 214)),
    ("stale", (206, 160, 62)),
    ("lost", (226, 58, 58)),
)
"""Names and colours; of the frames that share a column the later one shows."""
PROMPT, DOUBT = (255, 255, 255), ((96, 104, 96), (250, 210, 70), (255, 110, 30))


def write_timeline(
    path: Path,
    title: str,
    numbers: Sequence[int],
    status: Sequence[ObjectStatus],
    records: Sequence[FrameQuality],
    places: Sequence[Place] = (),
) -> None:
    """Draw a shot as a PNG of 1600 columns, one row per object: prompts, states, doubt.

    Frames that share a column show the worst of them.

    Parameters
    ----------
    title : the shot's file name; it is also kept in the picture's description.
    numbers : source numbers of all frames, ascending; at least one.
    places : marked with their rank, from 1.

    Raises
    ------
    OutputError : it cannot be written.
    """
    image = np.full((TOP + ROW * len(status) + BOTTOM, WIDTH, 3), BACKGROUND, np.uint8)
    index = {n: i for i, n in enumerate(numbers)}
    _axis(image, numbers)
    _legend(image, f"{title}  {_span(numbers[0], numbers[-1])}")
    for row, s in enumerate(status):
        y = TOP + row * ROW
        _text(image, s.object, (12, y + 40), limit=LEFT - 20)
        states, doubt = np.zeros(len(numbers), np.int64), np.zeros(len(numbers))
        lost = set(s.lost) - set(s.locked)
        for state, members in enumerate((s.tracked, s.locked, s.stale, lost), 1):
            states[[index[n] for n in members if n in index]] = state
        for r in records:
            if r.object == s.object:
                doubt[index[r.number]] = r.doubt
        colours = np.array([colour for _, colour in STATES], np.uint8)
        image[y + 24 : y + 38, LEFT : LEFT + SPAN] = colours[_columns(states)]
        _curve(image[y + 42 : y + 42 + DOUBT_HEIGHT, LEFT : LEFT + SPAN], _columns(doubt))
        for n in s.prompted:
            if n in index:
                _diamond(image, _x(index[n], len(numbers)), y + 15)
        right = 0
        for x, rank in sorted(
            (_x(index[p.worst.number], len(numbers)), rank)
            for rank, p in enumerate(places, 1)
            if p.worst.object == s.object
        ):
            if x - 8 > right:
                right = _text(image, str(rank), (x - 4, y + 88))
    about = json.dumps({"format": FORMAT, "version": VERSION, "shot": title})
    write_image(path, image, {"ImageDescription": about, "oiio:ColorSpace": "sRGB"}, "uint8")


def _x(index: int, count: int) -> int:
    return LEFT + int((index + 0.5) * SPAN / count)


def _columns(values: NDArray[Any]) -> NDArray[Any]:
    """Return one value per column: the frame's, or the greatest of those that share it, made 3 px wide."""
    n, at = len(values), np.arange(SPAN)
    low = at * n // SPAN
    if n <= SPAN:
        return np.asarray(values[low])
    high = -(-(at + 1) * n // SPAN)
    most = np.maximum.reduceat(np.append(values, 0), np.stack([low, high], 1).ravel())[::2]
    sides = np.maximum(np.append(most[1:], 0), np.append(0, most[:-1]))
    return np.asarray(np.maximum(most, sides))


def _curve(strip: Picture, doubt: NDArray[np.float64]) -> None:
    """Draw bars from the bottom of a (h, w, 3) strip, grey where there is no doubt, orange where all is."""
    h = len(strip)
    stops = np.array(DOUBT, np.float64)
    colour = np.stack([np.interp(doubt, (0, 0.5, 1), stops[:, c]) for c in range(3)], axis=1)
    height = np.maximum(1, np.ceil(doubt * h))
    inside = np.arange(h)[::-1, None] < height
    strip[h - 1 - round(DOUBTFUL * h)] = GRID
    strip[inside] = np.broadcast_to(np.rint(colour).astype(np.uint8), strip.shape)[inside]


def _axis(image: Picture, numbers: Sequence[int]) -> None:
    """Write source numbers below the rows: round ones, and the first and last."""
    n, base = len(numbers), len(image) - BOTTOM
    step = next(k * 10**e for e in range(10) for k in (1, 2, 5) if k * 10**e * SPAN / n >= 90)
    round_ones = [i for i, number in enumerate(numbers) if number % step == 0]
    right = 0
    for i in [0, *round_ones, n - 1]:
        x, label = _x(i, n), str(numbers[i])
        half = _width(label) // 2
        crowded = x - half < right + 12 or (i < n - 1 and x + 2 * half + 24 > _x(n - 1, n) and i > 0)
        if crowded:
            continue
        image[TOP : base + 6, x] = GRID
        right = _text(image, label, (min(x - half, WIDTH - 2 * half - 4), base + 22), colour=FAINT)


def _legend(image: Picture, title: str) -> None:
    x = _text(image, title, (12, 27), limit=WIDTH - 720) + 40
    x = max(x, WIDTH - 700)
    _diamond(image, x, 22)
    x = _text(image, "prompt", (x + 12, 27), colour=FAINT) + 24
    for name, colour in [*STATES[1:], STATES[0]]:
        image[15:29, x : x + 14] = colour
        x = _text(image, name, (x + 20, 27), colour=FAINT) + 24
    _curve(image[15:29, x : x + 40], np.linspace(0, 1, 40))
    _text(image, "doubt", (x + 46, 27), colour=FAINT)


def _diamond(image: Picture, x: int, y: int) -> None:
    corners = np.array([(x - 6, y), (x, y - 6), (x + 6, y), (x, y + 6)], np.int32)
    cv2.fillConvexPoly(image, corners, PROMPT, cv2.LINE_AA)
    cv2.polylines(image, [corners], isClosed=True, color=BACKGROUND, thickness=1, lineType=cv2.LINE_AA)


def _text(image: Picture, text: str, at: tuple[int, int], limit: int = WIDTH, colour: Rgb = TEXT) -> int:
    """Write a line, cut to ``limit`` px, from its lower left; return the column where it ends."""
    text = "".join(c if " " <= c <= "~" else "?" for c in text)  # all that the font has
    if _width(text) > limit:
        while text and _width(text + "..") > limit:
            text = text[:-1]
        text += ".."
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
    return at[0] + _width(text)


def _width(text: str) -> int:
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
    return int(width)
