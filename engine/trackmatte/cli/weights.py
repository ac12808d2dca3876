"""``trackmatte weights``: see, get and check model weights."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from trackmatte import weights
from trackmatte.cli.options import Overwrite, Talk
from trackmatte.cli.report import Report
from trackmatte.errors import MissingPartError
from trackmatte.weights import NOT_PUBLISHED, Family, Status, Tell, Weights

app = App(
    name="weights",
    help="Model weights: which are known, which are here, how to get them. Only fetch downloads anything.",
)

Name = Annotated[str, Parameter(help="As in: trackmatte weights list.")]
_EVENT_SECONDS = 0.5
_SAYS: dict[Status, str] = {
    "ok": "as it should be",
    "damaged": "damaged or another file: move it away and get it again",
    "missing": "not installed",
    "unproven": f"a sum is {NOT_PUBLISHED}; what it is now is remembered, so later damage will show",
}


@app.command(name="list")
def list_weights(*, talk: Talk = Talk()) -> None:  # noqa: B008
    """Show all weights: what they are, their licences, whether they are here, and where they come from."""
    report = talk.report()
    rows = [("name", "family", "size", "licence", "commercial", "installed", "source")]
    for w in (*weights.known(), *weights.own()):
        report.event("weights", **_fields(w))
        rows.append((w.name, w.family, _size(w), w.licence, _commercial(w), _installed(w), w.url or w.note))
    for note in weights.notes():
        report.note(note)
    if not (report.json or report.quiet):
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            print("  ".join(map(str.ljust, row, widths)).rstrip())
    report.say(f"folder: {weights.folder()}")


def _fields(w: Weights) -> dict[str, Any]:
    return {
        "name": w.name,
        "file": w.file,
        "family": w.family,
        "size": w.size,
        "sha256": w.sha256,
        "licence": w.licence,
        "commercial": w.commercial,
        "installed": _installed(w),
        "source": w.url,
        "note": w.note,
    }


def _size(w: Weights) -> str:
    return f"{w.size / 1e6:.0f} MB" if w.size is not None else NOT_PUBLISHED


def _commercial(w: Weights) -> str:
    return "see licence" if w.commercial is None else "yes" if w.commercial else "no"


def _installed(w: Weights) -> str:
    if weights.find(w.name):
        return "yes"
    return "damaged" if (weights.folder() / w.file).exists() else "no"


@app.command
def path(name: Name, /, *, talk: Talk = Talk()) -> None:  # noqa: B008
    """Print where the weights are; fails with the way to get them when they are not."""
    report = talk.report()
    found = weights.require(name)
    report.event("weights", name=weights.get(name).name, path=str(found))
    if not (report.json or report.quiet):
        print(found)


@app.command
def fetch(name: Name, /, *more: Name, talk: Talk = Talk()) -> None:  # noqa: B008
    """Download published weights; a download that broke off goes on where it was."""
    report = talk.report()
    for each in (name, *more):
        w = weights.get(each)
        here = weights.find(each) is not None
        report.say(f"{w.name}: {w.licence}, commercial use: {_commercial(w)}{'; ' if w.note else ''}{w.note}")
        with _telling(report, w) as tell:
            found = weights.fetch(each, progress=tell)
        report.event("weights", name=w.name, path=str(found), sha256=weights.sha256(each))
        report.say(f"{found} {'was here already' if here else 'is installed'}")


@contextmanager
def _telling(report: Report, w: Weights) -> Iterator[Tell]:
    """Yield what to call with the bytes so far: it draws a bar, sends events, or does nothing."""
    if report.json:
        yield _events(report, w)
        return
    with Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=report.console,
        disable=report.quiet or not report.console.is_terminal,
        transient=True,
    ) as bars:
        task = bars.add_task(w.name, total=w.size)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _events(report: Report, w: Weights) -> Tell:
    last = [0.0]

    def tell(done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - last[0] >= _EVENT_SECONDS or done == total:
            last[0] = now
            report.event("progress", stage="fetch", name=w.name, done=done, total=total)

    return tell


@app.command
def add(
    file: Annotated[Path, Parameter(help="A file of weights; it is copied into the folder.")],
    /,
    *,
    name: Annotated[
        str | None, Parameter(name="--name", help="What to call it; the file's name unless given.")
    ] = None,
    config: Annotated[
        str | None,
        Parameter(
            name="--config",
            metavar="FILE",
            help="SAM 2 configuration: a YAML file, or a path inside the sam2 package such as "
            "configs/sam2.1/sam2.1_hiera_t.yaml.",
        ),
    ] = None,
    licence: Annotated[
        str | None, Parameter(name="--licence", metavar="TEXT", help="Its licence, to be shown in lists.")
    ] = None,
    family: Annotated[
        Family | None,
        Parameter(name="--family", help="What can use it; sam2 when there is a --config, unless given."),
    ] = None,
    overwrite: Overwrite = False,
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """Copy a file of weights that you have into the folder; a published one is recognised."""
    report = talk.report()
    added = weights.add(file, name=name, config=config, licence=licence, family=family, overwrite=overwrite)
    report.event("weights", **_fields(added))
    report.say(f"{weights.folder() / added.file} is installed as {added.name}")


@app.command
def verify(*names: Name, talk: Talk = Talk()) -> None:  # noqa: B008
    """Read the files whole and compare them with what is published; all installed ones unless named.

    Exits with 7 when one is damaged, or one that was named is missing.
    """
    report = talk.report()
    here = [w.name for w in (*weights.known(), *weights.own()) if _installed(w) != "no"]
    bad = []
    for name in names or here:
        status = weights.verify(name)
        report.event("verified", name=name, status=status)
        report.say(f"{name}: {_SAYS[status]}")
        if status in ("damaged", "missing"):
            bad.append(name)
    if not (names or here):
        report.say("no weights are installed; see: trackmatte weights list")
    if bad:
        raise MissingPartError(
            f"{', '.join(bad)} cannot be used; move damaged files out of {weights.folder()}, "
            "then: trackmatte weights fetch NAME"
        )
