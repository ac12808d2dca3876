"""``python -m trackmatte``."""

import sys

from trackmatte.cli import main

sys.exit(main())
