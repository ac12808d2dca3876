"""``trackmatte shot``: make, change and show a shot file."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from trackmatte.cli.options import (
    BoxOption,
    Clip,
    Exclusive,
    FrameOption,
    Grid,
    Handles,
    InputColorspace,
    MaskOption,
    ObjectOption,
    OnError,
    Points,
    RangeOption,
    RefinerOption,
    Scribbles,
    SelectOption,
    Settings,
    ShotFile,
    Steady,
    Talk,
    TrackerOption,
    parse_range,
)
from trackmatte.cli.prompts import parse_prompt
from trackmatte.cli.work import new_shot, spans, tell_handles
from trackmatte.errors import PromptError
from trackmatte.shot import Shot
from trackmatte.shot.selecting import AUTO

app = App(name="shot", help="Make, change and show a shot: what is said about a clip, and what was computed.")

Frames = Annotated[str, Parameter(name="--frames", metavar="IN-OUT", help="Source frames, inclusive.")]


@app.command
def new(
    shot: ShotFile,
    clip: Clip,
    /,
    *,
    tracker: TrackerOption = "auto",
    refiner: RefinerOption = "auto",
    settings: Settings = [],  # noqa: B006
    select: SelectOption = None,
    frames: RangeOption = None,
    handles: Handles = 0,
    grid: Grid = None,
    exclusive: Exclusive = False,
    steady: Steady = 0.0,
    input_colorspace: InputColorspace = None,
    on_error: OnError = "stop",
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """Make a shot file for a clip."""
    report = talk.report()
    with new_shot(
        shot,
        clip,
        report,
        tracker=tracker,
        refiner=refiner,
        settings=settings,
        select=select,
        frames=frames,
        input_colorspace=input_colorspace,
        handles=handles,
        grid=grid,
        on_error=on_error,
    ) as made:
        made.doc.exclusive, made.doc.steady = exclusive, steady
        made.save()
        w, h = made.clip.size
        numbers = made.numbers()
        report.event("shot", path=str(shot), size=[w, h], frames=[numbers[0], numbers[-1]])
        report.say(f"{shot}: {w}x{h}, frames {numbers[0]}-{numbers[-1]}")


@app.command
def add(
    shot: ShotFile,
    /,
    *,
    point: Points = [],  # noqa: B006 (cyclopts copies defaults)
    box: BoxOption = None,
    scribble: Scribbles = [],  # noqa: B006
    mask: MaskOption = None,
    frame: FrameOption = None,
    obj: ObjectOption = "subject",
    select: SelectOption = None,
    replace: Annotated[
        bool, Parameter(name="--replace", negative="", help="Forget what was said about it on that frame.")
    ] = False,
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """Say where an object is on a frame; on a tracked frame, clicks and strokes correct its mask."""
    report = talk.report()
    with Shot.open(shot) as opened:
        number = frame if frame is not None else opened.numbers(handles=False)[0]
        prompt = parse_prompt(
            number,
            obj,
            opened.clip.size,
            point=point,
            box=box,
            scribble=scribble,
            mask=mask,
            select=select,
        )
        if not (prompt.selects or prompt.scribbles):
            raise PromptError("nothing was said; give --point, --box, --scribble or --mask")
        selected = opened.add(prompt, replace=replace)
        opened.save()
        share = float(selected.binary.mean())
        report.event("selected", frame=number, object=obj, share=round(share, 4))
        report.say(f"frame {number}: {obj} covers {share:.1%} of the picture")


@app.command
def remove(
    shot: ShotFile,
    /,
    *,
    frame: Annotated[int | None, Parameter(help="The frame; every frame unless given.")] = None,
    obj: ObjectOption = "subject",
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """Take back everything said about an object on a frame, or the object altogether."""
    with Shot.open(shot) as opened:
        if frame is None:
            opened.forget(obj)
        else:
            opened.remove(frame, obj)
        opened.save()
        where = "" if frame is None else f"frame {frame}: "
        talk.report().say(f"{where}nothing is said about {obj} any more")


@app.command
def lock(shot: ShotFile, /, *, frames: Frames, obj: ObjectOption = "subject", talk: Talk = Talk()) -> None:  # noqa: B008
    """Freeze an object's masks and mattes on some frames: no later pass changes them."""
    with Shot.open(shot) as opened:
        opened.lock(obj, *parse_range(frames))
        opened.save()
        talk.report().say(f"{obj}: frames {frames} are locked")


@app.command
def unlock(shot: ShotFile, /, *, frames: Frames, obj: ObjectOption = "subject", talk: Talk = Talk()) -> None:  # noqa: B008
    """Let locked frames be recomputed again."""
    with Shot.open(shot) as opened:
        opened.unlock(obj, *parse_range(frames))
        opened.save()
        talk.report().say(f"{obj}: frames {frames} are free")


@app.command(name="range")
def set_range(
    shot: ShotFile,
    frames: Annotated[str, Parameter(metavar="IN-OUT", allow_leading_hyphen=True)],
    /,
    *,
    handles: Annotated[
        int | None,
        Parameter(metavar="N", validator=Number(gte=0), help="Frames beyond both; as it is unless given."),
    ] = None,
    talk: Talk = Talk(),  # noqa: B008
) -> None:
    """Set in and out: the source frames to work on."""
    with Shot.open(shot) as opened:
        opened.set_range(*parse_range(frames))
        if handles is not None:
            opened.set_handles(handles)
        opened.save()
        tell_handles(opened, talk.report())


@app.command
def show(shot: ShotFile, /, *, talk: Talk = Talk()) -> None:  # noqa: B008
    """Show what is prompted, locked, tracked, stale and matted."""
    report = talk.report()
    with Shot.open(shot) as opened:
        numbers, doc = opened.numbers(), opened.doc
        w, h = opened.clip.size
        report.say(f"{doc.source.path}  {w}x{h}  frames {spans(numbers)}  {opened.clip.colour.name}")
        if doc.handles:
            report.say(f"in and out {opened.cut[0]}-{opened.cut[1]}, handles {doc.handles}")
        if opened.clip.timecode:
            report.say(f"timecode of the clip's first frame {opened.clip.timecode}")
        said = " ".join(f"{k}={v}" for k, v in doc.tracker.settings.items() if k != "sha256")
        report.say(f"tracker {doc.tracker.name} {said}".rstrip() + f", refiner {doc.refiner.name}")
        if doc.select != AUTO:
            report.say(f"select {doc.select}")
        for note in opened.clip.notes:
            report.note(note)
        for status in opened.status():
            fields = {
                k: getattr(status, k) for k in ("prompted", "locked", "tracked", "stale", "matted", "lost")
            }
            report.event("object", name=status.object, **{k: list(v) for k, v in fields.items()})
            report.say(status.object)
            for name, value in fields.items():
                if value:
                    report.say(f"  {name:9}{len(value):6}  {spans(list(value))}")
