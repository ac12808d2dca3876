"""The page that is shipped is what the sources build, and the wheel has it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.engines import ROOT

SOURCES = ROOT / "hosts" / "web"
BUNDLE = ROOT / "engine" / "trackmatte" / "server" / "web"


def files(folder: Path) -> dict[str, bytes]:
    return {
        f.relative_to(folder).as_posix(): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()
    }


def test_the_bundle_is_what_the_sources_build(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm to build the page")
    place = tmp_path / "hosts" / "web"
    shutil.copytree(SOURCES, place, ignore=shutil.ignore_patterns("node_modules"))
    quiet = {
        **os.environ,
        "npm_config_audit": "false",
        "npm_config_fund": "false",
        "npm_config_update_notifier": "false",
    }
    fetched = subprocess.run(
        [npm, "ci", "--prefer-offline"], cwd=place, env=quiet, capture_output=True, text=True, check=False
    )
    if fetched.returncode:
        pytest.skip(f"npm cannot fetch the packages: {fetched.stderr.strip().splitlines()[-1:]}")
    built = subprocess.run(
        [npm, "run", "build"], cwd=place, env=quiet, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    made = files(tmp_path / "engine" / "trackmatte" / "server" / "web")
    shipped = files(BUNDLE)
    assert set(made) == set(shipped)
    assert [name for name in made if made[name] != shipped[name]] == [], "run scripts/build-web"
    assert sum(map(len, shipped.values())) < 200_000


def test_the_types_of_the_page_are_the_protocols() -> None:
    subprocess.run([sys.executable, str(ROOT / "scripts" / "web-protocol"), "--check"], check=True)


def test_the_wheel_has_the_page(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="needs hatchling to build a wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        held = {
            n.removeprefix("trackmatte/server/web/")
            for n in packed.namelist()
            if n.startswith("trackmatte/server/web/")
        }
    assert held == set(files(BUNDLE))
