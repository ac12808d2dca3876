#!/usr/bin/env python3
"""Lay out the folder for Nuke: python hosts/nuke/build.py [--out FOLDER]

Copies the package and the client it talks with into one folder, which goes on NUKE_PATH or is added with
nuke.pluginAddPath. `trackmatte nuke install` does this and puts it where Nuke looks.
"""

from __future__ import annotations

import argparse
import ast
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CLIENT = ROOT / "plugin" / "trackmatte_client"
PARTS = ("init.py", "menu.py", "Cattery", "trackmatte_nuke")
OLDEST = (3, 7)
"""Nuke 13's Python."""


def stage(folder: Path, client: Path = CLIENT) -> Path:
    """Lay the files out in a folder and return it.

    Raises
    ------
    SystemExit : a file cannot be read by the oldest Nuke's Python; the message lists which.
    """
    hidden = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = HERE / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=hidden, dirs_exist_ok=True)
        else:
            shutil.copy(source, folder / part)
    shutil.copytree(client, folder / "trackmatte_nuke" / CLIENT.name, ignore=hidden, dirs_exist_ok=True)
    wrong = too_new(folder)
    if wrong:
        raise SystemExit("\n".join(["the folder is not fit to ship:", *(f"  {w}" for w in wrong)]))
    return folder


def too_new(folder: Path) -> list[str]:
    """Return files whose syntax the oldest Nuke's Python does not know, in sentences."""
    wrong = []
    for path in sorted(folder.rglob("*.py")):
        try:
            ast.parse(path.read_text(encoding="utf-8"), feature_version=OLDEST)
        except SyntaxError as e:
            wrong.append(f"{path.relative_to(folder)} line {e.lineno}: {e.msg}")
    return wrong


def main() -> None:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "trackmatte_nuke")
    said = parser.parse_args()
    if said.out.exists():
        sys.exit(f"{said.out} exists; name another folder with --out")
    print(stage(said.out))


if __name__ == "__main__":
    main()
