"""Find the engine, start it, say what is wrong with it."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import engine
from .client import Client
from .errors import EngineMissing


def command(python: str) -> list[str] | None:
    """Return what starts the engine of a Python the user chose; None = whatever is installed.

    Raises
    ------
    EngineMissing : there is no such program.
    """
    chosen = python.strip().strip('"')
    if not chosen:
        return None
    if shutil.which(chosen) is None:
        raise EngineMissing(
            f"{chosen} is not there or cannot be run; press Find, or choose the Python that has Trackmatte"
        )
    if Path(chosen).stem.lower().startswith("trackmatte"):
        return [chosen, "serve"]
    return [chosen, "-P", "-m", "trackmatte", "serve"]


def connect(python: str = "") -> Client:
    """Return a client of the running engine, started first when there is none.

    Raises
    ------
    EngineMissing, EngineTooOld, ClientTooOld : with a sentence for people.
    """
    return engine.find_or_start(command(python))


def installed() -> str:
    """Return the program that starts the engine.

    Raises
    ------
    EngineMissing : nothing is installed; the message says what to do.
    """
    return engine.engine_command()[0]


def describe(python: str = "") -> list[str]:
    """Start the engine and say what it can do, in lines for people.

    Raises
    ------
    EngineError : it cannot be used; the message says why.
    """
    client = connect(python)
    hello, can = client.hello(), client.capabilities()
    said = [f"engine {hello.engine}, protocol {hello.protocol}, process {hello.pid}"]
    said.append(f"automatic tracker: {can.tracker} ({can.tracker_why})")
    said.append(f"automatic refiner: {can.refiner} ({can.refiner_why})")
    for kind, parts in (("tracker", can.trackers), ("refiner", can.refiners)):
        said += [f"{kind} {p.name} cannot run here: {p.why}" for p in parts if not p.available]
    return said
