"""``trackmatte matte-still``: one picture, one matte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from trackmatte.cli.delivery import Delivered
from trackmatte.cli.options import (
    WHO,
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
from trackmatte.frame import Frame
from trackmatte.matte import Matte
from trackmatte.media import open_clip
from trackmatte.prompt import Prompt
from trackmatte.refiners import REFINERS
from trackmatte.refiners.mam import MamRefiner
from trackmatte.refiners.pipeline import filled
from trackmatte.refiners.trimap import bayes_trimap, solve_trimap
from trackmatte.shot import Look
from trackmatte.shot.delivering import coloured, picture
from trackmatte.shot.exporting import check_writable, delivery_of
from trackmatte.shot.prompts import read_mask_image
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
    trimap: Annotated[
        Path | None,
        Parameter(
            name="--trimap",
            group=WHO,
            metavar="FILE",
            help="An image of the picture's size: white on the subject, black on the background, grey where "
            "alpha is to be found; strokes on grey will do. --refiner is closed_form (unless given) or "
            "bayesian.",
        ),
    ] = None,
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
    chosen = preset_named(how.preset)
    if chosen.together:
        raise UsageError("multi is for shots with several objects; choose matte, alpha or cutout")
    how.check(colour=chosen.foreground, alpha=True)
    check_writable(out)
    if trimap is None:
        refiner = tell_refiner(refiner, report)
    bare, prefixed = parse_settings(settings)  # there is no tracker that a bare name could mean
    with open_clip(image, input_colorspace) as clip:
        for note in clip.notes:
            report.note(note)
        frame = clip[0]
        prompt = parse_prompt(
            frame.number, obj, clip.size, point=point, box=box, scribble=scribble, mask=mask
        )
        if trimap is not None:
            if prompt.selects or bare or prefixed:
                raise UsageError("--trimap says all that is used; leave out prompts and --set")
            matte = from_trimap(frame, read_mask_image(trimap, clip.size), refiner, obj)
        elif prompt.selects:
            matte = from_prompt(frame, prompt, refiner, bare | prefixed)
        else:
            raise PromptError(
                "nothing says where the subject is; give --box, --point, --scribble, --mask or --trimap"
            )
    look = Look(how.space, how.foreground)
    delivery = delivery_of(how, out, "_".join([image.stem, obj]))
    with WRITERS.get(how.format)(replace(delivery, overwrite=overwrite)) as writer:
        if chosen.foreground:
            matte = coloured(matte, frame, look)
        writer.write(picture(chosen, [matte], frame.number, frame.colour, look))
    report.event("written", pattern=writer.target, frames=[frame.number])
    report.say(f"wrote {writer.target} {frame.number}")


def from_prompt(frame: Frame, prompt: Prompt, refiner: str, settings: dict[str, Any]) -> Matte:
    """Return the matte of what a prompt selects."""
    cls = REFINERS.get(refiner)
    made = cls(**cls.settle(settings))
    if refiner == "mam" and prompt.mask is None and not prompt.scribbles:
        model = cast("MamRefiner", made).model
        return Matte(0, prompt.object, model.still(frame.display(), prompt))
    return made.refine(frame, TRACKERS.get("flow")().prompt(frame, prompt))


def from_trimap(frame: Frame, trimap: NDArray[np.float32], refiner: str, obj: str) -> Matte:
    """Return the matte of an (H, W) trimap in [0, 1].

    Raises
    ------
    UsageError : this refiner takes no trimap, or the trimap knows too little.
    """
    shown = frame.colour.display(filled(frame.rgb))
    if refiner in ("auto", "closed_form"):
        return Matte(0, obj, solve_trimap(shown, trimap).astype(np.float32))
    if refiner == "bayesian":
        return Matte(0, obj, bayes_trimap(shown, trimap))
    raise UsageError(f"the refiner {refiner} takes no trimap; choose closed_form or bayesian")
