"""The client alone: what it is made of, where it looks, what it understands."""

from __future__ import annotations

import ast
import dataclasses
import json
import os
import stat
import subprocess
import sys
import tempfile
import types
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from platformdirs.macos import MacOS
from platformdirs.unix import Unix
from platformdirs.windows import Windows, get_win_folder_from_env_vars

from tests.contract import protocol_tables
from tests.engines import ROOT
from trackmatte_client import Client, EngineError, EngineMissing, engine, wire
from trackmatte_client.protocol import events, places
from trackmatte_client.protocol import messages as m

PACKAGE = ROOT / "plugin" / "trackmatte_client"
FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without an engine: no variable, no record, nothing on the search path."""
    for name in ("TRACKMATTE_PYTHON", "XDG_RUNTIME_DIR", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRACKMATTE_RUNTIME", str(tmp_path / "run"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "run").mkdir(mode=0o700)
    return tmp_path


@pytest.mark.parametrize("path", FILES, ids=[str(f.relative_to(PACKAGE)) for f in FILES])
def test_it_is_python_3_7_with_the_standard_library_and_relative_imports(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 7))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {a.name.split(".")[0] for a in node.names} <= sys.stdlib_module_names
        if isinstance(node, ast.ImportFrom) and not node.level:
            assert (node.module or "").split(".")[0] in sys.stdlib_module_names
        # Syntax that feature_version lets through.
        assert not isinstance(node, ast.TryStar | ast.NamedExpr)


def pythons() -> list[str]:
    """Interpreters from 3.7 on that lie about here."""
    found = {sys.executable: sys.version_info[:2]}
    for folder in os.environ.get("PATH", "").split(os.pathsep) + [str(p) for p in _pyenv()]:
        for minor in range(7, 16):
            program = Path(folder) / f"python3.{minor}"
            if (3, minor) not in found.values() and program.is_file() and _runs(program):
                found[str(program)] = (3, minor)
    return list(found)


def _pyenv() -> list[Path]:
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    return sorted((root / "versions").glob("3.*/bin"))


def _runs(program: Path) -> bool:
    return subprocess.run([program, "-S", "-c", ""], capture_output=True, check=False).returncode == 0


PYTHONS = pythons()

SELF_TEST = """
import sys
sys.path[:] = [sys.argv[1], *(p for p in sys.path if "site-packages" not in p)]
import json, vendored.trackmatte_client as t
from vendored.trackmatte_client import wire
from vendored.trackmatte_client.protocol import messages as m, events
prompt = m.Prompt(3, points=((.1, .2, 1),), scribbles=(m.Scribble(((.1, .2),)),), box=(0, 0, 1., 1))
text = json.dumps(wire.encode(m.PutPrompt(7, prompt)))
assert wire.decode(m.PutPrompt, json.loads(text)) == m.PutPrompt(7, prompt), text
for kind in events.EVENTS.values():
    try: wire.decode(kind, {"event": 3})
    except t.EngineError as e: assert e.code == "malformed"
    else: raise AssertionError(kind)
