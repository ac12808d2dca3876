"""``trackmatte doctor``: whatever is missing or broken becomes a line, never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_cli import run
from trackmatte import doctor
from trackmatte.doctor import hosts, machine, models, packages
from trackmatte.doctor.hosts import HOSTS
from trackmatte.refiners import choose as refiner_choice
from trackmatte.trackers import choose as tracker_choice

ROOT = Path(__file__).parents[2]
FIELDS = {"event", "section", "name", "state", "detail", "enables", "remedy", "required"}
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty weights folder and no memory of what torch said."""
    monkeypatch.setenv("TRACKMATTE_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.delenv("OCIO", raising=False)
    packages.torch_probe.cache_clear()


def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every optional package be missing."""
    for module in (packages, tracker_choice, refiner_choice):
        monkeypatch.setattr(module, "find_spec", lambda _name: None)


def only(monkeypatch: pytest.MonkeyPatch, *sections: str) -> None:
    """Examine a part, to save time."""
    monkeypatch.setattr(doctor, "SECTIONS", {s: doctor.SECTIONS[s] for s in sections})


def findings(capfd: Capture, code: int = 0) -> dict[tuple[str, str], dict[str, Any]]:
    capfd.readouterr()
    assert run("doctor", "--json") == code
    out, err = capfd.readouterr()
    assert err == ""
    first, *found, last = [json.loads(line) for line in out.splitlines()]
    assert (first["event"], first["version"]) == ("doctor", 1)
    assert (last["event"], last["code"]) == ("done" if code == 0 else "error", code)
    for f in found:
        assert set(f) == FIELDS
        assert f["event"] == "finding"
        assert f["state"] in ("ok", "missing", "problem")
        assert f["state"] == "ok" or f["remedy"] or f["enables"] or f["detail"]
    assert len({(f["section"], f["name"]) for f in found}) == len(found)
    return {(f["section"], f["name"]): f for f in found}


def test_with_every_optional_thing_missing(
    capfd: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    no_torch(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = findings(capfd)
    assert {s for s, _ in found} == set(doctor.SECTIONS)
    for name, (_, extras) in packages.OPTIONAL.items():
        f = found["optional", name]
        assert f["state"] == "missing"
        assert f["remedy"] == f"pip install 'trackmatte[{','.join(extras)}]'"
        assert f["enables"]
    assert found["device", "networks"]["state"] == "missing"
    assert "takes flow" in found["weights", "auto tracker"]["detail"]
    assert "takes closed_form" in found["weights", "auto refiner"]["detail"]
    assert found["weights", "sam2 weights"]["remedy"].startswith("trackmatte weights fetch sam2")
    assert found["codecs", "prores_ks encoder"]["state"] == "ok"
    assert found["images", "openexr"]["required"]
    assert found["folders", "weights"]["state"] == "ok"
    assert not any(f["state"] == "problem" for f in found.values())


def test_the_text_names_all_that_the_events_do(capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    no_torch(monkeypatch)
    found = findings(capfd)
    assert run("doctor") == 0
    out, err = capfd.readouterr()
    assert err == ""
    for f in found.values():
        assert f["name"] in out
        if f["state"] != "ok":
            assert f["remedy"] in out
    assert run("doctor", "--quiet") == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise OSError('libcudart.so.99: cannot open')", "libcudart"),
        ("raise SystemExit(3)", "SystemExit"),
        ("import os; os._exit(7)", "exit code 7"),
    ],
)
def test_a_broken_torch_is_a_line(
    source: str, says: str, capfd: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "site" / "torch"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(source)
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(packages, "OPTIONAL", {"torch": packages.OPTIONAL["torch"]})
    only(monkeypatch, "optional", "device")
    found = findings(capfd)
    assert found["optional", "torch"]["state"] == "problem"
    assert says in found["optional", "torch"]["detail"]
    assert found["device", "networks"]["state"] == "problem"


def test_a_torch_that_hangs_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(*_args: object, **_kwargs: object) -> None:
        raise subprocess.TimeoutExpired("python", packages.SECONDS)

    monkeypatch.setattr(subprocess, "run", hangs)
    monkeypatch.setattr(packages, "find_spec", lambda _name: object())
    device = {f.name: f for f in packages.device()}
    assert device["networks"].state == "problem"
    assert "more than 120 s" in device["networks"].detail


def test_what_auto_takes_but_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "torch_probe", lambda: {"packages": {"torch": "OSError: broken"}})
    found = models._auto("tracker", lambda: ("sam2", "its checkpoint is here"))
    assert (found.state, found.remedy) == ("problem", "add --tracker flow")
    assert models._auto("tracker", lambda: ("flow", "x")).state == "ok"


def test_the_device_that_would_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(packages, "OPTIONAL", {"torch": packages.OPTIONAL["torch"]})
    monkeypatch.setenv("TRACKMATTE_DEVICE", "cpu")
    assert "would run on cpu" in {f.name: f for f in packages.device()}["networks"].detail
    monkeypatch.setattr(packages, "torch_probe", lambda: {"error": "no device abacus"})
    monkeypatch.setenv("TRACKMATTE_DEVICE", "abacus")
    wrong = {f.name: f for f in packages.device()}["networks"]
    assert (wrong.state, wrong.remedy) == ("problem", "correct TRACKMATTE_DEVICE")
    assert "abacus" in wrong.detail


def test_colour_configurations(capfd: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    only(monkeypatch, "colour")
    broken = tmp_path / "broken.ocio"
    broken.write_text("ocio_profile_version: what")
    for value in (str(tmp_path / "gone.ocio"), str(broken), str(tmp_path)):
        monkeypatch.setenv("OCIO", value)
        found = findings(capfd)["colour", "OCIO"]
        assert found["state"] == "problem"
        assert value in found["detail"]
    good = tmp_path / "good.ocio"
    good.write_text(
        "ocio_profile_version: 1\nroles:\n  default: raw\n"
        "displays:\n  d:\n    - !<View> {name: v, colorspace: raw}\n"
        "colorspaces:\n  - !<ColorSpace>\n    name: raw\n"
    )
    monkeypatch.setenv("OCIO", str(good))
    assert findings(capfd)["colour", "OCIO"]["state"] == "ok"


def test_hosts_are_found_by_path_place_and_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("blender", "Nuke15.1"):
        (tmp_path / name).write_text("#!/bin/sh\ntouch ran\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "Nuke.txt").write_text("no program")
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), str(tmp_path / "gone")]))
    monkeypatch.setenv("OFX_PLUGIN_PATH", str(tmp_path))
    natron = tmp_path / "opt" / "Natron-2.5" / "Natron"
    natron.parent.mkdir(parents=True)
    natron.touch()
    for platform, field in (("linux", "linux"), ("darwin", "mac"), ("win32", "windows")):
        changed = [hosts.Host(h.name, h.takes, h.commands) for h in HOSTS if h.name != "Natron"]
        changed.append(hosts.Host("Natron", "", **{field: (str(tmp_path / "opt" / "Natron*" / "Natron"),)}))
        monkeypatch.setattr(hosts, "HOSTS", tuple(changed))
        monkeypatch.setattr(sys, "platform", platform)
        found = {f.name: f for f in hosts.hosts()}
        if platform == "linux":  # elsewhere programs have other endings
            assert found["Blender"].detail == str(tmp_path / "blender")
            assert found["Nuke"].detail == str(tmp_path / "Nuke15.1")
        assert found["Natron"].detail == str(natron)
        assert found["OFX plug-ins"].detail == str(tmp_path)
        assert found["Kdenlive"].state == "missing"
    assert not (tmp_path / "ran").exists()


def test_folders_that_cannot_be_written_or_are_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert machine._folder("x", tmp_path / "a" / "b", "r").state == "ok"
    (tmp_path / "file").touch()
    assert "cannot be written" in machine._folder("x", tmp_path / "file" / "b", "r").detail
    monkeypatch.setattr(machine, "LOW", 1 << 62)
    assert "nearly full" in machine._folder("x", tmp_path, "r").detail


def test_a_look_that_fails_hides_no_other(capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        doctor, "SECTIONS", {"hosts": "trackmatte.doctor.nowhere:hosts", "system": doctor.SECTIONS["system"]}
    )
    found = findings(capfd)
    assert found["hosts", "hosts"]["state"] == "problem"
    assert found["system", "Python"]["state"] == "ok"


BROKEN = """
import sys
class Blocks:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            raise ImportError("libEGL.so.1: cannot open shared object file")
sys.meta_path.insert(0, Blocks())
from trackmatte import doctor
doctor.SECTIONS = {"packages": doctor.SECTIONS["packages"]}
from trackmatte.cli import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("package", ["cv2", "cyclopts"])
def test_a_broken_base_exits_with_7_and_says_which_package(package: str) -> None:
    def start(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", BROKEN, package, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = start("doctor", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == events[-1]["code"] == 7, done.stderr
    wrong = [e for e in events if e["event"] == "finding" and e["required"] and e["state"] != "ok"]
    assert len(wrong) >= 1
    assert "libEGL" in wrong[0]["detail"]
    other = start("track", "x.shot.json")
    assert other.returncode == 7
    assert "trackmatte doctor" in other.stderr
    assert "Traceback" not in other.stderr + done.stderr


def test_packages_are_those_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    def names(lines: list[str]) -> set[str]:
        return {line.split(">")[0].split("=")[0].strip() for line in lines}

    assert set(packages.BASE) == names(project["dependencies"])
    for extra in packages.EXTRAS:
        listed = {n for n, (_, extras) in packages.OPTIONAL.items() if extra in extras}
        assert listed == names(project["optional-dependencies"][extra])
