"""The folder for Nuke: what is in it, that Nuke's oldest Python reads it, the command that installs it."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.nuke.conftest import HOST, ROOT, load, starting
from trackmatte.cli import main, nuke
from trackmatte.errors import OutputError

OURS = {"nuke", "nukescripts", "trackmatte_nuke", "PySide6", "PySide2"}
FIXTURE = """
import nuke

node: nuke.Node = nuke.createNode("Trackmatte", inpanel=False)
nuke.executeInMainThread(print, args=(1,))
{line}
"""


def test_the_folder_has_all_that_nuke_needs(folder: Path) -> None:
    assert {p.name for p in folder.iterdir()} == {"init.py", "menu.py", "Cattery", "trackmatte_nuke"}
    assert not list(folder.rglob("*.pyc"))
    assert (folder / "trackmatte_nuke" / "trackmatte_client" / "protocol" / "messages.py").is_file()
    said = json.loads((folder / "Cattery" / "Trackmatte" / "cat.json").read_text())
    assert said["minimum_nuke_version_required"] == 13.0
    for cat in said["cats"]:
        assert (folder / "Cattery" / "Trackmatte" / cat["filepath"]).is_file()


def test_only_what_nuke_brings_is_imported(folder: Path) -> None:
    wrong = []
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            wrong += [
                (path.name, n) for n in names if n.split(".")[0] not in OURS | set(sys.stdlib_module_names)
            ]
    assert wrong == []


def test_nothing_but_the_nodes_side_imports_nuke(folder: Path) -> None:
    package = folder / "trackmatte_nuke"
    found = {p.stem for p in package.glob("*.py") if "import nuke\n" in p.read_text(encoding="utf-8")}
    assert found == {
        "commands", "knobs", "making", "node", "reads", "rendering", "results", "selftest", "undo"
    }  # fmt: skip
    assert not [p for p in package.glob("*/*.py") if "import nuke" in p.read_text(encoding="utf-8")]


def test_nuke_13s_python_reads_it(folder: Path, tmp_path: Path) -> None:
    def newer(place: Path) -> set[str]:
        """Return what is newer than Python 3.7."""
        vermin = Path(sys.executable).with_name("vermin")
        done = subprocess.run(
            [vermin, "-t=3.7-", "--no-tips", "--format", "parsable", place],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        found = [line.split(":") for line in done.stdout.splitlines()]
        assert len(found) > 2
        rows = [(int(f[-2].split(".")[1]), f[-1]) for f in found if f[-1] and re.match(r"^3\.\d+$", f[-2])]
        return {feature for minor, feature in rows if minor > 7}

    # Imported behind a look at the version, and annotations that nothing evaluates.
    typing = {"'typing.Literal' member", "'typing.Protocol' member", "literal variable annotations"}
    assert newer(folder) <= typing
    (tmp_path / "new.py").write_text(
        "import math\nprint(math.dist([0], [1]))\nprint('a'.removesuffix('b'))\n"
    )
    assert newer(tmp_path) == {"'math.dist' member", "'str.removesuffix' member"}
    (tmp_path / "new.py").write_text("if (n := 1):\n    print(n)\n")
    assert load(HOST / "build.py").too_new(tmp_path) != []


def test_nuke_14s_python_imports_it(folder: Path) -> None:
    python = shutil.which("pypy3") or shutil.which("python3.9")
    if python is None:
        pytest.skip("needs a Python 3.9, such as Debian's pypy3")
    code = f"""
