"""The command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; see `trackmatte.errors`."""
    try:
        from trackmatte.cli.app import main as run
    except ImportError as e:
        # A package of the base installation is missing or broken, and with it every command but this one.
        words = list(sys.argv[1:] if argv is None else argv)
        if words[:1] == ["doctor"]:
            from trackmatte.cli.doctor import plainly

            return plainly(as_json="--json" in words)
        print(
            f"trackmatte: the installation is broken ({e}); install Trackmatte again, or see what is wrong "
            "with: python -m trackmatte doctor",
            file=sys.stderr,
        )
        return 7
    return run(argv)


__all__ = ["main"]
