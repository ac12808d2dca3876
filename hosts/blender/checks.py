# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender's own tool does not look at, and what this add-on promises."""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

TAGS = (
    "3D View", "Add Curve", "Add Mesh", "Animation", "Bake", "Camera", "Compositing", "Development",
    "Game Engine", "Geometry Nodes", "Grease Pencil", "Import-Export", "Lighting", "Material", "Mesh",
    "Modeling", "Node", "Object", "Paint", "Physics", "Pipeline", "Render", "Rigging", "Scene", "Sculpt",
    "Sequencer", "System", "Text Editor", "Tracking", "User Interface", "UV",
)  # fmt: skip
PERMISSIONS = ("files", "network", "clipboard", "camera", "microphone")
MODULES = {"bpy", "gpu", "gpu_extras", "numpy", *sys.stdlib_module_names}
"""What the add-on may import: Blender brings all of it."""
TERSE = 64
"""Characters of a tagline or a permission's reason."""


def manifest(folder: Path) -> dict[str, Any]:
    """Return an extension's manifest."""
    return tomllib.loads((folder / "blender_manifest.toml").read_text(encoding="utf-8"))


def tags_json() -> str:
    """Return the known tags as Blender's tool takes them."""
    return json.dumps({"add-on": list(TAGS), "theme": []})


def check(folder: Path, *, engine: Path | None = None) -> list[str]:
    """Return what is wrong with an extension's folder, in sentences.

    Parameters
    ----------
    engine : the file that says the engine's version, which the add-on shares.
    """
    try:
        said = manifest(folder)
    except (OSError, ValueError) as e:
        return [f"blender_manifest.toml cannot be read: {e}"]
    wrong = [*_texts(said), *_permissions(said), *_wheels(said, folder), *_imports(folder)]
    if engine is not None:
        version = re.search(r'__version__ = "(\d+\.\d+\.\d+)', engine.read_text(encoding="utf-8"))
        if version is None or version[1] != said.get("version"):
            wrong.append(f"version {said.get('version')} is not the engine's {version and version[1]}")
    wrong += [f"{f} is missing" for f in ("__init__.py", "LICENSE") if not (folder / f).is_file()]
    return wrong


def _texts(said: dict[str, Any]) -> list[str]:
    wrong = []
    tagline = str(said.get("tagline", ""))
    if not 0 < len(tagline) <= TERSE or not tagline[-1].isalnum():
        wrong.append(f"tagline must have 1-{TERSE} characters and end with a letter: {tagline!r}")
    licences = said.get("license", [])
    if not licences or not all(str(x).startswith("SPDX:") for x in licences):
        wrong.append(f"license must be a list of SPDX: identifiers: {licences!r}")
    wrong += [f"tag {t!r} is none that Blender knows" for t in said.get("tags", []) if t not in TAGS]
    least = tuple(int(n) for n in re.findall(r"\d+", str(said.get("blender_version_min", "0"))))
    if least < (4, 2):
        wrong.append("blender_version_min must be 4.2.0 or more: there are no extensions before")
    return wrong


def _permissions(said: dict[str, Any]) -> list[str]:
    wrong = [f"{key} stands beside [permissions], not in it" for key in PERMISSIONS if key in said]
    for key, reason in said.get("permissions", {}).items():
        if key not in PERMISSIONS:
            wrong.append(f"permission {key!r} is none that Blender knows")
        if not isinstance(reason, str) or not 0 < len(reason) <= TERSE or not reason[-1].isalnum():
            wrong.append(f"permission {key!r} needs a reason of 1-{TERSE} characters that ends with a letter")
    return wrong


def _wheels(said: dict[str, Any], folder: Path) -> list[str]:
    return [f"wheel {w} is not in the package" for w in said.get("wheels", []) if not (folder / w).is_file()]


def _imports(folder: Path) -> list[str]:
    """Return imports of what Blender does not bring; the client must be imported relatively."""
    wrong = []
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [a.name for a in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            wrong += [
                f"{path.relative_to(folder)} line {node.lineno} imports {n}, which Blender does not bring"
                for n in names
                if n.split(".")[0] not in MODULES
            ]
    return wrong
