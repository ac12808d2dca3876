"""Nuke runs this at every start, farm and terminal included: it only says where things are."""

import os
import sys
import traceback

import nuke

try:
    _HERE = os.path.dirname(os.path.abspath(__file__))
    if _HERE not in sys.path:
        sys.path.append(_HERE)
    nuke.pluginAddPath(os.path.join(_HERE, "Cattery", "Trackmatte").replace("\\", "/"))
except Exception:  # Nuke must start, and a farm must render, whatever is wrong with this folder
    print("Trackmatte could not be added to Nuke's paths; Nuke goes on without it:")
    traceback.print_exc()
