"""Let Nuke find the node's package where only the Cattery folder is on its path."""

import os
import sys

_HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
if _HOME not in sys.path:
    sys.path.append(_HOME)
