"""``trackmatte select``: one frame, one mask, by a named method."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from trackmatte.cli.options import (
    BoxOption,
    InputColorspace,
    MaskOption,
    Overwrite,
    Points,
    Scribbles,
    Talk,
)
from trackmatte.cli.prompts import parse_prompt
from trackmatte.cli.target import check_free
from trackmatte.errors import PromptError, UsageError
from trackmatte.files import write_bytes
from trackmatte.media import open_clip
from trackmatte.select.border import border_matte
from trackmatte.shot.selecting import AUTO, SELECTORS, choose, selector_named


def select(
    clip: Annotated[Path, Parameter(help="A picture or a clip.")],
    /,
    *,
    out: Annotated[Path, Parameter(name="--out", help="PNG file for the mask.")],
    method: Annotated[str, Parameter(help=f"How: {', '.join(SELECTORS)}.")] = AUTO,
    frame: Annotated[int | None, Parameter(help="Source frame number; default the first.")] = None,
    point: Points = [],  # noqa: B006 (cyclopts copies defaults)
    box: BoxOption = None,
    scribble: Scribbles = [],  # noqa: B006
    mask: MaskOption = None,
    border: Annotated[
        bool, Parameter(negative=(), help="Border matting of any method: soft alpha along the contour.")
    ] = False,
    input_colorspace: InputColorspace = None,
    overwrite: Overwrite = False,
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """Select a subject on one frame and write its mask, without tracking; soft masks have 16 bits."""
    report = talk.report()
    if out.suffix.lower() != ".png":
        raise UsageError(f"--out {out} must end in .png")
    with open_clip(clip, input_colorspace) as opened:
        check_free(out, opened, overwrite=overwrite)
        for note in opened.notes:
            report.note(note)
        if frame is not None and frame not in opened.numbers:
            raise UsageError(
                f"{clip} has no frame {frame}; its frames are {opened.numbers[0]} to {opened.numbers[-1]}"
            )
        plate = opened[0 if frame is None else opened.numbers.index(frame)]
        prompt = parse_prompt(
            plate.number, "subject", opened.size, point=point, box=box, scribble=scribble, mask=mask
        )
        if not prompt.selects:
            raise PromptError("nothing says where the subject is; give --box, --point, --scribble or --mask")
        rgb = plate.display()
    found = choose(method, rgb, prompt)
    labels, alpha = found.labels, found.alpha
    if border:
        alpha = border_matte(rgb, labels)
    if border or selector_named(method).soft:
        picture: NDArray[np.generic] = np.rint(alpha * 65535).astype(np.uint16)
    else:
        picture = labels.astype(np.uint8) * 255
    write_bytes(out, cv2.imencode(".png", picture)[1].tobytes())
    report.event("written", file=str(out))
    report.say(f"wrote {out}: {labels.mean():.1%} of frame {plate.number}")
    if found.energies:
        report.say("energy: " + ", ".join(f"{e:.6g}" for e in found.energies))
