"""Programs that take the mattes; looked for in PATH and the usual places, never run."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trackmatte.doctor import Finding


@dataclass(frozen=True, slots=True)
class Host:
    """One program."""

    name: str
    takes: str
    """Which delivery fits it."""
    commands: tuple[str, ...] = ()
    """What it is called in PATH; ``*`` for versions."""
    linux: tuple[str, ...] = ()
    mac: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()
    """Patterns of the usual places, absolute."""


HOSTS = (
    Host(
        "Blender",
        "EXR sequences, preset matte",
        ("blender",),
        ("/opt/blender*/blender", "/usr/local/blender*/blender", "/snap/bin/blender"),
        ("/Applications/Blender*.app",),
        ("C:/Program Files/Blender Foundation/Blender*/blender.exe",),
    ),
    Host(
        "Nuke",
        "EXR sequences, preset alpha or multi",
        ("Nuke*", "nuke*"),
        ("/usr/local/Nuke*", "/opt/Nuke*"),
        ("/Applications/Nuke*",),
        ("C:/Program Files/Nuke*/Nuke*.exe",),
    ),
    Host(
        "DaVinci Resolve",
        "ProRes movies, preset cutout",
        ("resolve",),
        ("/opt/resolve/bin/resolve",),
        ("/Applications/DaVinci Resolve*", "/Applications/DaVinci Resolve/*.app"),
        ("C:/Program Files/Blackmagic Design/DaVinci Resolve/Resolve.exe",),
    ),
    Host(
        "Natron",
        "EXR sequences, preset matte",
        ("natron", "Natron"),
        ("/opt/Natron*/Natron", "/opt/natron*/Natron"),
        ("/Applications/Natron*.app",),
        ("C:/Program Files/*/Natron*/bin/Natron.exe", "C:/Program Files/Natron*/bin/Natron.exe"),
    ),
    Host(
        "Kdenlive",
        "ProRes or FFV1 movies, preset cutout",
        ("kdenlive",),
        ("/snap/bin/kdenlive", "/var/lib/flatpak/exports/bin/org.kde.kdenlive"),
        ("/Applications/kdenlive.app", "/Applications/Kdenlive.app"),
        ("C:/Program Files/kdenlive/bin/kdenlive.exe",),
    ),
    Host(
        "OFX plug-ins",
        "a folder for plug-ins that all OFX hosts share",
        (),
        ("/usr/OFX/Plugins",),
        ("/Library/OFX/Plugins",),
        ("C:/Program Files/Common Files/OFX/Plugins",),
    ),
)


def hosts() -> Iterator[Finding]:
    """Yield each program with the places it was found in."""
    for host in HOSTS:
        found = list(dict.fromkeys([*_commands(host), *_places(host)]))
        if host.name.startswith("OFX"):
            found += [
                p for p in os.environ.get("OFX_PLUGIN_PATH", "").split(os.pathsep) if p and Path(p).is_dir()
            ]
        if found:
            yield Finding("hosts", host.name, "ok", ", ".join(found), host.takes)
        else:
            yield Finding("hosts", host.name, "missing", "not found", host.takes)


def _commands(host: Host) -> Iterator[str]:
    for command in host.commands:
        if "*" not in command:
            if found := shutil.which(command):
                yield found
            continue
        for folder in filter(None, os.environ.get("PATH", "").split(os.pathsep)):
            yield from (str(p) for p in _glob(Path(folder), command) if p.is_file() and os.access(p, os.X_OK))


def _places(host: Host) -> Iterator[str]:
    kind = {"win32": host.windows, "darwin": host.mac}.get(sys.platform, host.linux)
    for pattern in kind:
        path = Path(pattern)
        yield from (str(p) for p in _glob(Path(path.anchor), str(path.relative_to(path.anchor))))


def _glob(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:  # a folder of PATH that may not be read
        return []