try: wire.decode(m.JobState, {"job": "1", "shot": "s", "kind": "track", "status": "odd", "seq": 1})
except t.EngineError as e: assert "'odd' is none of ('queued', " in e.message
print(t.find())
"""


@pytest.mark.parametrize("python", PYTHONS)
def test_it_works_vendored_under_every_python_here(python: str, home: Path) -> None:
    (home / "vendored").mkdir()
    (home / "vendored" / "__init__.py").touch()
    (home / "vendored" / "trackmatte_client").symlink_to(PACKAGE)
    done = subprocess.run(
        [python, "-B", "-W", "error", "-S", "-c", SELF_TEST, str(home)],
        capture_output=True, text=True, check=False, env={"TRACKMATTE_RUNTIME": str(home / "run")},
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "None", "")


def test_a_python_3_7_is_among_them() -> None:
    if not any("3.7" in p for p in PYTHONS):
        pytest.skip("no Python 3.7 here; the syntax was checked all the same")


def test_every_field_is_understood_as_by_the_standard_library() -> None:
    def plain(hint: Any) -> Any:
        """Take aliases of `typing` off."""
        if get_origin(hint) in (Union, types.UnionType):
            left, right = (plain(a) for a in get_args(hint))
            return left | right
        if get_origin(hint) is tuple:
            return tuple[tuple(plain(a) for a in get_args(hint))]
        return dict[get_args(hint)] if get_origin(hint) is dict else hint

    kinds = [*protocol_tables.classes(m), *events.EVENTS.values()]
    assert len(kinds) > 30
    for kind in kinds:
        said = {n: plain(h) for n, h in get_type_hints(kind).items()}
        ours = {n: plain(h) | None if none else plain(h) for n, (h, none) in wire.hints(kind).items()}
        assert ours == said, kind


def test_folders_are_those_of_platformdirs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRACKMATTE_RUNTIME")
    monkeypatch.setattr(tempfile, "tempdir", str(home / "tmp"))
    linux = Unix("trackmatte", appauthor=False)
    monkeypatch.setattr(sys, "platform", "linux")
    (home / "session").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "session"))
    assert places.runtime_folder() == linux.user_runtime_path == home / "session" / "trackmatte"
    assert places.data_folder() == linux.user_data_path
    monkeypatch.delenv("XDG_DATA_HOME")
    assert places.data_folder() == Unix("trackmatte", appauthor=False).user_data_path
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr(sys, "platform", "darwin")
    mac = MacOS("trackmatte", appauthor=False)
    assert places.data_folder() == mac.user_data_path
    assert places.runtime_folder() == mac.user_runtime_path
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(home / "AppData" / "Local"))
    # Away from Windows there is only what its known folders are mirrored in.
    monkeypatch.setattr("platformdirs.windows.get_win_folder", get_win_folder_from_env_vars)
    windows = Windows("trackmatte", appauthor=False)
    assert places.runtime_folder() == windows.user_runtime_path
    assert places.data_folder() == windows.user_data_path


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_a_session_folder_that_others_may_enter_is_not_used(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRACKMATTE_RUNTIME")
    shared = home / "shared"
    shared.mkdir(mode=0o700)
    shared.chmod(0o777)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(shared))
    assert shared not in places.runtime_folder().parents
    shared.chmod(0o700)
    assert places.runtime_folder() == shared / "trackmatte"


def record(home: Path, **said: Any) -> None:
    path = home / "data" / "trackmatte" / "engine.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(said))


def program(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\nexit 3\n")
    path.chmod(0o755)
    return path


def test_which_engine_is_taken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineMissing, match=r"pip install trackmatte.*serve --record"):
        engine.engine_command()
    on_path = program(home / "bin", "trackmatte")
    assert engine.engine_command() == [str(on_path), "serve"]
    recorded = program(home / "bin", "recorded")
    record(home, python=str(recorded))
    assert engine.engine_command() == [str(recorded), "-P", "-m", "trackmatte", "serve"]
    chosen = program(home / "bin", "chosen")
    monkeypatch.setenv("TRACKMATTE_PYTHON", str(chosen))
    assert engine.engine_command()[0] == str(chosen)
    chosen.unlink()
    with pytest.raises(EngineMissing, match=r"TRACKMATTE_PYTHON names .*chosen, which is not there"):
        engine.engine_command()
    monkeypatch.delenv("TRACKMATTE_PYTHON")
    recorded.unlink()
    with pytest.raises(EngineMissing, match=r"engine\.json names .*recorded"):
        engine.engine_command()
    record(home, python=None)
    assert engine.engine_command() == [str(on_path), "serve"]


def test_the_hosts_python_does_not_reach_the_engine() -> None:
    kept = {"PATH": "/bin", "HOME": "/h", "FAKE": "1", "XDG_DATA_HOME": "/d", "CUDA_VISIBLE_DEVICES": "0"}
    host = {
        "PYTHONPATH": "x", "PYTHONHOME": "x", "PYTHONSTARTUP": "x", "CONDA_PREFIX": "x", "_CONDA_ROOT": "x",
        "LD_LIBRARY_PATH": "x", "LD_PRELOAD": "x", "DYLD_INSERT_LIBRARIES": "x", "VIRTUAL_ENV": "x",
    }  # fmt: skip
    assert engine.scrubbed({**kept, **host}) == kept
    restored = engine.scrubbed({**kept, **host, "LD_LIBRARY_PATH_ORIG": "/opt/lib"})
    assert restored == {**kept, "LD_LIBRARY_PATH": "/opt/lib"}


def test_an_engine_that_cannot_start_says_why(home: Path) -> None:
    with pytest.raises(EngineMissing, match=r"cannot be started with /nowhere/python"):
        engine.start(["/nowhere/python", "serve"])
    broken = [
        sys.executable,
        "-c",
        "import sys; print('first', flush=True); sys.exit('ImportError: no module numpy')",
    ]
    with pytest.raises(EngineMissing, match=r"ended at once \(1\): ImportError: no module numpy"):
        engine.start(broken)
    with pytest.raises(EngineMissing, match=r"did not answer within 0\.3 seconds; .*engine\.log"):
        engine.start([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.3)
    assert stat.S_IMODE((home / "run").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"port": "x", "token": "t", "pid": 1}', '{"port": 1}']
)
def test_a_damaged_file_is_no_engine(home: Path, text: str) -> None:
    (home / "run" / "engine.json").write_text(text)
    assert engine.find() is None


def test_a_file_that_is_not_the_users_is_named(home: Path) -> None:
    (home / "run" / "engine.json").mkdir()  # unreadable for root as well, which runs tests in containers
    with pytest.raises(EngineMissing, match=r"engine\.json cannot be read .* delete it"):
        engine.find()


def test_methods_of_the_client_go_by_the_protocol(home: Path) -> None:  # noqa: ARG001
    assert not hasattr(Client, "ask")
    for kind in (c for c in vars(m).values() if isinstance(c, type) and dataclasses.is_dataclass(c)):
        assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]


def test_decoding_is_strict_about_types_and_lenient_about_new_fields() -> None:
    good = {
        "event": "progress",
        "seq": 1,
        "stage": "track",
        "frame": 2,
        "done": 1,
        "of": 3,
        "fps": 2,
        "eta": 1.5,
    }
    event = wire.decode(events.ProgressEvent, {**good, "new": [1, {"a": 2}]})
    assert event == events.ProgressEvent(1, "track", 2, 1, 3, 2.0, 1.5)
    assert isinstance(event.fps, float)
    for wrong in ({"seq": "1"}, {"seq": True}, {"seq": 1.0}, {"event": "state"}, {"fps": None}, {"note": 3}):
        with pytest.raises(EngineError, match="no ProgressEvent"):
            wire.decode(events.ProgressEvent, {**good, **wrong})
    for text in ([], None, "x", {"shots": [1], "paths": []}, {"shots": "ab", "paths": []}, {"shots": []}):
        with pytest.raises(EngineError, match="no ShotList"):
            wire.decode(m.ShotList, text)
    with pytest.raises(EngineError, match="no SetRange"):
        wire.decode(m.SetRange, {"revision": 1, "range": [1, 2, 3]})
    assert wire.decode(m.SetRange, {"revision": 1, "range": None}).range is None


def test_a_token_is_not_shown() -> None:
    from trackmatte_client import Address

    assert "secret" not in repr(Address(1, "secret"))
