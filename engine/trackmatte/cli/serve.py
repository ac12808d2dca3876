"""``trackmatte serve`` and ``trackmatte web``: the engine for hosts and for the browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from cyclopts import Parameter

from trackmatte.cli.options import Clip, RefinerOption, SelectOption, Talk, TrackerOption
from trackmatte.cli.report import Report
from trackmatte.cli.work import new_shot
from trackmatte.errors import MissingPartError, UsageError
from trackmatte.media import open_clip
from trackmatte.shot import SUFFIX, Shot
from trackmatte.shot.exporting import clip_stem

Port = Annotated[int, Parameter(name="--port", help="Port on 127.0.0.1; 0 = the system chooses a free one.")]
Idle = Annotated[
    float,
    Parameter(name="--idle", help="Seconds without a request or a job after which it ends; 0 = never."),
]


def serve(
    *,
    port: Port = 0,
    idle: Idle = 900.0,
    record: Annotated[
        bool, Parameter(name="--record", negative="", help="Only let hosts know where this engine is.")
    ] = False,
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """Serve hosts and the web page on this machine, for this user; hosts start it by themselves."""
    from trackmatte.server.run import Running, record_install
    from trackmatte.server.run import serve as run

    report = talk.report()
    if record:
        report.say(f"hosts find this engine through {record_install()}")
        return
    if idle < 0:
        raise UsageError(f"--idle {idle:g} is no time; give seconds, or 0 for never")

    def ready(at: Running) -> None:
        report.event("serving", port=at.port, pid=at.pid)
        report.say(f"serving at {at.url}; Ctrl-C ends it")

    try:
        run(port=port, idle=idle, ready=ready)
    except KeyboardInterrupt:
        report.say("ended")


def web(
    clip: Clip,
    /,
    *,
    shot: Annotated[
        Path | None,
        Parameter(
            name="--shot",
            help="The shot file, made if it is not there; CLIP.shot.json in this folder unless given.",
        ),
    ] = None,
    tracker: TrackerOption = "auto",
    refiner: RefinerOption = "auto",
    select: SelectOption = None,
    port: Port = 0,
    idle: Idle = 900.0,
    browser: Annotated[bool, Parameter(name="--browser", help="Open the page in a browser.")] = True,
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """Track and matte a clip in the browser, on this machine."""
    from trackmatte.server.app import WEB
    from trackmatte.server.run import Running, running
    from trackmatte.server.run import serve as run

    report = talk.report()
    if not (WEB / "index.html").is_file():
        raise MissingPartError("this installation has no web page; install Trackmatte from its wheel")
    path = shot_file(clip, shot, report, tracker=tracker, refiner=refiner, select=select)

    def show(at: Running) -> None:
        # The fragment stays in the browser: no request and no log ever holds the token.
        url = f"{at.url}/#token={quote(at.token, safe='')}&shot={quote(str(path), safe='')}"
        report.event("page", url=url, shot=str(path))
        report.say(f"open {url}")
        if browser:
            webbrowser.open(url)

    if found := running():
        show(found)
        return
    try:
        run(port=port, idle=idle, ready=show)
    except KeyboardInterrupt:
        report.say("ended")


def shot_file(
    clip: str, shot: Path | None, report: Report, *, tracker: str, refiner: str, select: str | None
) -> Path:
    """Return the absolute path of the clip's shot file, made if it is not there.

    Raises
    ------
    UsageError : it would lie between the clip's images.
    ShotError : the file there is about another clip.
    """
    path = (shot or Path(f"{clip_stem(clip)}{SUFFIX}")).absolute()
    if path.exists():
        with Shot.open(path) as opened, open_clip(clip) as given:
            if given.identity() != opened.doc.source.identity:
                raise UsageError(f"{path} is about another clip; name another file with --shot")
        return path
    with new_shot(
        path,
        clip,
        report,
        tracker=tracker,
        refiner=refiner,
        settings=[],
        select=select,
        frames=None,
        input_colorspace=None,
        handles=0,
        grid=None,
        on_error="stop",
    ) as made:
        place = made.clip.path
        home = place if place.is_dir() else place.parent
        if not place.is_file() and home.resolve() == path.parent.resolve():
            raise UsageError(f"{path} would lie between the clip's images; name another file with --shot")
        made.save()
    return path