import importlib, pathlib, sys, types
class Anything(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return object
sys.modules["nuke"] = Anything("nuke")
sys.path.insert(0, {str(folder)!r})
for path in sorted(pathlib.Path({str(folder / "trackmatte_nuke")!r}).rglob("*.py")):
    if "panel" not in path.parts:
        words = path.relative_to({str(folder)!r}).with_suffix("").parts
        importlib.import_module(".".join(w for w in words if w != "__init__"))
print(sys.version_info[:2])
"""
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("(3, 9)", "")


@pytest.mark.parametrize(
    ("loaded", "there", "taken"),
    [
        (["PySide2"], ["PySide2", "PySide6"], "PySide2"),
        (["PySide6"], ["PySide2", "PySide6"], "PySide6"),
        ([], ["PySide2", "PySide6"], "PySide6"),
        ([], ["PySide2"], "PySide2"),
    ],
)
def test_the_qt_that_the_host_has_loaded_is_taken(
    loaded: list[str], there: list[str], taken: str, tmp_path: Path
) -> None:
    for name in there:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(
            "class QtCore:\n    Qt = None\nQtGui = QtWidgets = QtCore\n"
        )
    source = HOST / "trackmatte_nuke" / "panel" / "qt.py"
    head = source.read_text(encoding="utf-8").partition("Qt = QtCore.Qt")[0]
    code = f"import sys; sys.path[:] = [{str(tmp_path)!r}, *sys.path]\n"
    code += "".join(f"import {name}\n" for name in loaded)
    (tmp_path / "run.py").write_text(head.replace("import sys", code, 1) + "\nprint(QtCore.__module__)\n")
    done = subprocess.run(
        [sys.executable, "-S", tmp_path / "run.py"], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == (taken, "")


def test_types_are_held_to_nukes_own(folder: Path, tmp_path: Path) -> None:
    def checked(*what: str) -> str:
        words = [
            "--strict",
            "--config-file=",
            "--ignore-missing-imports",
            "--cache-dir",
            str(tmp_path / "cache"),
        ]
        done = subprocess.run(
            [sys.executable, "-m", "mypy", *words, *what],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout

    assert checked("-p", "trackmatte_nuke").startswith("Success")
    # The controls: a function and an argument that Nuke does not have.
    for line, said in (
        ("nuke.createNodes('Blur')", '"createNodes"'),
        ("nuke.root().name(1)", "Too many arguments"),
    ):
        (tmp_path / "made_up.py").write_text(FIXTURE.format(line=line))
        assert said in checked(str(tmp_path / "made_up.py"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_install_puts_the_folder_where_nuke_looks(
    home: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["nuke", "install"]) == 0
    made = home / ".nuke" / "trackmatte"
    have = files(made)
    record = json.loads(have.pop(nuke.RECORD))
    assert have == files(folder)
    assert set(record["files"]) == set(have)
    assert list((home / ".nuke").iterdir()) == [made]
    said = capsys.readouterr().err
    line = f'nuke.pluginAddPath("{made}")'
    assert line in said
    assert not (home / ".nuke" / "init.py").exists()
    with starting(made) as running:
        assert running.of(running.node()).alive()


def test_the_line_is_added_once_and_only_when_asked_for(home: Path) -> None:
    start = home / ".nuke" / "init.py"
    start.parent.mkdir()
    start.write_text("# mine\nprint('hello')")
    assert main(["nuke", "install", "--register"]) == 0
    added = "  # added by: trackmatte nuke install --register"
    line = f'import nuke; nuke.pluginAddPath("{home}/.nuke/trackmatte"){added}'
    assert start.read_text() == f"# mine\nprint('hello')\n{line}\n"
    assert main(["nuke", "install", "--register"]) == 0
    assert start.read_text().count("pluginAddPath") == 1
    start.write_text(f"#{line}\n")
    assert main(["nuke", "install", "--register"]) == 0
    assert start.read_text().splitlines()[1] == line


def test_what_is_not_ours_is_never_touched(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dest = home / "tools" / "tm"
    dest.mkdir(parents=True)
    assert main(["nuke", "install", "--dest", str(dest)]) == 0  # it was empty
    before = files(dest)
    (dest / "mine.gizmo").write_text("Group {\n}\n")
    assert main(["nuke", "install", "--dest", str(dest)]) == 6
    assert f"{dest} holds mine.gizmo, which this command did not put there" in capsys.readouterr().err
    (dest / "mine.gizmo").unlink()
    (dest / "menu.py").write_text("# changed\n")
    assert main(["nuke", "install", "--dest", str(dest)]) == 6
    assert "holds menu.py" in capsys.readouterr().err
    assert (dest / "menu.py").read_text() == "# changed\n"
    (dest / "menu.py").write_bytes(before["menu.py"])
    (dest / "trackmatte_nuke" / "__pycache__").mkdir()
    (dest / "trackmatte_nuke" / "__pycache__" / "x.pyc").write_bytes(b"Nuke's own")
    assert main(["nuke", "install", "--dest", str(dest)]) == 0
    assert files(dest) == before
    other = home / "other"
    other.mkdir()
    (other / "init.py").write_text("print()\n")
    assert main(["nuke", "install", "--dest", str(other)]) == 6
    assert files(other) == {"init.py": b"print()\n"}
    (home / "file").write_text("")
    assert main(["nuke", "install", "--dest", str(home / "file")]) == 6
    assert [p.name for p in (home / "tools").iterdir()] == ["tm"]


def test_an_installation_that_fails_leaves_the_old_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dest = home / "tm"
    nuke.put(dest)
    before, rename = files(dest), Path.rename

    def fails(self: Path, target: Any) -> Any:
        if self.name == "new":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(OutputError, match="tm"):
        nuke.put(dest)
    assert files(dest) == before
    assert [p.name for p in home.iterdir()] == ["tm"]


def test_the_wheel_brings_the_folder(tmp_path: Path) -> None:
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("needs hatchling to build a wheel")
    import zipfile

    words = ["-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = [n for n in wheel.namelist() if n.startswith("trackmatte/hosts/nuke/")]
    have = {
        p.relative_to(HOST).as_posix()
        for p in HOST.rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    assert {n.removeprefix("trackmatte/hosts/nuke/") for n in names} == have
