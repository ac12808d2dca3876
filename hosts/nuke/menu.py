"""Nuke runs this when it starts with a window; whatever goes wrong here, Nuke starts."""

import traceback

try:
    from trackmatte_nuke import commands

    commands.add_menus()
except Exception:  # a broken tool must not keep an artist from work
    print("Trackmatte could not add its menu; Nuke goes on without it:")
    traceback.print_exc()
