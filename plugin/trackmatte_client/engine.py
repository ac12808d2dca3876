"""Find the running engine, or start the installed one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .client import Address, Client
from .errors import EngineError, EngineMissing
from .protocol import places

START_SECONDS = 60.0
"""How long a start may take; the first one on a machine reads much from a cold disk."""
HELLO_SECONDS = 3.0
STUCK_SECONDS = 6.0
"""How long an engine that is there may keep quiet before it counts as stuck; one at work answers at once."""
LOG = "engine.log"
_FOREIGN = ("PYTHON", "CONDA", "_CONDA", "_CE_", "VIRTUAL_ENV", "LD_", "DYLD_")
_DETACHED = 0x00000200 | 0x08000000
"""Windows: CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW."""
_children: list[subprocess.Popen[bytes]] = []


def find_or_start(command: Sequence[str] | None = None, *, timeout: float = START_SECONDS) -> Client:
    """Return a client of the running engine, started first when there is none.

    Parameters
    ----------
    command : what starts an engine; None = what was installed, see `engine_command`.
    timeout : seconds that the start may take.

    Raises
    ------
    EngineMissing : there is none, it does not start, or it runs and does not answer.
    EngineTooOld, ClientTooOld : the two do not understand each other.
    """
    found = find()
    if found is not None:
        return found
    process = stuck()
    if process:
        raise EngineMissing(unanswered(process))
    return start(command or engine_command(), timeout=timeout)


def find() -> Client | None:
    """Return a client of the running engine, or None when none answers.

    Raises
    ------
    EngineMissing : its file is there and cannot be read.
    EngineTooOld, ClientTooOld : the two do not understand each other.
    """
    client = _named()
    if client is None:
        return None
    try:
        hello = client.hello(HELLO_SECONDS)
    except EngineError as e:
        if e.code in ("engine_too_old", "client_too_old"):
            raise
        return None  # a file that a killed engine left, and perhaps another program on its port
    return client if hello.pid == client.address.pid else None


def stuck() -> int:
    """Return the process of an engine that takes connections and answers none; 0 = there is no such engine.

    Raises
    ------
    EngineMissing : its file is there and cannot be read.
    """
    client = _named()
    try:
        if client is not None:
            client.hello(STUCK_SECONDS)
    except EngineError as e:
        return client.address.pid if client is not None and e.code == "timeout" else 0
    return 0


def unanswered(process: int) -> str:
    """Return a sentence about an engine that does not answer."""
    return f"the engine (process {process}) does not answer: wait, or end that process and try again"


def _named() -> Client | None:
    """Return a client of the engine that the runtime folder names, whether it answers or not."""
    said = _read(places.runtime_folder() / places.ENGINE_FILE)
    if said is None:
        return None
    try:
        return Client(Address(int(said["port"]), str(said["token"]), int(said["pid"])))
    except (KeyError, TypeError, ValueError):
        return None


def start(command: Sequence[str], *, timeout: float = START_SECONDS) -> Client:
    """Start an engine that outlives this program, and return a client once it answers.

    Raises
    ------
    EngineMissing : it cannot be run, ends at once, or does not answer in time.
    """
    folder = places.runtime_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = folder / LOG
    mark = uuid.uuid4().hex
    process = _spawn(command, folder, log, mark)
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        ended = process.poll() is not None
        client = find()
        if client is not None:
            # Another program was quicker: ours must not take over when that one ends.
            if (_read(folder / places.ENGINE_FILE) or {}).get("starter") != mark:
                process.terminate()
            _children.append(process)
            _reap()
            return client
        if ended:
            raise EngineMissing(
                f"the engine ended at once ({process.returncode}): {_last_line(log)}; try it in a terminal: "
                f"{subprocess.list2cmdline(command)}"
            )
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise EngineMissing(f"the engine did not answer within {timeout:g} seconds; {log} says more")


def stop(client: Client) -> None:
    """Stop an engine and wait until it takes no more requests; it still finishes its job's frame in hand.

    Raises
    ------
    EngineDied : it was gone already.
    """
    client.shut_down()
    path = places.runtime_folder() / places.ENGINE_FILE
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and (_read(path) or {}).get("pid") == client.address.pid:
        time.sleep(0.05)
    _reap()


def engine_command() -> list[str]:
    """Return what starts the installed engine.

    In this order: the Python named by ``TRACKMATTE_PYTHON``, the Python that ``trackmatte serve`` wrote down
    when it last ran, ``trackmatte`` on the search path.

    Raises
    ------
    EngineMissing : there is none of them.
    """
    chosen = os.environ.get(places.PYTHON_VARIABLE)
    record = places.data_folder() / places.INSTALL_FILE
    recorded = (_read(record) or {}).get("python")
    for python, source in ((chosen, places.PYTHON_VARIABLE), (recorded, str(record))):
        if not python:
            continue
        if shutil.which(str(python)) is None:
            raise EngineMissing(
                f"{source} names {python}, which is not there; install Trackmatte again "
                "and run once: trackmatte serve --record"
            )
        # -P: no module beside the working folder may stand in for the engine's.
        return [str(python), "-P", "-m", "trackmatte", "serve"]
    program = shutil.which("trackmatte")
    if program is None:
        raise EngineMissing(
            "the Trackmatte engine was not found; install it (pip install trackmatte) and run once: "
            f"trackmatte serve --record, or let {places.PYTHON_VARIABLE} name its Python"
        )
    return [program, "serve"]


def scrubbed(environment: dict[str, str]) -> dict[str, str]:
    """Return an environment without what a host sets for its own Python and libraries.

    On systems that keep the library path of before (``LD_LIBRARY_PATH_ORIG``), that one is put back.
    """
    kept = {k: v for k, v in environment.items() if not k.upper().startswith(_FOREIGN)}
    original = environment.get("LD_LIBRARY_PATH_ORIG")
    if original:
        kept["LD_LIBRARY_PATH"] = original
    return kept


def _spawn(command: Sequence[str], folder: Path, log: Path, mark: str) -> subprocess.Popen[bytes]:
    detached: dict[str, Any] = (
        {"creationflags": _DETACHED} if sys.platform == "win32" else {"start_new_session": True}
    )
    try:
        with log.open("wb") as out:
            return subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**scrubbed(dict(os.environ)), places.STARTER_VARIABLE: mark},
                cwd=folder,
                **detached,
            )
    except OSError as e:
        raise EngineMissing(
            f"the engine cannot be started with {command[0]}: {e.strerror or e}; install it again"
        ) from e


def _read(path: Path) -> dict[str, Any] | None:
    """Return a JSON object from a file; None when it is not there or holds no such thing."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        return None
    except OSError as e:
        raise EngineMissing(
            f"{path} cannot be read ({e.strerror or e}); it must belong to you: delete it and start again"
        ) from e
    return value if isinstance(value, dict) else None


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "it said nothing"


def _reap() -> None:
    """Forget the started engines that ended, so that they leave no zombie behind."""
    _children[:] = [p for p in _children if p.poll() is None]
