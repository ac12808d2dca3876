"""``trackmatte nuke``: put the folder for Nuke where Nuke looks."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

import trackmatte
from trackmatte import __version__
from trackmatte.cli.options import Talk
from trackmatte.errors import MissingPartError, OutputError
from trackmatte.files import write_bytes, write_error
from trackmatte_client.protocol import places

RECORD = "trackmatte.json"
"""In the installed folder: the version, and what every file of ours was."""

app = App(name="nuke", help="Trackmatte in Nuke (13 and later): docs/hosts/nuke.md.")


@app.command
def install(
    *,
    dest: Annotated[
        Path | None,
        Parameter(name="--dest", help="Folder to make, for NUKE_PATH; ~/.nuke/trackmatte unless given."),
    ] = None,
    register: Annotated[
        bool, Parameter(name="--register", negative="", help="Add the one line to ~/.nuke/init.py as well.")
    ] = False,
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """Put the folder for Nuke in place; a folder with anything else in it is never touched."""
    from trackmatte.server.run import record_install

    report = talk.report()
    folder = (dest or Path.home() / ".nuke" / "trackmatte").absolute()
    check_ours(folder)
    put(folder)
    report.say(f"installed {folder}")
    report.event("installed", path=str(folder))
    report.say(f"Nuke finds this engine through {record_install()}")
    line = f"nuke.pluginAddPath({json.dumps(folder.as_posix(), ensure_ascii=False)})"
    start = Path.home() / ".nuke" / "init.py"
    if register:
        added = add_line(start, line)
        report.say(f"added to {start}" if added else f"{start} has the line already")
    else:
        report.say(f"add this line to {start} (or use --register), or put the folder on NUKE_PATH:")
        report.say(f"    {line}")
    report.say("then start Nuke: Nodes > Trackmatte; Trackmatte > Self-test tries it out")


def sources() -> Path:
    """Return the sources of the folder: in the wheel, or in a checkout.

    Raises
    ------
    MissingPartError : this installation has neither.
    """
    package = Path(trackmatte.__file__).parent
    for place in (package / "hosts" / "nuke", package.parent.parent / "hosts" / "nuke"):
        if (place / "build.py").is_file():
            return place
    raise MissingPartError("this installation has no folder for Nuke; install Trackmatte from its wheel")


def check_ours(folder: Path) -> None:
    """Make sure that a folder holds nothing but an earlier installation as it was made.

    Raises
    ------
    OutputError : it holds something else; the message names it.
    """
    if not os.path.lexists(folder):
        return
    if not folder.is_dir() or folder.is_symlink():
        raise OutputError(f"{folder} is there and is no folder of ours; name another one with --dest")
    have = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir() and not _cached(p)}
    if not have:
        return
    known: dict[str, str] = {}
    with suppress(OSError, ValueError, KeyError, TypeError):
        known = dict(json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"])
    foreign = sorted(n for n in have - {RECORD} if _sum(folder / n) != known.get(n))
    if not known or foreign:
        name = foreign[0] if foreign else RECORD
        raise OutputError(
            f"{folder} holds {name}, which this command did not put there or which was changed since; "
            "move it away, or name another folder with --dest"
        )


def put(folder: Path) -> None:
    """Make the folder anew: complete, or not at all.

    Raises
    ------
    OutputError : it cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".trackmatte-", dir=folder.parent) as scratch:
            new, old = Path(scratch) / "new", Path(scratch) / "old"
            _builder().stage(new, Path(places.__file__).parent.parent)
            sums = {p.relative_to(new).as_posix(): _sum(p) for p in sorted(new.rglob("*")) if p.is_file()}
            record = {"version": __version__, "files": sums}
            (new / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
            if folder.exists():
                folder.rename(old)
            try:
                new.rename(folder)
            except OSError:
                if old.exists():
                    old.rename(folder)
                raise
    except OSError as e:
        raise write_error(folder, e) from e


def add_line(start: Path, line: str) -> bool:
    """Add a line at the end of Nuke's start-up file; return whether it was not there yet.

    Raises
    ------
    OutputError : the file cannot be read or written.
    """
    try:
        text = start.read_text(encoding="utf-8") if start.exists() else ""
    except (OSError, ValueError) as e:
        raise OutputError(f"{start} cannot be read ({e}); add this line to it: {line}") from e
    if any(line in have and not have.lstrip().startswith("#") for have in text.splitlines()):
        return False
    gap = "" if not text or text.endswith("\n") else "\n"
    new = f"{text}{gap}import nuke; {line}  # added by: trackmatte nuke install --register\n"
    write_bytes(start.resolve(), new.encode())
    return True


def _builder() -> Any:
    spec = importlib.util.spec_from_file_location("trackmatte_nuke_build", sources() / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _cached(path: Path) -> bool:
    return "__pycache__" in path.parts
