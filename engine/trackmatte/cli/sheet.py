"""``trackmatte sheet``: pictures and a movie to judge a matte by."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from trackmatte.cli.options import Overwrite, ShotFile, Talk
from trackmatte.cli.target import check_ending, check_free
from trackmatte.cli.work import run_movie, run_sheet, tell_outdated
from trackmatte.errors import UsageError
from trackmatte.shot import SUFFIX, Shot

MOST = 200
"""Rows of a sheet: all of them are in memory, 0.8 MB each for 16:9."""


def sheet(
    shot: ShotFile,
    /,
    *,
    out: Annotated[
        Path | None, Parameter(name="--out", help="PNG or JPEG file; NAME.sheet.png unless given.")
    ] = None,
    count: Annotated[int, Parameter(name="--count", help=f"Frames on the sheet, 1 to {MOST}.")] = 8,
    movie: Annotated[
        Path | None, Parameter(name="--movie", help="Also write a preview movie (overlay | cut-out), MP4.")
    ] = None,
    overwrite: Overwrite = False,
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """Look at it: plate, matte, overlay and cut-out of frames spread over the range."""
    report = talk.report()
    if not 1 <= count <= MOST:
        raise UsageError(f"a sheet of {count} frames cannot be made; choose --count 1 to {MOST}")
    target = out or shot.with_name(shot.name.removesuffix(SUFFIX) + ".sheet.png")
    check_ending(target, ".png", ".jpg", ".jpeg")
    if movie:
        check_ending(movie, ".mp4")
    with Shot.open(shot) as opened:
        for path in filter(None, (target, movie)):
            check_free(path, opened.clip, overwrite=overwrite, own=(opened.path, opened.cache.root))
        tell_outdated(opened, opened.objects, report)
        run_sheet(opened, target, count)
        report.say(f"wrote {target}")
        report.event("written", file=str(target))
        if movie:
            run_movie(opened, movie, report)
            report.say(f"wrote {movie}")
            report.event("written", file=str(movie))
