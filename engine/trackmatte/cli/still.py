"""``trackmatte matte-still``: one picture, one matte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, cast

from cyclopts import Parameter

from trackmatte.cli.delivery import Delivered
from trackmatte.cli.options import (
    BoxOption,
    InputColorspace,
    MaskOption,
    ObjectOption,
    Overwrite,
    Points,
    RefinerOption,
    Scribbles,
    Settings,
    Talk,
    parse_settings,
)
from trackmatte.cli.prompts import parse_prompt
from trackmatte.cli.work import tell_refiner
from trackmatte.errors import PromptError, UsageError
from trackmatte.matte import Matte
from trackmatte.media import open_clip
from trackmatte.refiners import REFINERS
from trackmatte.refiners.mam import MamRefiner
from trackmatte.shot import Look
from trackmatte.shot.delivering import coloured, picture
from trackmatte.shot.exporting import check_writable
from trackmatte.trackers import TRACKERS
from trackmatte.writers import WRITERS
from trackmatte.writers.presets import preset_named


def matte_still(
    image: Annotated[Path, Parameter(help="A picture.")],
    /,
    *,
    out: Annotated[Path, Parameter(name="--out", help="Folder for the matte.")],
    point: Points = [],  # noqa: B006 (cyclopts copies defaults)
    box: BoxOption = None,
    scribble: Scribbles = [],  # noqa: B006
    mask: MaskOption = None,
    obj: ObjectOption = "subject",
    refiner: RefinerOption = "auto",
    settings: Settings = [],  # noqa: B006
    input_colorspace: InputColorspace = None,
    how: Delivered = Delivered(),  # noqa: B008
    overwrite: Overwrite = False,
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """Matte one picture. With mam, clicks or a box alone go to SAM 1, as in the paper."""
    report = talk.report()
    check_writable(out)
    refiner = tell_refiner(refiner, report)
    bare, prefixed = parse_settings(settings)  # there is no tracker that a bare name could mean
    with open_clip(image, input_colorspace) as clip:
        for note in clip.notes:
            report.note(note)
        frame = clip[0]
        prompt = parse_prompt(
            frame.number, obj, clip.size, point=point, box=box, scribble=scribble, mask=mask
        )
        if not prompt.selects:
            raise PromptError("nothing says where the subject is; give --box, --point, --scribble or --mask")
        cls = REFINERS.get(refiner)
        made = cls(**cls.settle(bare | prefixed))
        if refiner == "mam" and prompt.mask is None and not prompt.scribbles:
            model = cast("MamRefiner", made).model
            matte = Matte(0, obj, model.still(frame.display(), prompt))
        else:
            matte = made.refine(frame, TRACKERS.get("flow")().prompt(frame, prompt))
    chosen = preset_named(how.preset)
    if chosen.together:
        raise UsageError("multi is for shots with several objects; choose matte, alpha or cutout")
    look = Look(how.space, how.foreground)
    delivery = how.delivery(out, "_".join([image.stem, obj]))
    with WRITERS.get(how.format)(replace(delivery, overwrite=overwrite)) as writer:
        if chosen.foreground:
            matte = coloured(matte, frame, look)
        writer.write(picture(chosen, [matte], frame.number, frame.colour, look))
    report.event("written", pattern=writer.target, frames=[frame.number])
    report.say(f"wrote {writer.target} {frame.number}")
