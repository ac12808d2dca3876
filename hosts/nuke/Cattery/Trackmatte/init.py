"""Let Nuke find the node's package where only this folder of the Cattery is on its path."""

import sys
import traceback
from pathlib import Path

try:
    _HOME = str(Path(__file__).resolve().parents[2])
    if _HOME not in sys.path:
        sys.path.append(_HOME)
except Exception:  # Nuke must start, whatever is wrong with this folder
    traceback.print_exc()
