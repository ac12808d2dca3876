"""Nuke runs this at every start, farm and terminal included: it only says where things are."""

import sys
import traceback
from pathlib import Path

import nuke

try:
    _HERE = Path(__file__).resolve().parent
    if str(_HERE) not in sys.path:
        sys.path.append(str(_HERE))
    nuke.pluginAddPath((_HERE / "Cattery" / "Trackmatte").as_posix())
except Exception:  # Nuke must start, and a farm must render, whatever is wrong with this folder
    print("Trackmatte could not be added to Nuke's paths; Nuke goes on without it:")
    traceback.print_exc()
