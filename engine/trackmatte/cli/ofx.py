"""``trackmatte ofx``: put the plug-in where hosts look, and find the shot that it uses for a clip."""

from __future__ import annotations

import filecmp
import os
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from trackmatte.cli.options import Clip, Overwrite, Talk
from trackmatte.errors import MissingPartError, OutputError, UsageError
from trackmatte.files import write_bytes
from trackmatte.media import open_clip

app = App(name="ofx", help="The plug-in for OpenFX hosts: Resolve, Nuke, Natron, Vegas, Kdenlive.")

BUNDLE = "Trackmatte.ofx.bundle"
DISTRIBUTION = "trackmatte-ofx"
IDENTIFIER = b"org.trackmatte.Trackmatte"
_OWN = ("Info.plist", "Trackmatte.ofx")
"""The names of all files in a bundle."""


@app.command
def install(
    *,
    dest: Annotated[
        Path | None,
        Parameter(name="--dest", help="Folder of plug-ins; the system's own unless given."),
    ] = None,
    bundle: Annotated[
        Path | None,
        Parameter(name="--bundle", help=f"{BUNDLE} to install; that of {DISTRIBUTION} unless given."),
    ] = None,
    overwrite: Overwrite = False,
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """Copy the plug-in into a folder in which hosts look for plug-ins."""
    report = talk.report()
    source, folder = check_bundle(bundle or installed_bundle()), dest or system_folder()
    target = folder / BUNDLE
    if _same(source, target):
        report.say(f"{target} is up to date")
    else:
        place(source, target, overwrite=overwrite)
        report.say(f"installed {target}; start the host again")
    report.event("installed", path=str(target))
    if dest and dest.absolute() != system_folder() and not _is_searched(dest):
        report.note(f"hosts look in {dest} if the environment variable OFX_PLUGIN_PATH names it")


@app.command
def shot(
    clip: Clip,
    /,
    *,
    number: Annotated[
        int | None,
        Parameter(
            name="--number",
            validator=Number(gte=1, lt=10**7),
            help="Clip number in the plug-in, for hosts that have no field for its Media path.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, Parameter(name="--overwrite", negative="", help="Take the number from the clip that has it.")
    ] = False,
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """Print the shot file that the plug-in uses for a clip that its Media path, or its Clip number, names.

    A host whose effects have no buttons cannot track; the web page and every other command can, on this file.
    """
    from trackmatte.server.ofx.naming import session_of
    from trackmatte.server.ofx.session import SHOT_FILE
    from trackmatte.server.ofx.sessions import sessions_folder

    if overwrite and number is None:
        raise UsageError("--overwrite takes a number from another clip; name it with --number")
    path = os.path.abspath(clip)  # noqa: PTH100 (links stay as they are: the plug-in does not follow them)
    open_clip(path).close()
    folder = sessions_folder() / str(session_of(path))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as e:
        raise OutputError(f"cannot make {folder}: {e.strerror or e}; choose another TRACKMATTE_CACHE") from e
    if number is not None:
        _number(sessions_folder(), path, number, overwrite=overwrite)
    report = talk.report()
    report.event("session", path=str(folder / SHOT_FILE))
    if not report.json:
        print(folder / SHOT_FILE)


def _number(sessions: Path, path: str, number: int, *, overwrite: bool) -> None:
    """Give a clip its number, if no other clip has it or that one may lose it."""
    from trackmatte.server.ofx.naming import number_file

    file, said = number_file(sessions, number), os.fsencode(path)
    if not overwrite and file.exists() and file.read_bytes() != said:
        raise OutputError(
            f"{os.fsdecode(file.read_bytes())} has the number {number}; choose another, or take it from that "
            "clip with --overwrite"
        )
    file.parent.mkdir(mode=0o700, exist_ok=True)
    write_bytes(file, said)


def system_folder() -> Path:
    """Return the folder in which every host looks."""
    if sys.platform == "win32":
        return (
            Path(os.environ.get("COMMONPROGRAMFILES", r"C:\Program Files\Common Files")) / "OFX" / "Plugins"
        )
    return Path("/Library/OFX/Plugins" if sys.platform == "darwin" else "/usr/OFX/Plugins")


def installed_bundle() -> Path:
    """Return the bundle of the installed distribution.

    Raises
    ------
    MissingPartError : it is not installed.
    """
    try:
        files = metadata.distribution(DISTRIBUTION).files or []
        found = next(f for f in files if f.name == "Info.plist" and BUNDLE in f.parts)
    except (metadata.PackageNotFoundError, StopIteration):
        raise MissingPartError(
            f"the OFX plug-in is not installed; install it (pip install {DISTRIBUTION}), or build it with "
            "scripts/build-ofx and name the bundle with --bundle"
        ) from None
    return Path(str(found.locate())).parent.parent


def check_bundle(path: Path) -> Path:
    """Return a bundle that is one.

    Raises
    ------
    UsageError : it is not.
    """
    if not list(path.glob("Contents/*/Trackmatte.ofx")) or not _is_ours(path):
        raise UsageError(f"{path} is no {BUNDLE}; build one with scripts/build-ofx")
    return path


def place(source: Path, target: Path, *, overwrite: bool) -> None:
    """Copy a bundle to its place, whole or not at all.

    Raises
    ------
    OutputError : something else is there, or the folder cannot be written.
    """
    if os.path.lexists(target) and not (overwrite or _is_ours(target)):
        raise OutputError(f"{target} holds files of others; move them away or add --overwrite")
    new, old = (target.with_name(f".{BUNDLE}.{kind}.{os.getpid()}") for kind in ("new", "old"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, new)
        if os.path.lexists(target):
            target.rename(old)
        new.rename(target)
    except OSError as e:
        if os.path.lexists(old) and not os.path.lexists(target):
            old.rename(target)
        raise OutputError(
            f"cannot write {target}: {e.strerror or e}; run it with the rights to, or name a folder of your "
            "own with --dest"
        ) from e
    finally:
        for left in (new, old):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _is_ours(bundle: Path) -> bool:
    """Whether a folder is a bundle of this plug-in and holds nothing else."""
    if bundle.is_symlink() or not bundle.is_dir():
        return False
    try:
        files = [p for p in bundle.rglob("*") if not p.is_dir() or p.is_symlink()]
        plist = (bundle / "Contents" / "Info.plist").read_bytes()
    except OSError:
        return False
    return IDENTIFIER in plist and all(p.name in _OWN and not p.is_symlink() for p in files)


def _same(source: Path, target: Path) -> bool:
    """Whether two bundles hold the same files."""
    if not _is_ours(target):
        return False
    names = [{p.relative_to(b) for p in b.rglob("*")} for b in (source, target)]
    return names[0] == names[1] and all(
        filecmp.cmp(source / n, target / n, shallow=False) for n in names[0] if (source / n).is_file()
    )


def _is_searched(folder: Path) -> bool:
    named = os.environ.get("OFX_PLUGIN_PATH", "").split(os.pathsep)
    return folder.absolute() in {Path(p).absolute() for p in named if p}
