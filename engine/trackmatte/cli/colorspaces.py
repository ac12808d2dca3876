"""``trackmatte colorspaces``: the names that ``--input-colorspace`` takes."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from trackmatte import color_config
from trackmatte.cli.options import Talk
from trackmatte.color import known_colours
from trackmatte.errors import UsageError


def colorspaces(
    text: Annotated[str, Parameter(name="FILTER", help="Part of a name, an alias or a family.")] = "",
    /,
    *,
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """List the colour spaces that --input-colorspace knows: of $OCIO, or of the built-in ACES config."""
    report = talk.report()
    source = color_config.called(color_config.active())
    spaces = known_colours(text)
    if not spaces:
        raise UsageError(
            f"No colour space of {source} has {text!r} in its name: ask for a shorter part of it."
        )
    report.say(f"Colour spaces of {source}, and the standard ones:")
    for name, family, aliases in spaces:
        report.event("colorspace", name=name, family=family, aliases=list(aliases))
        report.say(f"  {family or '-':24} {name}")
