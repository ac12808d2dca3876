"""Python packages, and the device that networks would run on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any

from trackmatte.doctor import Finding, reason
from trackmatte.doctor.machine import size

BASE = {
    "av": "av",
    "cyclopts": "cyclopts",
    "fileseq": "fileseq",
    "filelock": "filelock",
    "msgspec": "msgspec",
    "numba": "numba",
    "numpy": "numpy",
    "opencv-python-headless": "cv2",
    "opencolorio": "PyOpenColorIO",
    "openimageio": "OpenImageIO",
    "platformdirs": "platformdirs",
    "pymatting": "pymatting",
    "requests": "requests",
    "rich": "rich",
    "scipy": "scipy",
    "starlette": "starlette",
    "threadpoolctl": "threadpoolctl",
    "uvicorn": "uvicorn",
}
"""Packages that every command needs -> what they are imported as."""
OPTIONAL = {
    "torch": ("torch", ("sam", "mam")),
    "sam2": ("sam2", ("sam",)),
    "hydra-core": ("hydra", ("sam",)),
    "omegaconf": ("omegaconf", ("sam",)),
    "pillow": ("PIL", ("sam",)),
    "segment-anything": ("segment_anything", ("mam",)),
}
"""Packages of the extras -> what they are imported as, and which extras they belong to."""
EXTRAS = {
    "sam": "tracking with SAM 2 (and its weights)",
    "mam": "mattes by Matting Anything (and its weights)",
}
SECONDS = 120
"""How long torch may take to start before it counts as hanging."""
PROBE = """
import json, sys
found = {"packages": {}}
for name in sys.argv[1:]:
    try:
        if name == "segment_anything":  # the refiner goes around its parts that need torchvision
            from trackmatte.refiners.sam1 import load_modeling
            load_modeling()
        else:
            __import__(name)
        found["packages"][name] = ""
    except BaseException as e:
        found["packages"][name] = " ".join(f"{type(e).__name__}: {e}".split())[:200]
try:
    import torch
    from trackmatte.torch_device import pick_device
    found["cuda"] = [
        [torch.cuda.get_device_name(i), torch.cuda.get_device_properties(i).total_memory]
        for i in range(torch.cuda.device_count())
    ]
    found["mps"] = bool(torch.backends.mps.is_available())
    found["threads"] = torch.get_num_threads()
    found["device"] = str(pick_device("auto"))
except BaseException as e:
    found["error"] = " ".join(f"{type(e).__name__}: {e}".split())[:300]
print("\\n" + json.dumps(found))
"""


def base() -> Iterator[Finding]:
    """Yield the packages that every command needs, each imported."""
    for name, module in BASE.items():
        remedy = f"{sys.executable} -m pip install --force-reinstall {name}"
        try:
            import_module(module)
        except ModuleNotFoundError as e:
            missing = e.name == module
            detail = "not installed" if missing else reason(e)
            yield Finding(
                "packages", name, "missing" if missing else "problem", detail, remedy=remedy, required=True
            )
        except Exception as e:
            yield Finding("packages", name, "problem", reason(e), remedy=remedy, required=True)
        else:
            yield Finding("packages", name, "ok", version(name), required=True)


def optional() -> Iterator[Finding]:
    """Yield the packages of the extras."""
    for name, (module, extras) in OPTIONAL.items():
        enables = "; ".join(EXTRAS[e] for e in extras)
        remedy = f"pip install 'trackmatte[{','.join(extras)}]'"
        if not there(module):
            yield Finding("optional", name, "missing", "not installed", enables, remedy)
        elif wrong := torch_probe()["packages"].get(module, ""):
            yield Finding("optional", name, "problem", f"cannot be imported: {wrong}", enables, remedy)
        else:
            yield Finding("optional", name, "ok", version(name), enables)


def device() -> Iterator[Finding]:
    """Yield the devices that networks can run on, and the one they would."""
    if not there("torch"):
        yield Finding("device", "networks", "missing", "they need torch", "SAM 2 and Matting Anything")
        return
    found = torch_probe()
    for name, total in found.get("cuda", []):
        yield Finding("device", "cuda", "ok", f"{name}, {size(total)}")
    if found.get("mps"):
        yield Finding("device", "mps", "ok", "Apple GPU")
    if not found.get("cuda") and not found.get("mps") and "error" not in found:
        yield Finding(
            "device",
            "gpu",
            "missing",
            "torch sees none",
            "networks many times faster",
            "see pytorch.org for builds",
        )
    chosen = os.environ.get("TRACKMATTE_DEVICE")
    why = f"as TRACKMATTE_DEVICE={chosen} says" if chosen else "the best there is"
    if "error" in found:
        remedy = "correct TRACKMATTE_DEVICE" if chosen else "pip install --force-reinstall torch"
        yield Finding("device", "networks", "problem", found["error"], remedy=remedy)
    else:
        threads = f", {found['threads']} threads" if found["device"] == "cpu" else ""
        yield Finding("device", "networks", "ok", f"would run on {found['device']}{threads}: {why}")


def there(module: str) -> bool:
    """Whether a module is installed, working or not."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def version(package: str) -> str:
    """Return the installed version."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown version"


@cache
def torch_probe() -> dict[str, Any]:
    """Return what a process of its own learns by importing torch and what builds on it.

    Of its own because a broken GPU driver can crash or hang the process that imports torch.
    """
    names = [module for module, _ in OPTIONAL.values() if there(module)]
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROBE, *names],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return found
    except subprocess.TimeoutExpired:
        wrong = f"importing torch takes more than {SECONDS} s"
    except (ValueError, IndexError):
        wrong = f"importing torch ends the process (exit code {done.returncode})"
    except OSError as e:
        wrong = reason(e)
    return {"packages": {"torch": wrong}, "error": wrong}
