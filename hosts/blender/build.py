#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the Blender extension: python hosts/blender/build.py [--out FOLDER] [--blender PROGRAM]

Copies the add-on and the client it talks with into one folder, checks it and packs it. `--blender` names a
Blender, or a Python with bpy: then Blender's own tool validates the result too.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import checks

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CLIENT = ROOT / "plugin" / "trackmatte_client"
EPOCH = (2020, 1, 1, 0, 0, 0)
"""Of all files, so that the same sources give the same bytes."""
FIND_TOOL = """
import bpy, pathlib
found = list(pathlib.Path(bpy.utils.resource_path("LOCAL")).rglob("blender_ext.py"))
print("tool:", found[0])
"""


def stage(folder: Path) -> Path:
    """Lay the extension's files out in a folder and return it."""
    hidden = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    shutil.copytree(HERE / "trackmatte", folder, ignore=hidden, dirs_exist_ok=True)
    shutil.copytree(CLIENT, folder / CLIENT.name, ignore=hidden, dirs_exist_ok=True)
    shutil.copy(HERE / "LICENSE", folder / "LICENSE")
    shutil.copy(ROOT / "LICENSE", folder / CLIENT.name / "LICENSE")
    return folder


def pack(folder: Path, target: Path) -> None:
    """Pack a folder, always to the same bytes."""
    beside = target.with_name(f".{target.name}.new")
    with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    beside.replace(target)


def validate(target: Path, blender: str) -> None:
    """Let Blender's own tool look at a package.

    Raises
    ------
    SystemExit : it refuses, with what it says.
    """
    tool = _tool(blender) if "python" in Path(blender).name else ["--background", "--command", "extension"]
    tags = target.parent / f".{target.stem}.tags.json"
    tags.write_text(checks.tags_json())
    try:
        asked = [blender, *tool, "validate", "--valid-tags", str(tags), str(target)]
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=120)
    finally:
        tags.unlink()
    if "unknown argument" in done.stdout + done.stderr:
        raise SystemExit(f"{blender} has no extensions: it must be 4.2 or newer")
    if done.returncode:
        raise SystemExit(f"Blender refuses the package: {(done.stdout + done.stderr).strip()}")
    said = [s for s in done.stdout.splitlines() if s.startswith("Success")]
    print(f"Blender's own tool: {said[-1]}")


def _tool(python: str) -> list[str]:
    """Return how a Python with bpy runs Blender's tool for extensions."""
    said = subprocess.run([python, "-c", FIND_TOOL], capture_output=True, text=True, check=False, timeout=120)
    line = next((s for s in said.stdout.splitlines() if s.startswith("tool: ")), None)
    if line is None:
        raise SystemExit(f"{python} has no bpy with extensions (4.2 or newer): {said.stderr.strip()[-300:]}")
    return [line.removeprefix("tool: ")]


def build(out: Path) -> Path:
    """Make the package and return its path.

    Raises
    ------
    SystemExit : something is wrong with it; the message lists what.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = stage(Path(scratch) / "trackmatte")
        wrong = checks.check(folder, engine=ROOT / "engine" / "trackmatte" / "__init__.py")
        if wrong:
            raise SystemExit("\n".join(["the extension is not fit to ship:", *(f"  {w}" for w in wrong)]))
        out.mkdir(parents=True, exist_ok=True)
        target = out / f"trackmatte-{checks.manifest(folder)['version']}.zip"
        pack(folder, target)
    return target


def main() -> None:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--blender", help="a Blender from 4.2 on, or a Python that has bpy")
    said = parser.parse_args()
    target = build(said.out)
    print(target)
    if said.blender:
        validate(target, said.blender)
    else:
        print("not looked at by Blender's own tool: name one with --blender", file=sys.stderr)


if __name__ == "__main__":
    main()
