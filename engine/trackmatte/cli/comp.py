"""``trackmatte comp``: the subject over a blurred, replaced or graded background."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from trackmatte.cli.comp_options import (
    BlurOptions,
    CheckerOptions,
    GradeOptions,
    Options,
    ReplaceOptions,
    only,
)
from trackmatte.cli.delivery import Composed, tell_steps
from trackmatte.cli.options import NoSpaceCheck, Overwrite, ShotFile, Talk
from trackmatte.cli.report import Report
from trackmatte.cli.work import spans, tell_outdated
from trackmatte.comp import Cutout, Effect, Replace, View, composite
from trackmatte.comp.mp4 import Mp4Writer
from trackmatte.comp.run import channels
from trackmatte.errors import UsageError
from trackmatte.files import remove_leftovers
from trackmatte.shot import Look, Shot
from trackmatte.shot.exporting import check_apart, check_writable, clip_stem, delivery_of, filled
from trackmatte.writers import WRITERS
from trackmatte.writers.presets import preset_named

WHAT = Group("What is made", sort_key=2)


def comp(
    shot: ShotFile,
    /,
    *,
    out: Annotated[Path, Parameter(name="--out", help="Folder for the composite.")],
    effect: Annotated[
        Literal["blur", "replace", "grade", "checker", "cutout"],
        Parameter(group=WHAT, help="What is done; the options of each effect are below."),
    ],
    objects: Annotated[
        list[str],
        Parameter(
            name="--object",
            negative="",
            group=WHAT,
            metavar="NAME",
            help="An object that is the subject; all of the shot unless given. Repeat for more.",
        ),
    ] = [],  # noqa: B006 (cyclopts copies defaults)
    view: Annotated[
        Literal["result", "side", "wipe"],
        Parameter(
            group=WHAT, help="The result; plate and result side by side; or plate, a line, and result."
        ),
    ] = "result",
    wipe: Annotated[
        float | None,
        Parameter(group=WHAT, help="Where the line of --view wipe is, 0 left to 1 right; 0.5 unless given."),
    ] = None,
    blur: BlurOptions = BlurOptions(),  # noqa: B008
    replaced: ReplaceOptions = ReplaceOptions(),  # noqa: B008
    graded: GradeOptions = GradeOptions(),  # noqa: B008
    checkered: CheckerOptions = CheckerOptions(),  # noqa: B008
    how: Composed = Composed(),  # noqa: B008
    overwrite: Overwrite = False,
    no_space_check: NoSpaceCheck = False,
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """Blur, replace or grade what is behind the subject, without halos, in linear light."""
    options: dict[str, Options] = {"blur": blur, "replace": replaced, "grade": graded, "checker": checkered}
    only(effect, options)
    if how.preset != "matte":
        raise UsageError("--preset is for mattes: trackmatte export; comp writes what --effect makes")
    if wipe is not None and view != "wipe":
        raise UsageError("--wipe says where a line is; add --view wipe")
    shown = View(view, 0.5 if wipe is None else wipe)
    with Shot.open(shot) as opened:
        opened.cache.space_check = not no_space_check
        check_apart(opened, out)
        made: Effect = options[effect].effect(opened) if effect in options else Cutout()
        try:
            check_writable(out)
            _run(opened, out, made, objects or opened.objects, shown, how, overwrite, talk.report())
        finally:
            if isinstance(made, Replace):
                made.background.close()


def _run(
    shot: Shot,
    out: Path,
    effect: Effect,
    objects: list[str],
    view: View,
    how: Composed,
    overwrite: bool,
    report: Report,
) -> None:
    """Write the composite and say where it is."""
    parts = [clip_stem(shot.doc.source.path), effect.name, *([] if view.kind == "result" else [view.kind])]
    holds: Literal["colour", "opaque"] = "colour" if "A" in channels(effect, view) else "opaque"
    planned = delivery_of(how, out, "_".join(parts))
    planned = filled(planned, shot, objects, preset_named(how.preset), overwrite=overwrite, audio=how.audio)
    facts = {**planned.facts, "effect": " ".join(map(str, [effect.name, *effect.key]))}
    made = Mp4Writer if how.format == "mp4" else WRITERS.get(how.format)
    writer = made(replace(planned, holds=holds, facts=facts))
    how.check(colour=True, alpha=holds == "colour")
    remove_leftovers(out)
    tell_outdated(shot, objects, report)
    look = Look(how.space, how.foreground)
    new = tell_steps(composite(shot, writer, effect, objects=objects, look=look, view=view), report)
    numbers = [n for n in shot.numbers() if n not in shot.skipped()]
    report.event("written", objects=objects, pattern=writer.target, frames=numbers)
    report.say(f"{'wrote' if new else 'kept'} {writer.target} {spans(numbers)}")
